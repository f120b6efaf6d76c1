package processor_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
)

// slowStore is a claim store that answers late.
type slowStore struct {
	claim.Claimer
	delay func(keys int) time.Duration // of an answer
	late  atomic.Int64                 // answers nobody waited for
	sizes []int                        // of the blocks that were asked for
}

func (c *slowStore) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	c.sizes = append(c.sizes, len(keys))
	results, err := c.Claimer.Claim(context.WithoutCancel(ctx), owner, nonce, keys, ttl)
	select {
	case <-time.After(c.delay(len(keys))):
		return results, err
	case <-ctx.Done():
		c.late.Add(1)
		return nil, fault.Interrupted(ctx.Err())
	}
}

// Answers of the claim store that come too late cost no attempt, however many
// there are: it is the same wish that is repeated.
func TestOutageLateAnswersOfTheClaimStore(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 8, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.put("a", 10, 10)
				s.cfg.MaxRetries, s.cfg.MaxOutage = 2, time.Hour
				slow := &slowStore{Claimer: s.claims}
				slow.delay = func(int) time.Duration {
					if slow.late.Load() < n {
						return time.Hour
					}
					return 0
				}
				s.cfg.Claimer = slow
				resp, err := s.run(t.Context())
				require.NoError(t, err)
				assert.Zero(t, resp.FailedErrors)
				assert.Equal(t, 1, s.claims.Attempts("a"))
				s.exactlyOnce()
			})
		})
	}
}

// What was granted while work had to stop is given back at once.
func TestDeadlineWhileClaiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 10)
		slow := &slowStore{Claimer: s.claims}
		slow.delay = func(int) time.Duration {
			if slow.late.Load() == 0 {
				return time.Hour
			}
			return 0
		}
		s.cfg.Claimer = slow
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		require.EqualValues(t, 1, slow.late.Load())
		entries, err := s.store.Inspect(t.Context(), []string{"a"})
		require.NoError(t, err)
		assert.NotEqual(t, claim.Processing, entries[0].State, "it is given back")

		s.drainedNow()
		assert.Equal(t, 1, s.claims.Attempts("a"))
		s.exactlyOnce()
	})
}

// Blocks are as large as the store can answer for in a part of the lease.
func TestBlocksFitTheClaimStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 3000 {
			s.put(fmt.Sprintf("%04d", i), 1, 1)
		}
		s.cfg.Lease, s.cfg.SendTimeout = 8*time.Second, time.Second // a block may take a second
		slow := &slowStore{Claimer: s.claims, delay: func(keys int) time.Duration { return time.Duration(keys) * 15 * time.Millisecond }}
		s.cfg.Claimer = slow
		s.drainedNow()
		s.exactlyOnce()
		assert.Zero(t, slow.late.Load())
		assert.Equal(t, 16, slow.sizes[0])
		largest := 0
		for _, n := range slow.sizes {
			largest = max(largest, n)
		}
		assert.LessOrEqual(t, largest, 64, "of 64 keys: 0.96 s")
		assert.GreaterOrEqual(t, largest, 32, "of 16 keys: 0.24 s, which is not slow")

		// One that was quick and is slow now gets smaller blocks.
		turned := &slowStore{Claimer: s.claims}
		turned.delay = func(keys int) time.Duration {
			if len(turned.sizes) < 6 { // 16, 32, 64, 128, 256
				return 0
			}
			return time.Duration(keys) * 15 * time.Millisecond
		}
		s.cfg.Claimer = turned
		s.drainedNow()
		require.Contains(t, turned.sizes, 256)
		last := turned.sizes[len(turned.sizes)-2] // the very last is what is left
		assert.LessOrEqual(t, last, 64)

		quick := &slowStore{Claimer: s.claims, delay: func(int) time.Duration { return 0 }}
		s.cfg.Claimer = quick
		s.drainedNow()
		assert.Contains(t, quick.sizes, 256)
	})
}

// Nor does a store that fails with some keys make the others fail.
func TestOutageOfSomeKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 50 {
			s.put(fmt.Sprintf("%04d", i), 1, 1)
		}
		throttled := &throttled{Claimer: s.store}
		throttled.next.Store(4)
		s.cfg.Claimer = throttled
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Contains(t, fmt.Sprint(resp.Errors), "throughput exceeded")
		s.exactlyOnce()
	})
}
