// Command checker is the AWS Lambda function that gives back what died loaders
// left behind, and gives up what used up its attempts. A schedule starts it every
// few minutes, beside any number of loaders.
//
// Settings (see package setup): CLAIMS, ASIDE and PROCESSOR as of the loader; GRACE,
// which may be missing, is how long ago a lease must have expired (1m).
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
	c, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(c.Handle)
}

// checker serves one invocation after the other.
type checker struct {
	cfg     processor.CheckConfig
	metrics *emf.Writer
}

// Handle checks until nothing is left, or until shortly before the deadline that
// Lambda gives ctx.
func (c checker) Handle(ctx context.Context) (processor.CheckReport, error) {
	report, err := processor.Check(ctx, c.cfg)
	return report, errors.Join(err, c.metrics.Check(report))
}

// configure makes the checker that the settings describe, or says all that is
// wrong with them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (checker, error) {
	parts := setup.Open(ctx, s)
	loader := parts.Processor() // they must agree
	parts.Need("ASIDE")
	aside := parts.Aside()
	cfg := processor.CheckConfig{
		Claims: parts.Claims(), RetryURL: aside.Retry, FailedURL: aside.Failed,
		MaxRetries: loader.MaxRetries, Lease: loader.Lease, Grace: parts.Duration("GRACE", time.Minute), Logger: setup.Logger(),
	}
	if cfg.Grace == 0 {
		cfg.Grace = -1 // for the library 0 is the default
	}
	return checker{cfg, parts.Metrics(os.Stdout)}, s.Err()
}
