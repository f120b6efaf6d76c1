// Command observer is the AWS Lambda function that decides when a set is complete, which
// the function monitor counts, and sends that to a queue. It wakes itself by delayed
// messages: its event source mapping, of OBSERVERS, must have ReportBatchItemFailures on
// and a small batch size.
//
// Settings (see package setup): TABLE, OBSERVERS and LATE as of the monitor; NEXT is the
// URL of the queue that is told, a FIFO queue if it is to be told once even where this
// function dies in between: then the visibility time-out of OBSERVERS, after which it
// tries again, must be well within the five minutes in which a FIFO queue knows again
// what it was sent. WINDOW (5) is for how many looks a set must be unchanged, DELAY (30s)
// the time between them, and MAXAGE (24h) when it is given up, which is logged. The last
// three and LATE may be missing.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/zap"

	"github.com/unspool-go/unspool/examples/lambda/setup"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
)

// lease is how long it may take to send one message, and another observer waits for one
// that died at it. The function's timeout must be more than that for each message of a
// batch.
const lease = 10 * time.Second

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
	queue := parts.Observers()
	client, next := sqs.NewFromConfig(parts.AWS()), s.Need("NEXT")
	cfg := completion.Config{
		Store: parts.Sets(), Late: parts.Late(logger), Lease: lease,
		Policy: completion.Policy{
			Window: s.Number("WINDOW"),
			Delay:  completion.Constant(s.Duration("DELAY", completion.DefaultDelay)),
			MaxAge: s.Duration("MAXAGE", completion.DefaultMaxAge),
		},
		Complete: func(ctx context.Context, c completion.Completion) error {
			m, err := message(next, c)
			if err == nil {
				_, err = client.SendMessage(ctx, m)
			}
			if err == nil && c.Outcome == completion.Incomplete {
				logger.Warn("incomplete", zap.String("completion", c.ID()), zap.Int64("objects", c.Count.Objects))
			}
			return err
		},
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	observer, err := completion.New(cfg)
	if err != nil {
		return nil, err
	}
	onError := func(err error) { logger.Warn("look", zap.Error(err)) }
	return aws.NewDriver(aws.DriverConfig{Observer: observer, Queue: queue, OnError: onError})
}

// message is what the next step is told. A FIFO queue takes it once, however often it is
// sent within five minutes, and keeps the completions of one set in order.
func message(queue string, c completion.Completion) (*sqs.SendMessageInput, error) {
	body, err := json.Marshal(c)
	m := &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: awssdk.String(string(body))}
	if strings.HasSuffix(queue, ".fifo") {
		m.MessageDeduplicationId, m.MessageGroupId = awssdk.String(c.Token()), awssdk.String(group(c.Set))
	}
	return m, err
}

// group is a set as a message group: an ID is too long for one.
func group(set completion.Set) string {
	sum := sha256.Sum256([]byte(set.ID()))
	return hex.EncodeToString(sum[:])
}
