package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/s3"
)

func newMonitor(t *testing.T, store completion.Store) *aws.Monitor {
	t.Helper()
	m, err := completion.NewMonitor(completion.MonitorConfig{Store: store})
	require.NoError(t, err)
	h, err := aws.NewMonitor(aws.MonitorConfig{Monitor: m, SetOf: aws.Folders("out/", 1)})
	require.NoError(t, err)
	return h
}

func objects(t *testing.T, store completion.Store, set completion.Set) int64 {
	t.Helper()
	rec, err := store.Look(t.Context(), set)
	require.NoError(t, err)
	return rec.Count.Objects
}

// An object is counted once, in whichever wrapping its events come.
func TestMonitorReadsAnyWrapping(t *testing.T) {
	store := memory.New()
	h := newMonitor(t, store)
	event := created("out/run-7/a+b%2Bc")
	notification, err := json.Marshal(map[string]string{"Type": "Notification", "Message": event})
	require.NoError(t, err)
	bridged := `{"source":"aws.s3","detail-type":"Object Created","time":"2026-01-02T03:04:05Z","detail":{"bucket":{"name":"feed"},"object":{"key":"out/run-7/a b+c","size":4}}}`
	for name, e := range map[string]json.RawMessage{
		"S3": json.RawMessage(event), "SQS": sqsEvent(t, event), "SNS in SQS": sqsEvent(t, string(notification)),
		"EventBridge": json.RawMessage(bridged), "EventBridge in SQS": sqsEvent(t, bridged),
		"test": json.RawMessage(`{"Service":"Amazon S3","Event":"s3:TestEvent"}`),
	} {
		answer, err := h.Handle(t.Context(), e)
		require.NoError(t, err, name)
		assert.Empty(t, answer.BatchItemFailures, name)
	}
	require.NoError(t, h.HandleMessage(t.Context(), events.SQSMessage{Body: event}))
	assert.EqualValues(t, 1, objects(t, store, set))
	missing, err := store.Missing(t.Context(), set, []string{"a b+c"})
	require.NoError(t, err)
	assert.Empty(t, missing, "its key is its name below the prefix, decoded")
}

