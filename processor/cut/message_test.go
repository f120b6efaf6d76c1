package cut_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/cut"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	memsink "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
)

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"id\":%d}\n", i)
	}
	return b.String()
}

func bodies(messages []sink.Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.Write(m.Body)
	}
	return b.String()
}

// Parts are messages within the limits of the sink, with the same ids in each pass;
// once the manifest is there none is sent again.
func TestMessages(t *testing.T) {
	in := numbers(1000)
	queue := memsink.New(memsink.Config{Limits: sink.Limits{MessageBytes: 500, BatchBytes: 1200, BatchMessages: 3, FIFO: true}})
	s := newScene(t, cut.Config{Source: memory(map[string]string{"o": in}), Sink: queue})
	r := s.run(t)
	got := queue.Messages()
	assert.Equal(t, in, bodies(got))
	assert.EqualValues(t, len(got), r.Parts)
	seen := map[string]bool{}
	for _, m := range got {
		assert.False(t, seen[m.ID])
		seen[m.ID] = true
		assert.NotEmpty(t, m.Group)
	}
	assert.EqualValues(t, 1, s.run(t).Done)
	assert.Len(t, queue.Messages(), len(got))

	// Without it they are, under the same ids.
	again := newScene(t, s.cfg)
	again.cfg.Source = s.cfg.Source
	again.run(t)
	assert.Len(t, queue.Messages(), len(got), "the queue has deduplicated them")
	for i, p := range again.object(t, "o").Parts {
		assert.Equal(t, got[i].ID, p.Name)
	}
}

// What fails is sent again, what is refused for good is told, and nothing else is
// concerned.
func TestMessagesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := numbers(100)
		var sends atomic.Int64
		queue := memsink.New(memsink.Config{
			Limits: sink.Limits{MessageBytes: 100, BatchMessages: 5},
			Hook: func(_ context.Context, batch []sink.Message) error {
				switch n := sends.Add(1); {
				case n == 1:
					return fault.Interrupted(errors.New("away"))
				case n == 2:
					return &sink.BatchError{Failed: []sink.EntryError{{Index: 1, Err: errors.New("busy")}, {Index: 3, Err: fault.Interrupted(errors.New("throttled"))}}}
				case len(batch) > 4:
					return fmt.Errorf("of %d: %w", len(batch), sink.ErrTooLarge)
				}
				for i, m := range batch {
					if strings.Contains(string(m.Body), `"id":90}`) {
						return &sink.BatchError{Failed: []sink.EntryError{{Index: i, Err: fault.Corrupt(errors.New("poison"))}}}
					}
				}
				return nil
			},
		})
		s := newScene(t, cut.Config{Source: memory(map[string]string{"o": in}), Sink: queue})
		assert.EqualValues(t, 1, s.run(t).Refused)
		m := s.object(t, "o")
		refused := 0
		for _, p := range m.Parts {
			if p.Corrupt {
				refused++
			}
		}
		assert.Equal(t, 1, refused)
		told := corrupted(t, s.corrupt)
		require.Len(t, told, 1)
		assert.Contains(t, told[0], `"id":90}`)
		all := bodies(queue.Messages()) + told[0]
		assert.Len(t, all, len(in), "each record once")
		for i := range 100 {
			assert.Equal(t, 1, strings.Count(all, fmt.Sprintf("{\"id\":%d}\n", i)))
		}
	})
}

func TestASinkThatNeverTakesIt(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		class fault.Class
	}{
		"its own fault": {errors.New("no"), fault.ClassRetryable},
		"fatal":         {fault.Fatal(errors.New("denied")), fault.ClassFatal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queue := memsink.New(memsink.Config{Hook: func(context.Context, []sink.Message) error { return c.err }})
				s := newScene(t, cut.Config{Source: memory(map[string]string{"o": numbers(5)}), Sink: queue})
				cutter, err := cut.New(s.cfg)
				require.NoError(t, err)
				_, _, err = cutter.Object(t.Context(), source.Object{Key: "o", Size: -1})
				require.ErrorIs(t, err, c.err)
				assert.Equal(t, c.class, fault.Of(err))
				assert.Empty(t, files(t, s.parts), "no manifest")
			})
		})
	}
}

// A record that no message can hold is told as corrupt.
func TestARecordThatFitsIntoNoMessage(t *testing.T) {
	in := numbers(3) + `{"text":"` + strings.Repeat("x", 200) + "\"}\n" + numbers(2)
	queue := memsink.New(memsink.Config{Limits: sink.Limits{MessageBytes: 100, NeedsFlush: true}})
	s := newScene(t, cut.Config{Source: memory(map[string]string{"o": in}), Sink: queue})
	s.run(t)
	assert.Equal(t, numbers(3)+numbers(2), bodies(queue.Messages()), "flushed")
	told := corrupted(t, s.corrupt)
	require.Len(t, told, 1)
	assert.Contains(t, told[0], "xxx")
}
