package processor_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// counting is a projection that says when its n-th record comes by, one pass or
// not.
type counting struct {
	*transform.Projection
	calls atomic.Int64
	at    func(n int64)
}

func (c *counting) Apply(ctx context.Context, rec source.Record, out *transform.Output) error {
	c.at(c.calls.Add(1))
	return c.Projection.Apply(ctx, rec, out)
}

func (c *counting) ApplyPrefix(ctx context.Context, rec source.Record, data []byte, maxDepth int, out *transform.Output) (int, bool, error) {
	c.at(c.calls.Add(1))
	return c.Projection.ApplyPrefix(ctx, rec, data, maxDepth, out)
}

// putLines stores an object of n records, with a broken and a blank line behind
// every hundredth.
func (s *scene) putLines(key string, n int) (broken int) {
	var text strings.Builder
	for i := range n {
		id := fmt.Sprintf("%s/%d", key, i)
		s.loaded[id] = true
		fmt.Fprintf(&text, "{\"id\":%q,\"pad\":%q}\n", id, strings.Repeat("x", i%300))
		if i%100 == 99 {
			text.WriteString("{\"id\":\n \r\n")
			broken++
		}
	}
	s.src.Put(key, []byte(text.String()))
	return broken
}

// Large objects of lines are handed out as whole lines. Wherever a run stops, or
// user code ends the goroutine, what comes of them is the same.
func TestLinesStoppedAnywhere(t *testing.T) {
	records := sized(6000, 2500) // of two objects, each of more than a window
	for _, at := range []int64{1, 2, 1500, int64(records) * 3 / 4, 2*int64(records) - 1, 2 * int64(records)} {
		for what, disturb := range map[string]func(cancel func()){
			"cancelled": func(cancel func()) { cancel() },
			"ended":     func(func()) { runtime.Goexit() },
			"panicked":  func(func()) { panic("told to panic") },
		} {
			t.Run(fmt.Sprint(what, " at ", at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t)
					s.inMemory()
					s.cfg.Split.Format = source.FormatLines
					broken := s.putLines("a", records) + s.putLines("b", records)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					s.cfg.Transform = &counting{Projection: transform.MustProject("id"), at: func(n int64) {
						if n == at {
							disturb(cancel)
						}
					}}
					first, err := s.run(ctx)
					require.NoError(t, err)
					if what == "cancelled" && at == 1 {
						assert.Equal(t, processor.StatusStopped, first.Status)
					}
					s.drained(t.Context())
					s.exactlyOnce()
					assert.Len(t, s.envelopes("corrupt"), broken)
				})
			})
		}
	}
}
