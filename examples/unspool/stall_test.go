package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stalls measures for how long at a time the machine has not let the test run, or
// write to the disk, as long as the test lasts: on a machine with no time to spare,
// nothing that runs beside the test is held to a limit of wall time but for that
// much more.
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
			s.note(time.Since(last) - tick)
			last = time.Now()
		}
	})
	file, err := os.Create(filepath.Join(t.TempDir(), "synced"))
	require.NoError(t, err)
	done.Go(func() {
		defer file.Close()
		ticker := time.NewTicker(10 * tick)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
			began := time.Now()
			_, writeErr := file.WriteAt([]byte{1}, 0)
			assert.NoError(t, errors.Join(writeErr, file.Sync()))
			s.note(time.Since(began))
		}
	})
	t.Cleanup(func() { close(stop); done.Wait() })
	return &s
}

func (s *stalls) note(d time.Duration) {
	for longest := s.longest.Load(); int64(d) > longest; longest = s.longest.Load() {
		s.longest.CompareAndSwap(longest, int64(d))
	}
}

// allow is how much more than usual a limit of wall time has to be: a few
// stalls of the longest kind, one for each step that may be held up.
func (s *stalls) allow() time.Duration { return 5 * time.Duration(s.longest.Load()) }
