package memory_test

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

func TestConformance(t *testing.T) {
	small := memory.SQSLimits()
	small.MessageBytes, small.BatchBytes = 1024, 2048
	fifo := small
	fifo.FIFO = true
	for name, limits := range map[string]sink.Limits{
		"no limits": {},
		"sqs":       memory.SQSLimits(),
		"small":     small,
		"fifo":      fifo,
		"flushed":   {NeedsFlush: true},
		"single":    {BatchMessages: 1, MessageBytes: 1024, BatchBytes: 1024},
	} {
		t.Run(name, func(t *testing.T) {
			h := sinktest.Harness{
				New:      func(testing.TB) sink.Sink { return memory.New(memory.Config{Limits: limits}) },
				Accepted: func(_ testing.TB, s sink.Sink) []sink.Message { return s.(*memory.Sink).Messages() },
				Poison:   &sink.Message{Body: []byte{}},
			}
			if limits.XMLChars {
				h.Poison = &sink.Message{Body: []byte("\"\ufffe payload-marker\"")}
			}
			sinktest.Run(t, h)
		})
	}
}

func ExampleSink() {
	queue := memory.New(memory.Config{Limits: memory.SQSLimits()})
	err := queue.Send(context.Background(), []sink.Message{{Body: []byte(`[{"id":1},{"id":2}]`), Records: 2}})
	fmt.Println(err)
	for _, m := range queue.Messages() {
		fmt.Printf("%s %d\n", m.Body, m.Records)
	}
	// Output:
	// <nil>
	// [{"id":1},{"id":2}] 2
}

func TestHookDecidesWhatIsKept(t *testing.T) {
	no := errors.New("no")
	var result error
	queue := memory.New(memory.Config{Hook: func(context.Context, []sink.Message) error { return result }})
	batch := []sink.Message{{Body: []byte("a")}, {Body: []byte("b")}}

	result = no
	assert.ErrorIs(t, queue.Send(t.Context(), batch), no)
	assert.Zero(t, queue.Len())

	result = &sink.BatchError{Failed: []sink.EntryError{{Index: 0, Err: no}}}
	assert.Equal(t, result, queue.Send(t.Context(), batch))
	require.Equal(t, 1, queue.Len())
	assert.Equal(t, "b", string(queue.Messages()[0].Body))
}

func TestCrashLosesWhatWasNotFlushed(t *testing.T) {
	queue := memory.New(memory.Config{Limits: sink.Limits{NeedsFlush: true}})
	require.NoError(t, queue.Send(t.Context(), []sink.Message{{Body: []byte("a")}}))
	require.NoError(t, queue.Flush(t.Context()))
	require.NoError(t, queue.Send(t.Context(), []sink.Message{{Body: []byte("b")}}))
	assert.Equal(t, 1, queue.Crash())
	require.NoError(t, queue.Flush(t.Context()))
	assert.Equal(t, 1, queue.Len())
}

func TestFIFODropsADuplicateForFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := memory.New(memory.Config{Limits: sink.Limits{FIFO: true}})
		send := func(id string) {
			require.NoError(t, queue.Send(t.Context(), []sink.Message{{Body: []byte("a"), ID: id, Group: "g"}}))
		}
		send("1")
		send("1")
		time.Sleep(5*time.Minute - time.Second)
		send("1")
		assert.Equal(t, 1, queue.Len())
		send("2")
		time.Sleep(time.Second)
		send("1")
		assert.Equal(t, 3, queue.Len())

		err := queue.Send(t.Context(), []sink.Message{{Body: []byte("a"), ID: "3"}})
		entries, ok := errors.AsType[*sink.BatchError](err)
		require.True(t, ok)
		assert.True(t, fault.Is(entries.Failed[0].Err, fault.ClassCorrupt))
	})
}
