package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // S3 asks for it beside a customer's key
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/unspool-go/unspool/internal/timefolder"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// API is what a [Source] uses of the SDK's client, *s3.Client. Who wraps a
// client to change some of it embeds it.
type API interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)

	// ListObjectVersions is called with Config.VersionIDs only.
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)

	// What follows is called by Remove and Move only.
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	CopyObject(context.Context, *s3.CopyObjectInput, ...func(*s3.Options)) (*s3.CopyObjectOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPartCopy(context.Context, *s3.UploadPartCopyInput, ...func(*s3.Options)) (*s3.UploadPartCopyOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

// Source is a prefix of an S3 bucket. It is safe for concurrent use, holds
// nothing that has to be closed, and may share its client with others.
type Source struct {
	api    API
	cfg    Config
	root   string             // begins the name of each object: empty, or ends with a slash
	levels []timefolder.Level // of cfg.Partitions
	ahead  budget             // of all readers together

	payer types.RequestPayer
	owner *string
	sse   customerKey

	proving chan struct{}    // holds one while somebody proves
	deletes proof            // while proving: of If-Match of a DELETE
	copies  map[string]proof // while proving: of If-None-Match of a copy, by target bucket

	copyLimit, copyPart int64 // of S3, but in tests
}

var (
	_ source.Source      = (*Source)(nil)
	_ source.SmallReader = (*Source)(nil)
	_ source.Watcher     = (*Source)(nil)
	_ source.Remover     = (*Source)(nil)
	_ source.Mover       = (*Source)(nil)
	_ API                = (*s3.Client)(nil)
)

// New returns the source of a prefix of a bucket. It sends nothing. Every
// mistake in cfg is named in the error, which is marked fault.Fatal.
func New(api API, cfg Config) (*Source, error) {
	cfg = cfg.withDefaults()
	levels, err := cfg.check(api)
	if err != nil {
		return nil, fault.Fatal(err)
	}
	s := &Source{
		api:       api,
		cfg:       cfg,
		root:      cfg.Prefix,
		levels:    levels,
		ahead:     budget{free: cfg.AheadBytes},
		proving:   make(chan struct{}, 1),
		copies:    map[string]proof{},
		copyLimit: maxCopyBytes,
		copyPart:  copyPartBytes,
	}
	if s.root != "" && !strings.HasSuffix(s.root, "/") {
		s.root += "/"
	}
	if cfg.RequesterPays {
		s.payer = types.RequestPayerRequester
	}
	if cfg.BucketOwner != "" {
		s.owner = &cfg.BucketOwner
	}
	if len(cfg.CustomerKey) > 0 {
		s.sse = newCustomerKey(cfg.CustomerKey)
	}
	return s, nil
}

// URL returns the root as an s3:// URL.
func (s *Source) URL() string { return "s3://" + s.cfg.Bucket + "/" + s.root }

// customerKey is a key of SSE-C as S3 wants it in requests, or three times nil.
type customerKey struct{ algorithm, key, sum *string }

func newCustomerKey(key []byte) customerKey {
	sum := md5.Sum(key) //nolint:gosec // as above
	return customerKey{
		aws.String("AES256"),
		aws.String(base64.StdEncoding.EncodeToString(key)),
		aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}
}

// stored is what an answer tells of an object.
type stored struct {
	etag      *string
	versionID *string
	size      int64
	modified  *time.Time
}

// object returns what is stored as the object of a key.
func (s *Source) object(key string, st stored) source.Object {
	o := source.Object{Key: key, Size: st.size, Version: bare(aws.ToString(st.etag))}
	if s.cfg.VersionIDs {
		o.Version = aws.ToString(st.versionID)
	}
	if st.modified != nil {
		// To the second, as in the header of a GET: some stores list fractions.
		o.ModTime = st.modified.UTC().Truncate(time.Second)
	}
	return o
}

// bare returns an ETag without its quotes, as events have it. A weak one is left
// as it is.
func bare(etag string) string {
	if n := len(etag); n >= 2 && etag[0] == '"' && etag[n-1] == '"' {
		return etag[1 : n-1]
	}
	return etag
}

// quoted is the opposite of bare. It is nil for none.
func quoted(etag string) *string {
	if etag == "" {
		return nil
	}
	if strings.HasPrefix(etag, "W/") {
		return &etag
	}
	etag = `"` + etag + `"`
	return &etag
}

func (c Config) withDefaults() Config {
	c.Suffixes = slices.Clone(c.Suffixes)
	c.Ignore = slices.Clone(c.Ignore)
	c.CustomerKey = slices.Clone(c.CustomerKey)
	orDefault(&c.MaxDepth, defaultMaxDepth)
	orDefault(&c.Growing.Overlap, defaultOverlap)
	orDefault(&c.Growing.FullEvery, defaultFullEvery)
	orDefault(&c.PartBytes, defaultPartBytes)
	orDefault(&c.AheadBytes, defaultAheadBytes)
	orDefault(&c.Parallel, defaultParallel)
	orDefault(&c.Timeout, defaultTimeout)
	return c
}

func orDefault[T ~int | ~int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
