package processor_test

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// A transform that ends its goroutine costs its record an attempt, and its
// neighbours in the object nothing.
func TestHostileTransformEndsItsGoroutine(t *testing.T) {
	exits := transform.Filter(func(rec source.Record) bool {
		if bytes.Contains(rec.Data, []byte("b/1")) {
			runtime.Goexit()
		}
		return true
	})
	for name, tr := range map[string]transform.Transform{
		"one pass": transform.Chain(transform.Validate{}, exits),
		"by itself": transform.Func(func(ctx context.Context, rec source.Record, out *transform.Output) error {
			return exits.Apply(ctx, rec, out)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.cfg.MaxRetries, s.cfg.RetryDelay = 1, time.Second
				s.cfg.Transform = tr
				s.put("a", 3, 10)
				s.put("b", 3, 10)
				resp, err := s.run(t.Context())
				require.NoError(t, err)
				assert.EqualValues(t, 2, resp.Finished)
				assert.EqualValues(t, 5, resp.Delivered)
				assert.EqualValues(t, 1, resp.RetryErrors)
				time.Sleep(time.Minute)
				s.drained(t.Context())
				require.Len(t, s.envelopes("failed"), 1)
				assert.Equal(t, 2, s.envelopes("failed")[0].Attempt)
				for id, n := range s.sent() {
					assert.Equal(t, 1, n, id)
				}
			})
		})
	}
}

// A partial retry of nothing is a retry of all: no record becomes empty.
func TestRetryOfAnEmptyRemainderKeepsTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 1, 10)
		s.cfg.Transform = transform.Func(func(context.Context, source.Record, *transform.Output) error {
			return fault.PartialRetry(nil, assert.AnError)
		})
		_, err := s.run(t.Context())
		require.NoError(t, err)
		require.Len(t, s.envelopes("retry"), 1)
		assert.Contains(t, string(s.envelopes("retry")[0].Data), "a/0")
	})
}
