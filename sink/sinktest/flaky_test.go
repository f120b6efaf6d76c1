package sinktest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/sink/sinktest"
)

func ExampleFlaky() {
	queue := memory.New(memory.Config{})
	flaky := &sinktest.Flaky{Sink: queue, Plan: sinktest.Script(
		sinktest.Fault{Err: sinktest.ErrAway}, // the first call fails
		sinktest.LoseResponse(),               // the second is accepted and seems to fail
	)}
	for range 3 {
		err := flaky.Send(context.Background(), []sink.Message{{Body: []byte("hello")}})
		fmt.Println(err, queue.Len())
	}
	// Output:
	// sink is away 0
	// sink is away 1
	// <nil> 2
}

func batchOf(bodies ...string) []sink.Message {
	batch := make([]sink.Message, len(bodies))
	for i, b := range bodies {
		batch[i].Body = []byte(b)
	}
	return batch
}

func bodies(s *memory.Sink) []string {
	var out []string
	for _, m := range s.Messages() {
		out = append(out, string(m.Body))
	}
	return out
}

func TestFlakyWithoutAPlanIsTheSinkBehind(t *testing.T) {
	sinktest.Run(t, sinktest.Harness{
		New: func(testing.TB) sink.Sink {
			return &sinktest.Flaky{Sink: memory.New(memory.Config{Limits: memory.SQSLimits()})}
		},
		Accepted: func(_ testing.TB, s sink.Sink) []sink.Message {
			return s.(*sinktest.Flaky).Sink.(*memory.Sink).Messages()
		},
		Poison: &sink.Message{Body: []byte{}},
	})
}

func TestFlakyRefusesEntriesAndNamesThoseOfTheSinkBehindToo(t *testing.T) {
	no := fault.Retryable(errors.New("no"))
	queue := memory.New(memory.Config{})
	flaky := &sinktest.Flaky{Sink: queue, Plan: sinktest.Script(sinktest.Fault{Entries: map[int]error{1: no, 9: no}})}
	// The sink behind refuses the empty body, which is its message 1.
	err := flaky.Send(t.Context(), batchOf("a", "b", "", "d"))
	entries, ok := errors.AsType[*sink.BatchError](err)
	require.True(t, ok, "%v", err)
	require.Len(t, entries.Failed, 2)
	assert.Equal(t, sink.EntryError{Index: 1, Err: no}, entries.Failed[0])
	assert.Equal(t, 2, entries.Failed[1].Index)
	assert.True(t, fault.Is(entries.Failed[1].Err, fault.ClassCorrupt))
	assert.Equal(t, []string{"a", "d"}, bodies(queue))
}

func TestOutageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := memory.New(memory.Config{})
		flaky := &sinktest.Flaky{Sink: queue, Plan: sinktest.Outage(time.Now().Add(time.Second), 20*time.Second)}
		for i := range 30 {
			err := flaky.Send(t.Context(), batchOf("a"))
			if i >= 1 && i < 21 {
				assert.ErrorIs(t, err, sinktest.ErrAway, "after %d s", i)
				assert.True(t, fault.Is(err, fault.ClassInterrupted))
			} else {
				assert.NoError(t, err, "after %d s", i)
			}
			time.Sleep(time.Second)
		}
		assert.Equal(t, 10, queue.Len())
		assert.Equal(t, 30, flaky.Sends())
	})
}

func TestLatencyEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := memory.New(memory.Config{})
		flaky := &sinktest.Flaky{Sink: queue, Plan: sinktest.Script(sinktest.Latency(time.Minute), sinktest.Latency(time.Second))}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := flaky.Send(ctx, batchOf("a"))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, fault.Is(err, fault.ClassInterrupted))
		assert.Equal(t, 5*time.Second, time.Since(start))

		assert.NoError(t, flaky.Send(t.Context(), batchOf("b")))
		assert.Equal(t, 6*time.Second, time.Since(start))
		assert.Equal(t, []string{"b"}, bodies(queue))
	})
}

func TestFlushFailsAsPlannedAndAfterMayReplaceTheResult(t *testing.T) {
	queue := memory.New(memory.Config{Limits: sink.Limits{NeedsFlush: true}})
	other := errors.New("other")
	flaky := &sinktest.Flaky{Sink: queue, FlushPlan: sinktest.Script(
		sinktest.Fault{Err: sinktest.ErrAway},
		sinktest.Fault{After: func(_ context.Context, err error) error { return errors.Join(err, other) }},
	)}
	require.NoError(t, flaky.Send(t.Context(), batchOf("a")))
	assert.ErrorIs(t, flaky.Flush(t.Context()), sinktest.ErrAway)
	assert.Zero(t, queue.Len())
	assert.ErrorIs(t, flaky.Flush(t.Context()), other)
	assert.Equal(t, 1, queue.Len())
}
