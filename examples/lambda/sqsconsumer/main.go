// Command sqsconsumer is the AWS Lambda function that takes records out of the
// messages of an SQS queue, each of which is a record, an array or lines of them,
// and sends them on, packed to full messages. The event source mapping must have
// ReportBatchItemFailures on: then exactly those messages are delivered again of
// which something is not settled.
//
// Settings (see package setup): QUEUE, ASIDE, SELECT and PROCESSOR as of the loader,
// which tries again what is in ASIDE.
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
	messages, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(messages.Handle)
}

// configure makes the handler that the settings describe, or says all that is wrong
// with them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (*aws.Messages, error) {
	parts := setup.Open(ctx, s)
	cfg := parts.Pipeline()
	cfg.Logger = setup.Logger()
	metrics := parts.Metrics(os.Stdout)
	if err := s.Err(); err != nil {
		return nil, err
	}
	service, err := processor.New(cfg)
	if err != nil {
		return nil, err
	}
	return aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: service, Done: setup.Done(metrics)}})
}
