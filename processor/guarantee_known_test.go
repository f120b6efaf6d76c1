package processor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
)

// asks counts how often the claim store is asked for each key.
func (s *scene) asks() map[string]int {
	var mu sync.Mutex
	asked := map[string]int{}
	s.claims.OnCall = func(_ context.Context, call processortest.Call, keys []string) (error, bool) {
		if call == processortest.CallClaim {
			mu.Lock()
			defer mu.Unlock()
			for _, key := range keys {
				asked[key]++
			}
		}
		return nil, false
	}
	return asked
}

// However often a Run lists, it asks the claim store for what is done once, and
// again for what was not, or is another object under the same key.
func TestRunAsksOnceForWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for _, key := range []string{"before", "fresh", "held", "broken", "replaced"} {
			s.put(key, 5, 100)
		}
		done, err := s.store.Claim(t.Context(), "other", "nonce1", []string{"before"}, time.Minute)
		require.NoError(t, err)
		require.NoError(t, s.store.Complete(t.Context(), []claim.Lease{done[0].Lease}))
		for i := range 5 {
			delete(s.loaded, fmt.Sprintf("before/%d", i))
		}
		held, err := s.store.Claim(t.Context(), "other", "nonce2", []string{"held"}, time.Hour)
		require.NoError(t, err)
		broken := brokenObject("broken")
		var failed atomic.Bool
		var listings atomic.Int64
		s.src.OnOpen = func(ctx context.Context, o source.Object, off int64) processortest.ReadFault {
			if o.Key == "broken" && failed.CompareAndSwap(false, true) {
				return broken(ctx, o, off)
			}
			return processortest.ReadFault{}
		}
		s.src.OnList = func(ctx context.Context, i int) error {
			if i > 0 {
				return nil
			}
			switch listings.Add(1) {
			case 2:
				s.src.Put("replaced", []byte(`{"id":"never"}`)) // a mistake of the producer's
				return s.store.Release(ctx, []claim.Return{{Lease: held[0].Lease}})
			case 3:
				s.put("late", 5, 100)
			}
			return nil
		}
		asked := s.asks()
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		s.exactlyOnce()
		require.Greater(t, listings.Load(), int64(3))
		assert.Equal(t, 1, asked["before"])
		assert.Equal(t, 1, asked["fresh"])
		assert.Equal(t, 1, asked["late"])
		assert.Equal(t, 2, asked["replaced"])
		assert.Equal(t, 2, asked["held"])
		assert.Greater(t, asked["broken"], 1)
		assert.EqualValues(t, 1, resp.Skipped)

		before := maps.Clone(asked)
		_, err = s.run(t.Context())
		require.NoError(t, err)
		for key, n := range before {
			assert.Equal(t, n+1, asked[key], "%s: the next run asks anew", key)
		}
	})
}

// What this call gave back and another worker finished, or took away, is waited
// for no longer.
func TestWhatOthersFinishedIsNotWaitedFor(t *testing.T) {
	for name, others := range map[string]func(t *testing.T, s *scene){
		"nobody": nil,
		"finished": func(t *testing.T, s *scene) {
			results, err := s.store.Claim(t.Context(), "other", "nonce", []string{"a"}, time.Minute)
			assert.NoError(t, err)
			assert.NoError(t, s.store.Complete(t.Context(), []claim.Lease{results[0].Lease}))
		},
		"vanished": func(_ *testing.T, s *scene) { s.src.Remove("a") },
	} {
		t.Run(name, func(t *testing.T) {
			watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
				s.cfg.MaxRetries = 1000
				var seen atomic.Bool // by others
				s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
					if seen.Load() {
						return processortest.ReadFault{}
					}
					return processortest.ReadFault{Open: errors.New("input/output error")}
				}
				var asked atomic.Int64
				s.claims.OnCall = func(_ context.Context, call processortest.Call, _ []string) (error, bool) {
					if call == processortest.CallClaim {
						if asked.Add(1) == 5 && others != nil {
							seen.Store(true)
							others(t, s)
						}
					}
					return nil, false
				}
				resp := s.watch(map[time.Duration]func(){time.Minute: func() { put("a") }})
				assert.GreaterOrEqual(t, asked.Load(), int64(5))
				assert.Zero(t, resp.Finished)
				assert.Equal(t, others != nil, resp.Status == processor.StatusOK, resp.Status)
			})
		})
	}
}
