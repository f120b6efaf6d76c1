// Command archiver is the AWS Lambda function that takes away what is finished,
// so that the loader never lists it again. A schedule starts it; one of them works
// at a time.
//
// Environment: SOURCE is the folder and CLAIMS the DynamoDB table of the claims,
// both as of the loader; ARCHIVE is the folder to move files to, which should be on
// the same file system, or DELETE is "true"; AFTER, which may be missing, is how
// long a file stays once it is finished (24h). FORGET, which may be missing, is how
// long after it was finished the claim of a file is forgotten that somebody else
// took away (720h; 0s is never), and ASIDE, as of the loader, has those of retry
// parts forgotten as well.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"go.uber.org/zap"

	"github.com/unspool-go/unspool/examples/lambda/env"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source/dir"
)

func main() {
	cfg, err := configure(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		log.Fatal(err)
	}
	if cfg.Logger, err = zap.NewProduction(); err != nil {
		log.Fatal(err)
	}
	lambda.Start(archiver{cfg}.Handle)
}

// archiver serves one invocation after the other.
type archiver struct{ cfg processor.ArchiveConfig }

// Handle archives until nothing is left, or until shortly before the deadline
// that Lambda gives ctx.
func (a archiver) Handle(ctx context.Context) (processor.ArchiveReport, error) {
	return processor.Archive(ctx, a.cfg)
}

// Where the environment does not say:
const (
	stay       = 24 * time.Hour      // how long a file stays
	remembered = 30 * 24 * time.Hour // how long one is remembered that others took away
)

// configure makes the configuration that the environment describes. It sends
// nothing.
func configure(ctx context.Context, e *env.Env) (processor.ArchiveConfig, error) {
	cfg := processor.ArchiveConfig{
		Delete: e.Get("DELETE") == "true", After: e.Duration("AFTER", stay), ForgetAfter: e.Duration("FORGET", remembered),
	}
	if aside := e.Get("ASIDE"); aside != "" {
		cfg.RetryURL = aside + "/retry"
	}
	if !cfg.Delete {
		cfg.To = e.Need("ARCHIVE")
	}
	folder, table := e.Need("SOURCE"), e.Need("CLAIMS")
	if err := e.Err(); err != nil {
		return cfg, err
	}
	source, err := dir.Open(folder, dir.Config{})
	if err != nil {
		return cfg, err
	}
	cfg.Source = source
	claims, err := env.Claims(ctx, table)
	cfg.Claims = claims
	return cfg, err
}
