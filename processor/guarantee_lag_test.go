package processor_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/bytime"
)

// The response tells how old the oldest object is that is left, by the times in
// the names.
func TestLag(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *scene, now int64)
		oldest time.Duration // ago, when the run began; 0 for none
		status string
	}{
		"nothing is left": {func(*scene, int64) {}, 0, processor.StatusOK},
		"others hold some": {func(s *scene, now int64) {
			_, err := s.store.Claim(s.t.Context(), "other", "nonce", []string{key(now - 300), key(now - 200)}, time.Hour)
			require.NoError(s.t, err)
		}, 300 * time.Second, processor.StatusOK},
		"one cannot be read": {func(s *scene, now int64) {
			s.cfg.MaxRetries = 1000
			s.src.OnOpen = brokenObject(key(now - 200))
		}, 200 * time.Second, processor.StatusStopped},
		"stopped": {func(s *scene, _ int64) {
			s.cfg.ClaimBlock, s.cfg.MaxExecTime = 2, time.Minute
			s.cfg.DeadlineReduction = time.Second
			s.hook = func(ctx context.Context, _ []sink.Message) error { <-ctx.Done(); return ctx.Err() }
		}, 400 * time.Second, processor.StatusStopped},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				began := time.Now()
				now := began.Unix()
				for ago := int64(400); ago > 0; ago -= 100 {
					s.put(key(now-ago), 3, 100)
				}
				ordered, err := bytime.New(s.src, bytime.Config{Layout: "unix"})
				require.NoError(t, err)
				s.cfg.Source = ordered
				c.change(s, now)
				resp, err := s.run(t.Context())
				require.NoError(t, err)
				assert.Equal(t, c.status, resp.Status)
				if c.oldest == 0 {
					assert.Zero(t, resp.Oldest)
					assert.Zero(t, resp.LagMs)
					return
				}
				assert.Equal(t, c.oldest, began.Sub(resp.Oldest))
				assert.Equal(t, (c.oldest + time.Duration(resp.RuntimeMs)*time.Millisecond).Milliseconds(), resp.LagMs)
			})
		})
	}
}

func key(unix int64) string { return fmt.Sprintf("%d.json", unix) }

// Without times in the names the time of modification does.
func TestLagOfModificationTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 3, 100)
		time.Sleep(time.Hour)
		s.put("b", 3, 100)
		_, err := s.store.Claim(t.Context(), "other", "nonce", []string{"a", "b"}, time.Hour)
		require.NoError(t, err)
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.GreaterOrEqual(t, resp.LagMs, time.Hour.Milliseconds())
	})
}

// A Watch tells its lag on the way, and that it has caught up.
func TestLagOfWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		ordered, err := bytime.New(s.src, bytime.Config{Layout: "unix"})
		require.NoError(t, err)
		s.cfg.Source = ordered
		var away atomic.Bool
		away.Store(true)
		s.src.OnOpen = func(context.Context, source.Object, int64) (f processortest.ReadFault) {
			if away.Load() {
				f.Open = fault.Interrupted(errors.New("connection reset"))
			}
			return f
		}
		var lag atomic.Int64
		s.cfg.Progress = func(r processor.Response) { lag.Store(r.LagMs) }
		s.put(key(time.Now().Unix()-60), 3, 100)
		s.watch(map[time.Duration]func(){
			10 * time.Minute: func() {
				assert.InDelta(t, (11 * time.Minute).Milliseconds(), lag.Load(), 3000)
				away.Store(false)
			},
			30 * time.Minute: func() { assert.Zero(t, lag.Load()) },
		})
		s.exactlyOnce()
	})
}
