package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/file"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/offload"
)

// openSink opens the sink of that URL. What the user's words are to blame for
// is marked errUsage.
func (j *job) openSink(ctx context.Context, set settings, stdout io.Writer) (sink.Sink, error) {
	scheme, rest, _ := strings.Cut(set.Sink, ":")
	switch scheme {
	case "stdout":
		return file.NewWriter(stdout), nil
	case "file":
		return j.openFiles(set.Sink)
	default:
		return openQueue(ctx, rest, set.Offload)
	}
}

func (j *job) openFiles(location string) (sink.Sink, error) {
	path, _, err := localPath(location)
	if err != nil {
		return nil, usage([]error{fmt.Errorf("--sink: %w", err)})
	}
	files, err := file.New(path, file.Config{})
	if err != nil {
		return nil, usage([]error{fmt.Errorf("--sink: %w", err)})
	}
	j.closers = append(j.closers, files.Close)
	return files, nil
}

// checkSink reports what is wrong with --sink and --offload, as far as the
// words tell.
func checkSink(set settings) []error {
	var errs []error
	scheme, rest, _ := strings.Cut(set.Sink, ":")
	switch {
	case scheme == "stdout" && rest == "":
	case scheme == "file":
		if _, _, err := localPath(set.Sink); err != nil {
			errs = append(errs, fmt.Errorf("--sink: %w", err))
		} else if !strings.HasPrefix(rest, "///") {
			errs = append(errs, fmt.Errorf("--sink: %s: write file:///path", set.Sink))
		}
	case scheme == "sqs":
		if _, err := sqs.New(sqs.NewClient(aws.Config{}), rest, sqs.Config{}); err != nil {
			errs = append(errs, fmt.Errorf("--sink: %w", err))
		}
	case set.Sink != "":
		errs = append(errs, fmt.Errorf("--sink: %q is none of sqs:QUEUE, file://DIR, stdout:", set.Sink))
	}
	if _, _, ok := bucketOf(set.Offload); set.Offload != "" && !ok {
		errs = append(errs, fmt.Errorf("--offload: %q is no s3://BUCKET/PREFIX", set.Offload))
	}
	return errs
}

// bucketOf takes s3://BUCKET/PREFIX apart.
func bucketOf(location string) (bucket, prefix string, ok bool) { return inBucket("s3", location) }

// inBucket takes SCHEME://BUCKET/PREFIX apart.
func inBucket(scheme, location string) (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(location, scheme+"://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	return bucket, prefix, ok && bucket != ""
}

// awsSettings are the AWS settings of the environment. What they lack is the
// user's mistake.
func awsSettings(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	switch {
	case err != nil:
		err = fmt.Errorf("AWS settings of the environment: %w", err)
	case cfg.Region == "":
		err = errors.New("AWS settings of the environment: no region; set AWS_REGION")
	default:
		return cfg, nil
	}
	return cfg, usage([]error{err})
}

// openQueue makes a sink of a queue with the AWS settings of the environment.
func openQueue(ctx context.Context, queue, location string) (sink.Sink, error) {
	cfg, err := awsSettings(ctx)
	if err != nil {
		return nil, err
	}
	var opts sqs.Config
	if location != "" {
		bucket, prefix, _ := bucketOf(location)
		if opts.Offload, err = offload.New(s3.NewFromConfig(cfg), bucket, prefix); err != nil {
			return nil, usage([]error{fmt.Errorf("--offload: %w", err)})
		}
	}
	queueSink, err := sqs.New(sqs.NewClient(cfg, sqs.WithFastBody), queue, opts)
	if err != nil {
		return nil, usage([]error{fmt.Errorf("--sink: %w", err)})
	}
	return queueSink, nil
}
