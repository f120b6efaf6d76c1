// Command s3event is the AWS Lambda function that processes objects as S3 tells of
// them, in events of its own or through SNS, SQS or EventBridge. It claims each one:
// a loader with the same SOURCE and CLAIMS does what no event told of, goes on with
// what the deadline struck in the middle, and works off the retry destination.
//
// Settings (see package setup): SOURCE, which must be s3://BUCKET/PREFIX, QUEUE,
// CLAIMS, ASIDE, SELECT and PROCESSOR as of the loader.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

func main() {
	objects, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(objects.Handle)
}

// configure makes the handler that the settings describe, or says all that is wrong
// with them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (*aws.Objects, error) {
	parts := setup.Open(ctx, s)
	cfg := parts.Pipeline()
	cfg.Source, cfg.Claimer, cfg.Logger = parts.Source(), parts.Claims(), setup.Logger()
	metrics := parts.Metrics(os.Stdout)
	if err := s.Err(); err != nil {
		return nil, err
	}
	service, err := processor.New(cfg)
	if err != nil {
		return nil, err
	}
	return aws.NewObjects(aws.ObjectsConfig{
		Source: cfg.Source, Claim: true,
		Config: aws.Config{Service: service, Done: setup.Done(metrics)},
	})
}
