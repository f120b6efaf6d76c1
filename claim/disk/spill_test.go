package disk

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/testtool"
)

// keysOf names n keys.
func keysOf(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(prefix, i)
	}
	return keys
}

func finishKeys(t testing.TB, s *Store, keys ...string) {
	t.Helper()
	r, err := s.Claim(t.Context(), "w", "nonce of "+keys[0], keys, time.Minute)
	require.NoError(t, err)
	leases := make([]claim.Lease, len(r))
	for i := range r {
		require.Equal(t, claim.Granted, r[i].Status)
		leases[i] = r[i].Lease
	}
	require.NoError(t, s.Complete(t.Context(), leases))
}

// A key that goes from memory into a segment while it is being looked for must
// be found in one of them.
func TestAFinishedKeyIsFoundWhileItIsWrittenToASegment(t *testing.T) {
	s, err := Open(t.TempDir(), Config{Recent: 1})
	require.NoError(t, err)
	var last atomic.Pointer[string] // finished
	var wg sync.WaitGroup
	done := make(chan struct{})
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := last.Load()
				if key == nil {
					continue
				}
				r, err := s.Claim(t.Context(), "w", fmt.Sprint("again", w, "-", i), []string{*key}, time.Minute)
				if err != nil || r[0].Status != claim.Done {
					t.Errorf("finished key %s is %v, %v", *key, r, err)
					return
				}
			}
		})
	}
	rounds := 60
	if testtool.Brief() {
		rounds = 25
	}
	for i := range rounds {
		key := fmt.Sprint("k", i)
		require.NoError(t, finishKey(t, s, key))
		last.Store(&key)
	}
	close(done)
	wg.Wait()
	require.NoError(t, s.Close())
}

func TestForgottenKeysTakeNoRoomForEver(t *testing.T) {
	s, err := Open(t.TempDir(), Config{Recent: 4})
	require.NoError(t, err)
	for i := range mergeWidth * mergeWidth / 2 {
		keys := keysOf(fmt.Sprint("k", i, "-"), 4)
		finishKeys(t, s, keys...)
		s.background.Wait()
		require.NoError(t, s.Forget(t.Context(), keys))
		s.background.Wait()
	}
	require.Len(t, s.segments, 1)
	require.Equal(t, 2, s.segments[0].info.Tier)
	require.Zero(t, s.segments[0].keys)
	require.NoError(t, s.Close())
}

// A log may go only when what took its place is durable.
func TestALogIsDurableBeforeTheOneBeforeItGoes(t *testing.T) {
	dir := t.TempDir()
	var logs []*brittle
	s, err := open(dir, Config{Recent: 500}, func(id uint64) (logFile, error) {
		f, err := createLog(dir, id)
		b := &brittle{logFile: f, size: len(logMagic), synced: len(logMagic)}
		logs = append(logs, b)
		return b, err
	})
	require.NoError(t, err)
	_, err = s.Claim(t.Context(), "w", "n", []string{"attempted"}, time.Minute)
	require.NoError(t, err)
	for i := range 3 {
		finishKeys(t, s, keysOf(fmt.Sprint("k", i, "-"), 500)...)
		s.background.Wait()
		require.Len(t, logs, i+1)
		b := logs[i]
		require.Greater(t, b.size, len(logMagic), "the table was copied")
		require.Equal(t, b.size, b.synced)
		_, err := s.Claim(t.Context(), "w", fmt.Sprint(i), []string{fmt.Sprint("x", i)}, time.Minute)
		require.NoError(t, err)
		require.Less(t, b.synced, b.size)
	}
	for _, b := range logs[:2] {
		require.Equal(t, b.size, b.synced, "a torn tail can be in the last log only")
	}
	ids, err := numbered(dir, logExt)
	require.NoError(t, err)
	require.Len(t, ids, 1)
	require.NoError(t, s.Close())
}

// A table that is large beside what is finished is not copied each time; the
// logs that hold it stay.
func TestALargeTableIsNotCopiedWithEachSegment(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Config{Recent: 10})
	require.NoError(t, err)
	_, err = s.Claim(t.Context(), "w", "n", keysOf("waiting", 2000), time.Minute)
	require.NoError(t, err)
	for i := range 10 {
		finishKeys(t, s, keysOf(fmt.Sprint("k", i, "-"), 10)...)
		s.background.Wait()
	}
	total := 0
	for name, data := range files(t, dir) {
		if filepath.Ext(name) == logExt {
			total += len(data)
		}
	}
	require.Less(t, total, 2000*entryBytes*2)
	require.NotEmpty(t, s.segments)
	require.NoError(t, s.Close())
	s, err = Open(dir, Config{Recent: 10})
	require.NoError(t, err)
	n, err := s.Count(t.Context())
	require.NoError(t, err)
	require.Equal(t, claim.Counts{Waiting: 2000, Finished: 100}, n)
	require.NoError(t, s.Close())
}

func TestTheLogStartsAnewThoughNothingIsFinished(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 46 MB")
	}
	dir := t.TempDir()
	s, err := Open(dir, Config{})
	require.NoError(t, err)
	keys := keysOf("a key of some length that is claimed and given back over and over ", 2000)
	for i := range 150 {
		r, err := s.Claim(t.Context(), "w", fmt.Sprint(i), keys, time.Minute)
		require.NoError(t, err)
		back := make([]claim.Return, len(r))
		for j := range r {
			back[j].Lease = r[j].Lease
		}
		require.NoError(t, s.Release(t.Context(), back))
	}
	s.background.Wait()
	size := 0
	for _, data := range files(t, dir) {
		size += len(data)
	}
	require.Less(t, size, 40<<20)
	require.Greater(t, s.log.end(), int64(40<<20))
	require.NoError(t, s.Close())
}

func TestALogWriterThatFailedWritesNoMore(t *testing.T) {
	for name, breakIt := range map[string]func(*brittle){
		"write": func(b *brittle) { b.write = errBroken },
		"sync":  func(b *brittle) { b.sync = errBroken },
	} {
		t.Run(name, func(t *testing.T) {
			f, err := createLog(t.TempDir(), 1)
			require.NoError(t, err)
			b := &brittle{logFile: f}
			w := newLogWriter(b, int64(len(logMagic)), nil)
			breakIt(b)
			require.ErrorIs(t, w.sync(w.append(closing)), errBroken)
			b.write, b.sync = nil, nil
			size := b.size
			require.ErrorIs(t, w.flush(w.append(closing)), errBroken)
			require.ErrorIs(t, w.sync(0), errBroken)
			require.ErrorIs(t, w.rotate(2), errBroken)
			require.ErrorIs(t, w.close(), errBroken)
			require.Equal(t, size, b.size)
		})
	}
}
