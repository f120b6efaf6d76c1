package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/storeclock"
	"github.com/unspool-go/unspool/processor/fault"
)

// API is what the store uses of the SDK's client, *s3.Client.
type API interface {
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// DefaultParallel is how many requests of one call are under way at a time where
// [Config] does not say.
const DefaultParallel = 64

// maxPrefixBytes leaves room for the rest of a name in the 1,024 bytes that S3
// takes.
const maxPrefixBytes = 900

// Config configures a [Store].
type Config struct {
	// Bucket is the name or ARN of the bucket. Required.
	Bucket string
	// Prefix begins the names of all objects, as in "claims/": at most 900
	// bytes. Required.
	Prefix string
	// Parallel is how many requests of one call are under way at a time. The
	// client should keep as many connections: see [NewClient]. Defaults to
	// [DefaultParallel].
	Parallel int
}

// Store is a claim store in an S3 bucket. It is safe for concurrent use, holds
// nothing that has to be closed, and may share its client with other stores.
type Store struct {
	api      API
	bucket   string
	prefix   string
	parallel int
	clock    *storeclock.Clock
	own      ownLeases

	// wroteInVain says that of the last call's keys so many could not be had
	// that reading them first would have been cheaper.
	wroteInVain atomic.Bool

	probing       sync.Mutex
	obeysWrites   bool // under probing: proven
	obeysDeletion bool
}

var (
	_ claim.Claimer   = (*Store)(nil)
	_ claim.Inspector = (*Store)(nil)
	_ API             = (*s3.Client)(nil)
)

// New returns a store in a bucket that exists. It sends nothing. Every mistake
// in cfg is named in the error.
func New(api API, cfg Config) (*Store, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	if cfg.Bucket == "" {
		errs = append(errs, errors.New("Bucket is empty"))
	}
	switch {
	case cfg.Prefix == "":
		errs = append(errs, errors.New("Prefix is empty"))
	case len(cfg.Prefix) > maxPrefixBytes:
		errs = append(errs, fmt.Errorf("Prefix has %d bytes: want at most %d", len(cfg.Prefix), maxPrefixBytes))
	}
	if cfg.Parallel < 0 {
		errs = append(errs, fmt.Errorf("Parallel is %d: want more than 0", cfg.Parallel))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure S3 claims: %w", errors.Join(errs...)))
	}
	s := &Store{
		api:      api,
		bucket:   cfg.Bucket,
		prefix:   cfg.Prefix,
		parallel: cfg.Parallel,
		clock:    storeclock.New(time.Now),
	}
	if s.parallel == 0 {
		s.parallel = DefaultParallel
	}
	// The first call of a process is likely to meet what the last one did.
	s.wroteInVain.Store(true)
	return s, nil
}
