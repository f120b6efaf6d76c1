package setup

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	goredis "github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/claim/redis"
	claims3 "github.com/unspool-go/unspool/claim/s3"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/s3store"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/s3"
	"github.com/unspool-go/unspool/source/web"
	"github.com/unspool-go/unspool/transform"
)

// Parts makes the parts of a function of its settings. What is wrong with a setting
// is noted in the settings, and the part is then unusable: look at [Settings.Err]
// when all are made. Nothing is sent yet, and what is opened stays open as long as
// the process.
type Parts struct {
	*Settings
	aws aws.Config
}

// Open returns the parts of settings, with the AWS settings of the environment.
func Open(ctx context.Context, s *Settings) Parts {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		s.wrong("AWS settings of the environment", err)
	}
	cfg.Logger = logging.Nop{} // its notes on single requests would fill the log
	return Parts{s, cfg}
}

// AWS are the settings for clients of the function's own.
func (p Parts) AWS() aws.Config { return p.aws }

// Source is where SOURCE says: in a folder, such as one on EFS, on a web server
// that lists folders (http:// or https://), or in a bucket (s3://BUCKET/PREFIX).
// What is compressed there is decoded.
func (p Parts) Source() source.Source {
	location := p.Need("SOURCE")
	if location == "" {
		return nil
	}
	src, err := p.open(location)
	if err == nil {
		src, err = decompress.New(src, decompress.Config{})
	}
	if err != nil {
		p.wrong("SOURCE", err)
		return nil
	}
	return src
}

func (p Parts) open(location string) (source.Source, error) {
	scheme, rest, isURL := strings.Cut(location, "://")
	switch {
	case !isURL:
		return dir.Open(location, dir.Config{})
	case scheme == "http" || scheme == "https":
		return web.New(location, web.Config{})
	case scheme == "s3":
		bucket, prefix, _ := strings.Cut(rest, "/")
		return s3.New(s3.NewClient(p.aws), s3.Config{Bucket: bucket, Prefix: prefix})
	}
	return nil, fmt.Errorf("%q is neither a folder nor http(s):// nor s3://", location)
}

// Claims are where CLAIMS says: in dynamodb:TABLE, in s3://BUCKET/PREFIX or in
// redis://HOST:PORT/DB?prefix=NAME.
func (p Parts) Claims() processor.Claims {
	location := p.Need("CLAIMS")
	if location == "" {
		return nil
	}
	store, err := p.claims(location)
	if err != nil {
		p.wrong("CLAIMS", err)
		return nil
	}
	return store
}

func (p Parts) claims(location string) (processor.Claims, error) {
	scheme, rest, _ := strings.Cut(location, ":")
	switch scheme {
	case "dynamodb":
		return dynamodb.New(dynamodb.NewClient(p.aws), dynamodb.Config{Table: rest})
	case "s3":
		bucket, prefix, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "/")
		return claims3.New(claims3.NewClient(p.aws), claims3.Config{Bucket: bucket, Prefix: strings.TrimSuffix(prefix, "/") + "/"})
	case "redis", "rediss":
		return openRedis(location)
	}
	return nil, fmt.Errorf("want dynamodb:TABLE, s3://BUCKET/PREFIX or redis://HOST:PORT/DB?prefix=NAME")
}

func openRedis(location string) (processor.Claims, error) {
	malformed := errors.New("malformed: want redis://HOST:PORT/DB?prefix=NAME") // the URL may hold a password
	u, err := url.Parse(location)
	if err != nil {
		return nil, malformed
	}
	query := u.Query()
	prefix := query.Get("prefix")
	query.Del("prefix")
	u.RawQuery = query.Encode()
	opts, err := goredis.ParseURL(u.String())
	if err != nil {
		return nil, malformed
	}
	opts.ContextTimeoutEnabled = true
	return redis.New(goredis.NewClient(opts), redis.Config{Prefix: prefix})
}

// Queue is the SQS queue whose URL or name QUEUE is.
func (p Parts) Queue() sink.Sink {
	queue := p.Need("QUEUE")
	if queue == "" {
		return nil
	}
	s, err := sqs.New(sqs.NewClient(p.aws, sqs.WithFastBody), queue, sqs.Config{})
	if err != nil {
		p.wrong("QUEUE", err)
		return nil
	}
	return s
}

// Fields is the transform that takes off what stands before the JSON and keeps the
// fields that SELECT names (id,user=user.screen_name), or everything.
func (p Parts) Fields() transform.Transform {
	selected := p.Get("SELECT")
	if selected == "" {
		return transform.StripPreamble{}
	}
	list, err := transform.ParseFields(selected)
	if err == nil {
		var projection *transform.Projection
		if projection, err = transform.ProjectFields(list); err == nil {
			return transform.Chain(transform.StripPreamble{}, projection)
		}
	}
	p.wrong("SELECT", err)
	return nil
}

// Aside are the folders for what cannot be delivered, below the one that ASIDE
// names, a path or s3://BUCKET/PREFIX. They are empty where it is not set.
type Aside struct{ Retry, Failed, Corrupt string }

// Aside returns the folders below ASIDE.
func (p Parts) Aside() Aside {
	folder := strings.TrimRight(p.Get("ASIDE"), "/")
	if folder == "" {
		return Aside{}
	}
	if strings.HasPrefix(folder, "s3://") {
		if err := s3store.Register(s3.NewClient(p.aws), s3store.Config{}); err != nil {
			p.wrong("ASIDE", err)
		}
	}
	return Aside{folder + "/retry", folder + "/failed", folder + "/corrupt"}
}

// Pipeline is the configuration of a function that sends records to QUEUE: what
// PROCESSOR says, with the transform, the queue and the folders.
func (p Parts) Pipeline() processor.Config {
	cfg := p.Processor()
	cfg.Transform, cfg.Sink = p.Fields(), p.Queue()
	p.Need("ASIDE")
	aside := p.Aside()
	cfg.RetryURL, cfg.FailedURL, cfg.CorruptionURL = aside.Retry, aside.Failed, aside.Corrupt
	return cfg
}
