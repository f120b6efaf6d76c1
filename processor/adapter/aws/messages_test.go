package aws_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/sink/sqs/offload"
	"github.com/unspool-go/unspool/source"
)

// What the sink packs is taken apart again.
func TestTheRecordsOfAMessageAreItsRecords(t *testing.T) {
	s := newScene(t)
	s.cfg.Split = source.Split{Format: source.FormatAuto}
	_, err := invoke(t, s.messages().Handle, batch(`[{"a":1},{"a":2}]`, "{\"a\":3}\n{\"a\":4}", `{"a":5}`))
	require.NoError(t, err)
	assert.Equal(t, []string{`{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":4}`, `{"a":5}`}, s.processed())
	assert.EqualValues(t, 5, s.report.Loaded)
	assert.EqualValues(t, 3, s.report.Received)
}

func TestAMessageIsNamedByItsQueueAndIdAndKeepsItsAttempts(t *testing.T) {
	var got *processor.Request
	h := newMessages(t, func(_ context.Context, req *processor.Request) error { got = req; return nil })
	m := message(standard, "id/../x", "", "a")
	m.Attributes["ApproximateReceiveCount"], m.Attributes["SentTimestamp"] = "4", "1767330001500"
	require.NoError(t, h.HandleMessage(t.Context(), m))
	assert.Equal(t, "sqs://us-east-1/123456789012/jobs/id%2F..%2Fx", got.SourceURL)
	assert.Equal(t, 3, got.Attempt)
	assert.Equal(t, time.UnixMilli(1767330001500), got.StartTime)
	for _, n := range []string{"", "x", "-3", "0"} {
		m.Attributes["ApproximateReceiveCount"] = n
		require.NoError(t, h.HandleMessage(t.Context(), m))
		assert.Zero(t, got.Attempt, n)
	}
	m.EventSourceARN = "not an arn"
	require.NoError(t, h.HandleMessage(t.Context(), m))
	assert.Equal(t, "sqs://not%20an%20arn/id%2F..%2Fx", got.SourceURL)
}

// A record that fails goes to retry by itself, or to failed when its message came
// too often: either way its message is settled.
func TestARecordThatFailsDoesNotBringItsMessageBack(t *testing.T) {
	s := newScene(t)
	s.cfg.MaxRetries = 2
	s.process(func(_ context.Context, line string) error {
		if strings.HasPrefix(line, "bad") {
			return errors.New("no")
		}
		return nil
	})
	e := batch("good 1\nbad 1", "good 2\nbad 2")
	e.Records[1].Attributes["ApproximateReceiveCount"] = "3"
	out, err := invoke(t, s.messages().Handle, e)
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
	assert.Equal(t, []string{"bad 1"}, s.kept("retry"))
	assert.Equal(t, []string{"bad 2"}, s.kept("failed"))
	assert.Equal(t, []string{"good 1", "good 2"}, s.processed())
}

// calls notes the requests of a service, in their order.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(req *processor.Request) string {
	body, _ := io.ReadAll(req.Reader)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, string(body))
	return string(body)
}

func TestAfterAFailureTheRestOfItsGroupIsNotBegun(t *testing.T) {
	var c calls
	h := newMessages(t, func(_ context.Context, req *processor.Request) error {
		if c.add(req) == "a2" {
			return errUnread
		}
		return nil
	})
	e := batch("a1", "b1", "a2", "b2", "a3", "b3", "a4")
	for i := range e.Records {
		e.Records[i].EventSourceARN, e.Records[i].Attributes["MessageGroupId"] = fifo, e.Records[i].Body[:1]
	}
	out, err := invoke(t, h.Handle, e)
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m2"},{"itemIdentifier":"m4"},{"itemIdentifier":"m6"}]}`, out)
	assert.ElementsMatch(t, []string{"a1", "a2", "b1", "b2", "b3"}, c.list)
	assert.Equal(t, []string{"a1", "a2"}, only(c.list, "a"), "in their order")
	assert.Equal(t, []string{"b1", "b2", "b3"}, only(c.list, "b"))
}

func only(list []string, prefix string) (out []string) {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	return out
}

// A message of a group that has nothing to do must not be taken off before those
// in front of it.
func TestAMessageOfAGroupIsNotSettledBeforeThoseInFrontOfIt(t *testing.T) {
	s := newScene(t)
	e := batch("no event", golden(t, "test"))
	for i := range e.Records {
		e.Records[i].EventSourceARN = fifo // without a group, as one
	}
	_, err := invoke(t, s.objects().Handle, e)
	require.ErrorContains(t, err, "none of 2 messages is settled")
}

