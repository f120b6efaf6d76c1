// Command archiver is the AWS Lambda function that takes away what is finished,
// so that the loader never lists it again. A schedule starts it; one of them works
// at a time.
//
// Settings (see package setup): SOURCE, which must not be http(s)://, CLAIMS
// and PROCESSOR as of the loader; ARCHIVE is where files are moved to, a folder, which
// should be on the same file system, or s3://BUCKET/PREFIX for a source in S3, or
// DELETE is "true"; AFTER, which may be missing, is how long a file stays once it is
// finished (24h). FORGET, which may be missing, is how long after it was finished
// the claim of a file is forgotten that somebody else took away (720h; 0s is
// never), and ASIDE, as of the loader, has those of retry parts forgotten as well.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
)

func main() {
	a, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(a.Handle)
}

// archiver serves one invocation after the other.
type archiver struct {
	cfg     processor.ArchiveConfig
	metrics *emf.Writer
}

// Handle archives until nothing is left, or until shortly before the deadline
// that Lambda gives ctx.
func (a archiver) Handle(ctx context.Context) (processor.ArchiveReport, error) {
	report, err := processor.Archive(ctx, a.cfg)
	return report, errors.Join(err, a.metrics.Archive(report))
}

// Where the settings do not say:
const (
	stay       = 24 * time.Hour      // how long a file stays
	remembered = 30 * 24 * time.Hour // how long one is remembered that others took away
)

// configure makes the archiver that the settings describe, or says all that is
// wrong with them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (archiver, error) {
	parts := setup.Open(ctx, s)
	loader := parts.Processor() // they must agree
	cfg := processor.ArchiveConfig{
		Source: parts.Source(), Claims: parts.Claims(), To: s.Get("ARCHIVE"), Delete: s.Flag("DELETE"),
		After: s.Duration("AFTER", stay), ForgetAfter: s.Duration("FORGET", remembered), RetryURL: parts.Aside().Retry,
		ClaimVersion: loader.ClaimVersion, Lease: loader.Lease, Logger: setup.Logger(),
	}
	if !cfg.Delete {
		parts.Need("ARCHIVE")
	}
	return archiver{cfg, parts.Metrics(os.Stdout)}, s.Err()
}
