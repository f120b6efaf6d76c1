// Command loader is the AWS Lambda function that drains a folder, such as one on
// EFS, into an SQS queue. A schedule starts it every few minutes: runs may
// overlap, and each ends by itself when all that is left is held by others, or
// shortly before its time is up.
//
// Environment: SOURCE is the folder, QUEUE the queue's URL or name, CLAIMS the
// DynamoDB table of the claims, ASIDE the folder for what cannot be delivered,
// SELECT, which may be missing, the fields to keep (id,user=user.screen_name).
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"go.uber.org/zap"

	"github.com/unspool-go/unspool/examples/lambda/env"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

func main() {
	cfg, err := configure(context.Background(), env.New(os.LookupEnv))
	if err != nil {
		log.Fatal(err)
	}
	if cfg.Logger, err = zap.NewProduction(); err != nil {
		log.Fatal(err)
	}
	service, err := processor.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(loader{service}.Handle)
}

// loader serves one invocation after the other.
type loader struct{ service *processor.Service }

// Handle drains until nothing is left, or until shortly before the deadline that
// Lambda gives ctx. A run that had to stop is no error: the next one goes on.
func (l loader) Handle(ctx context.Context) (*processor.Response, error) {
	report, err := l.service.Run(ctx)
	if report == nil {
		return nil, err
	}
	return report.BaseResponse(), err
}

// configure makes the configuration that the environment describes. It sends
// nothing.
func configure(ctx context.Context, e *env.Env) (processor.Config, error) {
	folder, queue, table, aside := e.Need("SOURCE"), e.Need("QUEUE"), e.Need("CLAIMS"), e.Need("ASIDE")
	fields, err := project(e.Get("SELECT"))
	if err := errors.Join(e.Err(), err); err != nil {
		return processor.Config{}, err
	}
	source, err := dir.Open(folder, dir.Config{})
	if err != nil {
		return processor.Config{}, err
	}
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return processor.Config{}, err
	}
	sink, err := sqs.New(sqs.NewClient(aws), queue, sqs.Config{})
	if err != nil {
		return processor.Config{}, err
	}
	claims, err := env.Claims(ctx, table)
	return processor.Config{
		Source: source, Claimer: claims, Transform: fields, Sink: sink,
		RetryURL: aside + "/retry", FailedURL: aside + "/failed", CorruptionURL: aside + "/corrupt",
	}, err
}

// project is the transform that keeps the selected fields, or everything.
func project(fields string) (transform.Transform, error) {
	if fields == "" {
		return transform.StripPreamble{}, nil
	}
	list, err := transform.ParseFields(fields)
	if err != nil {
		return nil, err
	}
	projection, err := transform.ProjectFields(list)
	if err != nil {
		return nil, err
	}
	return transform.Chain(transform.StripPreamble{}, projection), nil
}
