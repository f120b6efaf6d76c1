package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var set = completion.Set{Bucket: "feed", Prefix: "out/run-7/"}

// created is an event of S3.
func created(names ...string) string {
	var records []string
	for _, name := range names {
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectCreated:Put",
 "s3":{"bucket":{"name":"feed"},"object":{"key":%q,"size":4,"sequencer":"0055"}}}`, name))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

// sqsEvent is a batch of messages as Lambda delivers it.
func sqsEvent(t *testing.T, bodies ...string) json.RawMessage {
	t.Helper()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprint("m", i), Body: body, EventSource: "aws:sqs"})
	}
	text, err := json.Marshal(batch)
	require.NoError(t, err)
	return text
}

func ids(r events.SQSEventResponse) []string {
	var ids []string
	for _, f := range r.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

// queue is a queue in memory, which delays as SQS does and takes no more than 900 s.
type queue struct {
	err      error
	messages []delayed
}

type delayed struct {
	body  string
	delay time.Duration
}

func (q *queue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if q.err != nil {
		return nil, q.err
	}
	if in.DelaySeconds < 0 || in.DelaySeconds > 900 {
		return nil, errors.New("InvalidParameterValue")
	}
	if strings.ContainsAny(*in.MessageBody, "\ufffe\uffff") {
		return nil, errors.New("InvalidMessageContents")
	}
	q.messages = append(q.messages, delayed{*in.MessageBody, time.Duration(in.DelaySeconds) * time.Second})
	return &sqs.SendMessageOutput{}, nil
}

// take takes the only message, once its delay has passed.
func (q *queue) take(t *testing.T) string {
	t.Helper()
	require.Len(t, q.messages, 1)
	m := q.messages[0]
	q.messages = nil
	time.Sleep(m.delay)
	return m.body
}

func newQueue(t *testing.T, api aws.API) *aws.Queue {
	t.Helper()
	q, err := aws.NewQueue(api, "https://sqs.test/1/observers")
	require.NoError(t, err)
	return q
}