// What was not created, is of no set, or is a folder, is passed over.
func TestMonitorPassesOver(t *testing.T) {
	store := memory.New()
	h := newMonitor(t, store)
	removed := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-01-02T03:04:05Z","eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"feed"},"object":{"key":"out/run-7/gone","sequencer":"1"}}}]}`
	for _, e := range []string{removed, created("in/run-7/a"), created("out/stray"), created("out/run-7/"), created("out/run-7/folder/")} {
		_, err := h.Handle(t.Context(), json.RawMessage(e))
		require.NoError(t, err)
	}
	assert.Zero(t, objects(t, store, set))
	_, err := h.Handle(t.Context(), json.RawMessage(created("out/run-7/folder/deep", "out/run-8/a")))
	require.NoError(t, err)
	assert.EqualValues(t, 1, objects(t, store, set))
	assert.EqualValues(t, 1, objects(t, store, completion.Set{Bucket: "feed", Prefix: "out/run-8/"}))
}

// An object that is not below the prefix of what is said to be its set would go
// uncounted: that is an error, and nothing else of the event suffers from it.
func TestMonitorOfAnotherPrefix(t *testing.T) {
	store := memory.New()
	m, err := completion.NewMonitor(completion.MonitorConfig{Store: store})
	require.NoError(t, err)
	h, err := aws.NewMonitor(aws.MonitorConfig{Monitor: m, SetOf: func(e s3.Event) (completion.Set, bool) {
		if e.Object.Key == "out/run-7/wrong" {
			return completion.Set{Bucket: e.Bucket, Prefix: "in/"}, true
		}
		return set, true
	}})
	require.NoError(t, err)
	answer, err := h.Handle(t.Context(), sqsEvent(t, created("out/run-7/a"), created("out/run-7/wrong", "out/run-7/b"), created("out/run-7/c")))
	require.NoError(t, err)
	assert.Equal(t, []string{"m1"}, ids(answer))
	assert.EqualValues(t, 3, objects(t, store, set))
	err = h.HandleMessage(t.Context(), events.SQSMessage{Body: created("out/run-7/wrong")})
	require.ErrorContains(t, err, "prefix")
	_, err = h.Handle(t.Context(), json.RawMessage(created("out/run-7/wrong")))
	require.Error(t, err)
}

// What no store takes, and what a SetOf panics about, keeps nothing else of its set from
// being counted: with the dead letters it would take its neighbours of the batch along.
func TestDefectOneBadEventKeptItsSetFromBeingCounted(t *testing.T) {
	store := memory.New()
	m, err := completion.NewMonitor(completion.MonitorConfig{Store: store})
	require.NoError(t, err)
	h, err := aws.NewMonitor(aws.MonitorConfig{Monitor: m, SetOf: func(e s3.Event) (completion.Set, bool) {
		if e.Object.Key == "out/run-7/panic" {
			panic("payload")
		}
		return set, true
	}})
	require.NoError(t, err)
	long := "out/run-7/" + strings.Repeat("x", completion.MaxKeyBytes+1)
	answer, err := h.Handle(t.Context(), sqsEvent(t, created("out/run-7/a"), created(long, "out/run-7/b"), created("out/run-7/panic"), created("out/run-7/c")))
	require.NoError(t, err)
	assert.Equal(t, []string{"m1", "m2"}, ids(answer))
	assert.EqualValues(t, 3, objects(t, store, set))
	_, err = h.Handle(t.Context(), json.RawMessage(created(long)))
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
	_, err = h.Handle(t.Context(), json.RawMessage(created("out/run-7/panic")))
	require.ErrorContains(t, err, "panic with a value of type string")
	assert.NotContains(t, err.Error(), "payload")
}

// Of a batch, exactly the messages come again of which something is not counted.
func TestMonitorAnswers(t *testing.T) {
	store := &failing{Store: memory.New(), set: completion.Set{Bucket: "feed", Prefix: "out/bad/"}}
	h := newMonitor(t, store)
	batch := sqsEvent(t, created("out/run-7/a"), "no event", created("out/run-7/b", "out/bad/c"), created("out/bad/d"), created("out/run-7/e"))
	answer, err := h.Handle(t.Context(), batch)
	require.NoError(t, err)
	assert.Equal(t, []string{"m1", "m2", "m3"}, ids(answer))
	assert.EqualValues(t, 3, objects(t, store, set))

	text, err := json.Marshal(events.SQSEventResponse{BatchItemFailures: answer.BatchItemFailures[:0]})
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, string(text))

	_, err = h.Handle(t.Context(), json.RawMessage(created("out/bad/x")))
	require.Error(t, err, "what is no batch fails as a whole")
	_, err = h.Handle(t.Context(), json.RawMessage(`{}`))
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
	require.Error(t, h.HandleMessage(t.Context(), events.SQSMessage{Body: "no event"}))
}

// An answer cannot name a message without an id: then all of them come again.
func TestAMessageWithoutAnID(t *testing.T) {
	h := newMonitor(t, memory.New())
	text, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "m0", Body: created("out/run-7/a"), EventSource: "aws:sqs"}, {Body: "no event", EventSource: "aws:sqs"},
	}})
	require.NoError(t, err)
	_, err = h.Handle(t.Context(), text)
	require.ErrorContains(t, err, "without an id")
}

// failing fails for one set.
type failing struct {
	completion.Store
	set completion.Set
}

func (f *failing) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (int, error) {
	if set == f.set {
		return 0, fault.Interrupted(errors.New("away"))
	}
	return f.Store.Arrive(ctx, set, arrivals)
}

func TestFolders(t *testing.T) {
	of := func(prefix string, depth int, name string) string {
		var e s3.Event
		e.Bucket, e.Object.Key = "b", name
		set, ok := aws.Folders(prefix, depth)(e)
		if !ok {
			return ""
		}
		return set.Prefix
	}
	assert.Equal(t, "out/", of("out/", 0, "out/a/b"))
	assert.Equal(t, "out/a/", of("out/", 1, "out/a/b"))
	assert.Equal(t, "out/a/b/", of("out/", 2, "out/a/b/c"))
	assert.Empty(t, of("out/", 1, "out/a"))
	assert.Empty(t, of("out/", 1, "in/a/b"))
	assert.Empty(t, of("", 2, "a/b"))
}
