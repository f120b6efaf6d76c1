// Command monitor is the AWS Lambda function that counts the objects of sets, as S3 tells
// of them, in events of its own or through SNS, SQS or EventBridge, and has each set
// observed by the function observer. Let S3 send to an SQS queue, with
// ReportBatchItemFailures on: a batch is counted in one transaction.
//
// Settings (see package setup): TABLE is the DynamoDB table that both functions share;
// FOLDERS says what a set is: with out/*/ each folder of out/ is one, with out/ all that
// is in it, and it may be missing where each bucket is one; OBSERVERS is the URL of the
// queue of the function observer; LATE, which may be missing, is "reopen" if what comes
// after completion reopens its set. It is logged in any case.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"go.uber.org/zap"

	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
)

func main() {
	m, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(m.Handle)
}

// configure makes the monitor that the settings describe, or says all that is wrong with
// them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (*aws.Monitor, error) {
	parts, logger := setup.Open(ctx, s), setup.Logger()
	queue := parts.Observers()
	cfg := completion.MonitorConfig{Store: parts.Sets(), Start: queue.Start, Late: parts.Late(logger)}
	root, depth, errFolders := folders(s.Get("FOLDERS"))
	if err := errors.Join(s.Err(), errFolders); err != nil {
		return nil, err
	}
	m, err := completion.NewMonitor(cfg)
	if err != nil {
		return nil, err
	}
	return aws.NewMonitor(aws.MonitorConfig{
		Monitor: m, SetOf: aws.Folders(root, depth),
		OnError: func(err error) { logger.Warn("not counted", zap.Error(err)) },
	})
}

// folders reads a pattern such as out/*/, whose stars can stand at its end alone.
func folders(pattern string) (root string, depth int, err error) {
	root = pattern
	for strings.HasSuffix(root, "*/") {
		root, depth = strings.TrimSuffix(root, "*/"), depth+1
	}
	if strings.Contains(root, "*") || depth > 0 && root != "" && !strings.HasSuffix(root, "/") {
		return "", 0, fmt.Errorf("FOLDERS: %q is none such as out/*/", pattern)
	}
	return root, depth, nil
}
