// Command loader is the AWS Lambda function that drains a folder of files into an
// SQS queue. A schedule starts it every few minutes: runs may overlap, and each
// ends by itself when all that is left is held by others, or shortly before its
// time is up.
//
// Settings (see package setup): SOURCE is the folder, as on EFS, or http(s)://…, or
// s3://BUCKET/PREFIX; QUEUE the queue's URL or name; CLAIMS the claims, as in
// dynamodb:TABLE; ASIDE the folder for what cannot be delivered, a path or
// s3://BUCKET/PREFIX; SELECT, which may be missing, the fields to keep
// (id,user=user.screen_name); PROCESSOR, which may be missing, values of the
// library's configuration.
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
)

func main() {
	l, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(l.Handle)
}

// loader serves one invocation after the other.
type loader struct {
	service *processor.Service
	metrics *emf.Writer
}

// Handle drains until nothing is left, or until shortly before the deadline that
// Lambda gives ctx. A run that had to stop is no error: the next one goes on.
func (l loader) Handle(ctx context.Context) (*processor.Response, error) {
	report, err := l.service.Run(ctx)
	err = errors.Join(err, l.metrics.Run(report))
	if report == nil {
		return nil, err
	}
	return report.BaseResponse(), err
}

// configure makes the loader that the settings describe, or says all that is wrong
// with them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (loader, error) {
	parts := setup.Open(ctx, s)
	cfg := parts.Pipeline()
	cfg.Source, cfg.Claimer, cfg.Logger = parts.Source(), parts.Claims(), setup.Logger()
	metrics := parts.Metrics(os.Stdout)
	if err := s.Err(); err != nil {
		return loader{}, err
	}
	service, err := processor.New(cfg)
	return loader{service, metrics}, err
}
