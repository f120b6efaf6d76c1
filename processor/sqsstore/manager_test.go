package sqsstore_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"

	claimmemory "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/processor/sqsstore"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
)

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := sqsstore.New(nil, sqsstore.Config{Delay: 1500 * time.Millisecond, MessageBytes: -1, Parallel: -1})
	for _, want := range []string{"client is nil", "Parallel is -1", "Delay is 1.5s", "MessageBytes is -1"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = sqsstore.New(&queue{}, sqsstore.Config{Delay: 16 * time.Minute})
	assert.ErrorContains(t, err, "Delay is 16m0s")
	assert.ErrorContains(t, sqsstore.Register(nil, sqsstore.Config{}), "client is nil")
}

func TestURLs(t *testing.T) {
	register(t, &queue{}, sqsstore.Config{})
	for _, good := range []string{
		"sqs://orders", "sqs://orders/", "sqs://Orders_1-x.fifo", "sqs://arn:aws:sqs:eu-central-1:123456789012:orders",
		"sqs://sqs.eu-central-1.amazonaws.com/123456789012/orders.fifo", "sqs://127.0.0.1:9324/000000000000/orders", "sqs://localhost:4566/000000000000/orders/",
	} {
		assert.NoError(t, destination.Check(good))
	}
	for _, bad := range []string{
		"sqs://", "sqs:///orders", "sqs://orders/retry", "sqs://my orders", "sqs://orders-$UUID", "sqs://sqs.eu-central-1.amazonaws.com/orders", "sqs://a.b",
		"sqs://arn:aws:sns:eu-central-1:123456789012:orders", "sqs://arn:aws:sqs:orders", "sqs://sqs.aws/1/orders/below", "sqs://" + strings.Repeat("x", 81),
	} {
		assert.Error(t, destination.Check(bad), bad)
	}
}

// All forms of a queue's URL lead to it.
func TestEveryFormOfAURL(t *testing.T) {
	server, client := newServer(t)
	url, err := server.AddQueue("orders", sqstestQueue)
	require.NoError(t, err)
	register(t, client, sqsstore.Config{})
	_, address, _ := strings.Cut(url, "://")
	for n, base := range []string{"sqs://orders", "sqs://arn:aws:sqs:us-east-1:123456789012:orders", "sqs://" + address} {
		_, err := begin(t, open(t, base), 1, lines(0, 1)).Commit(t.Context())
		require.NoError(t, err, base)
		assert.Len(t, server.Messages("orders"), n+1)
	}
}

// A queue is asked once for what it takes.
func TestAQueueIsAskedOnce(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{})
	store := open(t, "sqs://orders")
	for range 5 {
		_, err := begin(t, store, 1, lines(0, 1)).Commit(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, 2, q.asked, "its URL and its limits")

	q = &queue{}
	register(t, q, sqsstore.Config{MessageBytes: 1 << 18})
	_, err := begin(t, open(t, "sqs://sqs.eu-central-1.amazonaws.com/123456789012/orders"), 1, lines(0, 1)).Commit(t.Context())
	require.NoError(t, err)
	assert.Zero(t, q.asked)
}

// A queue shows nothing: whoever would read it is told so.
func TestAQueueIsNotRead(t *testing.T) {
	m := register(t, &queue{}, sqsstore.Config{})
	store := open(t, "sqs://orders")
	for _, err := range store.List(t.Context()) {
		require.ErrorContains(t, err, "shows none")
	}
	_, err := store.Open(t.Context(), "a")
	require.ErrorContains(t, err, "shows none")
	require.Error(t, store.Delete(t.Context(), "a"))
	_, err = store.CreateAs(t.Context(), "a.json")
	require.ErrorContains(t, err, "shows none")
	_, err = m.List(t.Context(), "sqs://orders")
	require.Error(t, err)
	_, err = m.OpenURL(t.Context(), "sqs://orders/a")
	require.Error(t, err)
	require.Error(t, m.Delete(t.Context(), "sqs://orders/a"))
}

// Other users of afs can send envelopes too.
func TestUploadThroughAFS(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{})
	require.NoError(t, afs.New().Upload(t.Context(), "sqs://orders/a.ndjson", 0o644, strings.NewReader(string(lines(0, 12)))))
	assert.ElementsMatch(t, numbered(0, 12), q.bodies())

	cut := errors.New("cut")
	torn := io.MultiReader(bytes.NewReader(lines(0, 2)), strings.NewReader(`{"unspool":1,"obj`), iotest.ErrReader(cut))
	require.ErrorIs(t, afs.New().Upload(t.Context(), "sqs://orders/a.ndjson", 0o644, torn), cut)
	assert.Len(t, q.accepted, 12, "what could not be read to its end is not sent in part")
}

// With a Source the retry destination is read again, and takes tickets.
func TestARetryQueueIsForServicesWithoutASource(t *testing.T) {
	register(t, &queue{}, sqsstore.Config{})
	cfg := processor.Config{
		Sink:     sinkmemory.New(sinkmemory.Config{}),
		RetryURL: "sqs://retry", FailedURL: "sqs://dead", CorruptionURL: "sqs://dead",
	}
	_, err := processor.New(cfg)
	require.NoError(t, err)
	cfg.Source, cfg.Claimer = new(processortest.Source), claimmemory.New()
	_, err = processor.New(cfg)
	require.ErrorContains(t, err, "RetryURL")
	require.ErrorContains(t, err, "with a Source it must be a folder")
	cfg.RetryURL = t.TempDir()
	_, err = processor.New(cfg)
	require.NoError(t, err, "the others may be queues")
}
