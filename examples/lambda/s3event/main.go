// Command s3event is the AWS Lambda function that processes objects as S3 tells of
// them, in events of its own or through SNS, SQS or EventBridge. What the deadline
// strikes in the middle is noted in ASIDE, where the loader goes on with it: both
// must have the same SOURCE. Let no loader list what S3 tells of, or it is processed
// twice (see IGNORE of the loader).
//
// Settings (see package setup): SOURCE, which must be s3://BUCKET/PREFIX, QUEUE,
// ASIDE, SELECT and PROCESSOR as of the loader.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/unspool-go/unspool/claim/memory"
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
	cfg.Source, cfg.Logger = parts.Source(), setup.Logger()
	cfg.Claimer = memory.New() // events claim nothing
	metrics := parts.Metrics(os.Stdout)
	if err := s.Err(); err != nil {
		return nil, err
	}
	service, err := processor.New(cfg)
	if err != nil {
		return nil, err
	}
	return aws.NewObjects(aws.ObjectsConfig{
		Source: cfg.Source,
		Config: aws.Config{Service: service, Done: setup.Done(metrics)},
	})
}
