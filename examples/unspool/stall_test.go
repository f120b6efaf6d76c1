package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stalls measures for how long at a time the machine has not let the test run,
// as long as the test lasts: on a machine with no time to spare, nothing that
// runs beside the test is held to a limit of wall time but for that much more.
type stalls struct{ longest atomic.Int64 }

func watchStalls(t *testing.T) *stalls {
	const tick = 5 * time.Millisecond
	var s stalls
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
			late := time.Since(last) - tick
			last = time.Now()
			if int64(late) > s.longest.Load() {
				s.longest.Store(int64(late))
			}
		}
	})
	t.Cleanup(func() { close(stop); done.Wait() })
	return &s
}

// allow is how much more than usual a limit of wall time has to be: a few
// stalls of the longest kind, one for each step that may be held up.
func (s *stalls) allow() time.Duration { return 5 * time.Duration(s.longest.Load()) }
