// Command observer is the AWS Lambda function that decides when a set is complete, which
// the function monitor counts, and sends that to a queue. It wakes itself by delayed
// messages: its event source mapping, of OBSERVERS, must have ReportBatchItemFailures on
// and a small batch size. Its timeout should be more than a minute.
//
// Settings (see package setup): TABLE and OBSERVERS as of the monitor; NEXT is the URL of
// the queue that is told, a FIFO queue if it is to be told once even where this function
// dies in between; WINDOW (5) is for how many looks a set must be unchanged, DELAY (30s)
// the time between them, and MAXAGE (24h) when it is given up; LATE as of the monitor.
// They are variables of the environment, and all but the first three may be missing.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/zap"

	claims "github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
	"github.com/unspool-go/unspool/processor/completion/dynamodb"
)

func main() {
	d, err := configure(context.Background(), setup.Load())
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(d.Handle)
}

// configure makes the driver that the settings describe, or says all that is wrong with
// them. It sends nothing.
func configure(ctx context.Context, s *setup.Settings) (*aws.Driver, error) {
	parts, logger := setup.Open(ctx, s), setup.Logger()
	client := sqs.NewFromConfig(parts.AWS())
	queue, errQueue := aws.NewQueue(client, s.Need("OBSERVERS"))
	store, errStore := dynamodb.New(claims.NewClient(parts.AWS()), dynamodb.Config{Table: s.Need("TABLE")})
	policy := completion.Policy{
		Delay:  completion.Constant(s.Duration("DELAY", completion.DefaultDelay)),
		MaxAge: s.Duration("MAXAGE", completion.DefaultMaxAge),
	}
	var errWindow error
	if text := s.Get("WINDOW"); text != "" {
		if policy.Window, errWindow = strconv.Atoi(text); errWindow != nil {
			errWindow = fmt.Errorf("WINDOW: %q is no number of looks", text)
		}
	}
	next := s.Need("NEXT")
	late := completion.LatePolicy{Reopen: s.Get("LATE") == "reopen", Tell: func(_ context.Context, l completion.Late) error {
		logger.Warn("late", zap.String("completion", l.ID()), zap.Int64("objects", l.Added.Objects), zap.Bool("reopens", l.Reopens))
		return nil
	}}
	if err := errors.Join(s.Err(), errQueue, errStore, errWindow); err != nil {
		return nil, err
	}
	observer, err := completion.New(completion.Config{
		Store: store, Policy: policy, Late: late,
		Complete: func(ctx context.Context, c completion.Completion) error {
			m, err := message(next, c)
			if err == nil {
				_, err = client.SendMessage(ctx, m)
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	onError := func(err error) { logger.Warn("look", zap.Error(err)) }
	return aws.NewDriver(aws.DriverConfig{Observer: observer, Queue: queue, OnError: onError})
}

// message is what the next step is told. A FIFO queue takes it once, however often it is
// sent within five minutes.
func message(queue string, c completion.Completion) (*sqs.SendMessageInput, error) {
	body, err := json.Marshal(c)
	m := &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: awssdk.String(string(body))}
	if strings.HasSuffix(queue, ".fifo") {
		id := sha256.Sum256([]byte(c.ID()))
		m.MessageDeduplicationId, m.MessageGroupId = awssdk.String(hex.EncodeToString(id[:])), awssdk.String("completions")
	}
	return m, err
}
