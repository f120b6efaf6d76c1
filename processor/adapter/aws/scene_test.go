package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A service is a Service of a function.
type service func(ctx context.Context, req *processor.Request) error

// Do answers as that of the processor: an input that was read counts as an object.
func (f service) Do(ctx context.Context, req *processor.Request) (processor.Reporter, error) {
	rep := processor.NewReporter()
	rep.BaseResponse().Objects = 1
	err := f(ctx, req)
	if err != nil {
		rep.BaseResponse().Status = processor.StatusError
		rep.BaseResponse().Errors = []string{err.Error()}
	}
	return rep, err
}

// errUnread is the error of an input that is not settled.
var errUnread = fmt.Errorf("%w: %w", processor.ErrUnread, errors.New("away"))

// lineFunc is a custom processor of lines.
type lineFunc func(ctx context.Context, line string) error

func (f lineFunc) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	return f(ctx, string(data))
}

// scene is a bucket, a source of its folder in/, and a service that processes its
// records, with destinations of their own.
type scene struct {
	t      *testing.T
	store  *s3fake.Server
	files  *s3.Source
	base   string
	cfg    processor.Config
	report *aws.Report // of the last invocation

	mu   sync.Mutex
	done []string
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, store: &s3fake.Server{}, base: t.TempDir()}
	var err error
	s.files, err = s3.New(s.store.Client(), s3.Config{Bucket: "feed", Prefix: "in"})
	require.NoError(t, err)
	s.cfg = processor.Config{
		Source: s.files, Claimer: memory.New(), Concurrency: 1, Split: source.Split{Format: source.FormatLines, Raw: true},
		RetryURL: s.base + "/retry", FailedURL: s.base + "/failed", CorruptionURL: s.base + "/corrupt",
	}
	s.process(func(context.Context, string) error { return nil })
	return s
}

// process sets the processor, and has lines noted for which it returns nil.
func (s *scene) process(f func(ctx context.Context, line string) error) {
	s.cfg.Processor = lineFunc(func(ctx context.Context, line string) error {
		err := f(ctx, line)
		if err == nil {
			s.mu.Lock()
			s.done = append(s.done, line)
			s.mu.Unlock()
		}
		return err
	})
}

// processed are the lines that were, sorted.
func (s *scene) processed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, slices.Sorted(slices.Values(s.done))...)
}

// kept are the lines in a destination, sorted.
func (s *scene) kept(folder string) []string {
	s.t.Helper()
	store, err := destination.Open(destination.Config{URL: s.base + "/" + folder})
	require.NoError(s.t, err)
	lines := []string{}
	for part, err := range store.List(context.Background()) {
		require.NoError(s.t, err)
		body, err := store.Open(context.Background(), part.Name)
		require.NoError(s.t, err)
		for e, err := range destination.ReadEnvelopes(body, 1<<20) {
			require.NoError(s.t, err)
			lines = append(lines, string(e.Data))
		}
		require.NoError(s.t, body.Close())
	}
	slices.Sort(lines)
	return lines
}

// put stores an object, and returns its ETag.
func (s *scene) put(key, body string) string {
	s.t.Helper()
	bucket := "feed"
	out, err := s.store.Client().PutObject(s.t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	require.NoError(s.t, err)
	return strings.Trim(*out.ETag, `"`)
}

func (s *scene) service() *processor.Service {
	s.t.Helper()
	svc, err := processor.New(s.cfg)
	require.NoError(s.t, err)
	return svc
}

// config is that of the handlers of the scene.
func (s *scene) config() aws.Config {
	return aws.Config{Service: s.service(), Done: func(r *aws.Report) { s.report = r }}
}

func (s *scene) objects() *aws.Objects {
	s.t.Helper()
	h, err := aws.NewObjects(aws.ObjectsConfig{Config: s.config(), Source: s.files})
	require.NoError(s.t, err)
	return h
}

func (s *scene) messages() *aws.Messages {
	s.t.Helper()
	h, err := aws.NewMessages(aws.MessagesConfig{Config: s.config()})
	require.NoError(s.t, err)
	return h
}

// golden is an event in testdata.
func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	return string(text)
}

const (
	standard = "arn:aws:sqs:us-east-1:123456789012:jobs"
	fifo     = "arn:aws:sqs:us-east-1:123456789012:jobs.fifo"
)

// message is a message of a queue.
func message(queue, id, group, body string) awsevents.SQSMessage {
	m := awsevents.SQSMessage{MessageId: id, ReceiptHandle: "handle", Body: body, EventSource: "aws:sqs", EventSourceARN: queue, Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
	if group != "" {
		m.Attributes["MessageGroupId"] = group
	}
	return m
}

// batch is a batch of messages with the ids m0, m1 and so on.
func batch(bodies ...string) awsevents.SQSEvent {
	var e awsevents.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, message(standard, fmt.Sprint("m", i), "", body))
	}
	return e
}

// raw is the JSON of an event, as Lambda passes it.
func raw(t *testing.T, event any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(event)
	require.NoError(t, err)
	return text
}

// notified is an event as SNS passes it on, to SQS.
func notified(t *testing.T, event string) string {
	return string(raw(t, map[string]string{"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": event}))
}

// created is an S3 event of objects that were created.
func created(keys ...string) string {
	var records []string
	for _, key := range keys {
		name, etag, _ := strings.Cut(key, "@")
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-01-02T03:04:05Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"feed"},"object":{"key":%q,"eTag":%q}}}`, name, etag))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}
