// Command checker is the AWS Lambda function that gives back what died loaders
// left behind, and gives up what used up its attempts. A schedule starts it every
// few minutes, beside any number of loaders.
//
// Environment: CLAIMS is the DynamoDB table of the claims, ASIDE the folder for
// what cannot be delivered, both as of the loader; GRACE, which may be missing, is
// how long ago a lease must have expired (1m).
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
)

func main() {
	cfg, err := configure(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		log.Fatal(err)
	}
	if cfg.Logger, err = zap.NewProduction(); err != nil {
		log.Fatal(err)
	}
	lambda.Start(checker{cfg}.Handle)
}

// checker serves one invocation after the other.
type checker struct{ cfg processor.CheckConfig }

// Handle checks until nothing is left, or until shortly before the deadline that
// Lambda gives ctx.
func (c checker) Handle(ctx context.Context) (processor.CheckReport, error) {
	return processor.Check(ctx, c.cfg)
}

// configure makes the configuration that the environment describes. It sends
// nothing.
func configure(ctx context.Context, e *env.Env) (processor.CheckConfig, error) {
	table, aside, grace := e.Need("CLAIMS"), e.Need("ASIDE"), e.Duration("GRACE", time.Minute)
	if err := e.Err(); err != nil {
		return processor.CheckConfig{}, err
	}
	if grace == 0 {
		grace = -1 // for the library 0 is the default
	}
	claims, err := env.Claims(ctx, table)
	return processor.CheckConfig{
		Claims: claims, FailedURL: aside + "/failed", RetryURL: aside + "/retry", Grace: grace,
	}, err
}