func TestMessagesThatHoldAnS3EventAreObjects(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "object\n")
	h, err := aws.NewMessages(aws.MessagesConfig{Config: s.config(), Objects: s.objects()})
	require.NoError(t, err)
	_, err = invoke(t, h.Handle, batch(created("in/a"), "data", notified(t, created("in/a"))))
	require.NoError(t, err)
	assert.Equal(t, []string{"data", "object"}, s.processed())
	assert.EqualValues(t, 1, s.report.Repeated)
	_, err = invoke(t, s.messages().Handle, batch(created("in/a")))
	require.NoError(t, err)
	assert.Len(t, s.processed(), 3, "data as any other, where there is no source")
}

func TestABodyInS3IsRead(t *testing.T) {
	s := newScene(t)
	store, err := offload.New(s.store.Client(), "large", "bodies/")
	require.NoError(t, err)
	body, err := store.Store(t.Context(), "x1", []byte("line 1\nline 2\n"))
	require.NoError(t, err)
	secret, err := offload.New(s.store.Client(), "secrets", "bodies/")
	require.NoError(t, err)
	_, err = secret.Store(t.Context(), "x1", []byte("secret\n"))
	require.NoError(t, err)
	off, err := aws.NewOffloaded(s.store.Client(), "large")
	require.NoError(t, err)
	h, err := aws.NewMessages(aws.MessagesConfig{Config: s.config(), Offloaded: off})
	require.NoError(t, err)
	out, err := invoke(t, h.Handle, batch(
		string(body),
		strings.ReplaceAll(string(body), "software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"),
		strings.ReplaceAll(string(body), `"large"`, `"secrets"`), // whoever sends it may not read that
		strings.ReplaceAll(string(body), "x1", "gone"),
		`["software.amazon.payloadoffloading.PayloadS3Pointer",{"text":"about pointers"}]`,
	))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m2"},{"itemIdentifier":"m3"}]}`, out)
	assert.Equal(t, []string{`["software.amazon.payloadoffloading.PayloadS3Pointer",{"text":"about pointers"}]`, "line 1", "line 1", "line 2", "line 2"}, s.processed())
	_, err = invoke(t, s.messages().Handle, batch(string(body)))
	require.ErrorContains(t, err, "Config.Offloaded", "a pointer is never taken for data")
}

// A body that is cut is not settled by what there is of it.
func TestABodyInS3ThatIsCutComesAgain(t *testing.T) {
	s := newScene(t)
	store, err := offload.New(s.store.Client(), "large", "")
	require.NoError(t, err)
	body, err := store.Store(t.Context(), "x1", []byte(strings.Repeat("line\n", 100)))
	require.NoError(t, err)
	s.store.Fault = func(op string, _ *http.Request) s3fake.Fault {
		if op == "GetObject" {
			return s3fake.Fault{Cut: 42}
		}
		return s3fake.Fault{}
	}
	off, err := aws.NewOffloaded(s.store.Client(), "large")
	require.NoError(t, err)
	h, err := aws.NewMessages(aws.MessagesConfig{Config: s.config(), Offloaded: off})
	require.NoError(t, err)
	_, err = invoke(t, h.Handle, batch(string(body)))
	require.ErrorIs(t, err, processor.ErrUnread)
}

func TestMistakesOfMessages(t *testing.T) {
	_, err := aws.NewMessages(aws.MessagesConfig{})
	require.ErrorContains(t, err, "Config.Service: required")
	_, err = aws.NewOffloaded(nil, "")
	require.ErrorContains(t, err, "bucket: required")
}

// Reporters of the user's own are handed on one by one.
func TestEachReporterIsHandedOn(t *testing.T) {
	s := newScene(t)
	var mu sync.Mutex
	var loaded int64
	cfg := s.config()
	cfg.Each = func(rep processor.Reporter, err error) {
		mu.Lock()
		defer mu.Unlock()
		assert.NoError(t, err)
		loaded += rep.BaseResponse().Loaded
	}
	h, err := aws.NewMessages(aws.MessagesConfig{Config: cfg})
	require.NoError(t, err)
	_, err = h.Handle(t.Context(), batch("a\nb", "c"))
	require.NoError(t, err)
	assert.EqualValues(t, 3, loaded)
	assert.EqualValues(t, 3, s.report.Loaded)
}
