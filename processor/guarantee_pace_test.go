package processor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
)

// A source that takes long to list is listed for no more than a fifth of the time,
// and work on what it listed does not count as that.
func TestWatchRestsAfterALongListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.PollInterval, s.cfg.RescanInterval = time.Second, 10*time.Minute
		s.put("a", 1, 1)
		var listings atomic.Int64
		s.src.OnList = func(_ context.Context, i int) error {
			if i == 0 {
				listings.Add(1)
				time.Sleep(9 * time.Second)
			}
			return nil
		}
		s.hook = func(context.Context, []sink.Message) error { time.Sleep(5 * time.Second); return nil }
		s.claims.OnCall = func(_ context.Context, call processortest.Call, _ []string) (error, bool) {
			if call == processortest.CallClaim {
				time.Sleep(10 * time.Second)
			}
			return nil, false
		}
		s.watch(map[time.Duration]func(){30 * time.Minute: func() { s.put("b", 1, 1) }})
		s.exactlyOnce()
		// 9 seconds of listing and 36 of rest are 80 in an hour; claims for what
		// appears and for everything take a minute or two of it.
		assert.InDelta(t, 78, listings.Load(), 3)
	})
}

// However long a listing takes, everything is listed as often as is said.
func TestWatchRestsNoLongerThanTheRescan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.PollInterval, s.cfg.RescanInterval = time.Second, time.Minute
		s.put("a", 1, 1)
		var listings atomic.Int64
		s.src.OnList = func(_ context.Context, i int) error {
			if i == 0 {
				listings.Add(1)
				time.Sleep(time.Minute)
			}
			return nil
		}
		s.watch(nil)
		s.exactlyOnce()
		assert.InDelta(t, 30, listings.Load(), 1)
	})
}
