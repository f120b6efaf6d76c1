package disk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/claimtest"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
)

const ttl = time.Minute

func open(t testing.TB, dir string, cfg disk.Config) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir, cfg)
	require.NoError(t, err)
	return s
}

// claimAll claims keys, which must all be granted.
func claimAll(t testing.TB, s *disk.Store, keys ...string) []claim.Lease {
	t.Helper()
	results, err := s.Claim(t.Context(), "worker", fmt.Sprint(time.Now().UnixNano(), keys[0]), keys, ttl)
	require.NoError(t, err)
	leases := make([]claim.Lease, len(results))
	for i, r := range results {
		require.Equal(t, claim.Granted, r.Status, "%q", keys[i])
		leases[i] = r.Lease
	}
	return leases
}

// finishAll claims and completes keys.
func finishAll(t testing.TB, s *disk.Store, keys ...string) {
	t.Helper()
	require.NoError(t, s.Complete(t.Context(), claimAll(t, s, keys...)))
}

func statuses(t testing.TB, s *disk.Store, keys ...string) []claim.Status {
	t.Helper()
	results, err := s.Claim(t.Context(), "onlooker", fmt.Sprint("look", time.Now().UnixNano()), keys, time.Nanosecond)
	require.NoError(t, err)
	all := make([]claim.Status, len(results))
	for i, r := range results {
		all[i] = r.Status
	}
	return all
}

func allAre(t testing.TB, s *disk.Store, status claim.Status, keys ...string) {
	t.Helper()
	for i, got := range statuses(t, s, keys...) {
		require.Equal(t, status, got, "%q", keys[i])
	}
}

func numberedKeys(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s/%06d.json", prefix, i)
	}
	return keys
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  disk.Config
		keys int
	}{
		"Memory":   {disk.Config{}, 10_000},         // the finished keys of a rule fit into memory
		"Segments": {disk.Config{Recent: 40}, 1000}, // they do not
	} {
		t.Run(name, func(t *testing.T) {
			claimtest.Run(t, func(t testing.TB) claim.Claimer {
				s := open(t, t.TempDir(), c.cfg)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				return s
			}, claimtest.Options{Bubble: true, Keys: c.keys})
		})
	}
}

func TestOpenNamesEveryMistake(t *testing.T) {
	_, err := disk.Open(t.TempDir(), disk.Config{Recent: -1})
	require.ErrorContains(t, err, "Recent")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = disk.Open(file, disk.Config{})
	require.ErrorContains(t, err, file)
	require.True(t, fault.Is(err, fault.ClassFatal))
}

func TestASecondOpenerIsToldThatTheStoreIsInUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, disk.Config{})
	_, err := disk.Open(dir, disk.Config{})
	require.ErrorIs(t, err, disk.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.True(t, fault.Is(err, fault.ClassFatal))
	require.NoError(t, s.Close())
	require.NoError(t, open(t, dir, disk.Config{}).Close(), "the lock went with the store")
}

func TestClosedStore(t *testing.T) {
	s := open(t, t.TempDir(), disk.Config{})
	leases := claimAll(t, s, "k")
	require.NoError(t, s.Close())
	ctx := t.Context()
	_, err := s.Claim(ctx, "w", "n", []string{"k"}, ttl)
	require.ErrorIs(t, err, claim.ErrClosed)
	require.ErrorIs(t, s.Extend(ctx, leases, ttl), claim.ErrClosed)
	require.ErrorIs(t, s.Complete(ctx, leases), claim.ErrClosed)
	require.ErrorIs(t, s.Release(ctx, []claim.Return{{Lease: leases[0]}}), claim.ErrClosed)
	require.ErrorIs(t, s.Forget(ctx, []string{"k"}), claim.ErrClosed)
	_, err = s.Inspect(ctx, []string{"k"})
	require.ErrorIs(t, err, claim.ErrClosed)
	_, err = s.Count(ctx)
	require.ErrorIs(t, err, claim.ErrClosed)
	for _, err := range s.Completed(ctx) {
		require.ErrorIs(t, err, claim.ErrClosed)
	}
	for _, err := range s.Expired(ctx, 0) {
		require.ErrorIs(t, err, claim.ErrClosed)
	}
	require.ErrorIs(t, s.Close(), claim.ErrClosed)
}

func TestReopeningVoidsLeasesAndKeepsAllElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, disk.Config{})
		ctx := t.Context()
		finishAll(t, s, "done")
		old := claimAll(t, s, "live", "checkpoint", "failed", "delayed")
		old[1].Progress = "half"
		require.NoError(t, s.Extend(ctx, old[1:2], ttl))
		require.NoError(t, s.Release(ctx, []claim.Return{
			{Lease: old[2], Counted: true, Reason: "broken"},
			{Lease: old[3], Delay: time.Hour},
		}))
		require.NoError(t, s.Close())

		s = open(t, dir, disk.Config{})
		n, err := s.Count(ctx)
		require.NoError(t, err)
		require.Equal(t, claim.Counts{Waiting: 4, Finished: 1}, n)
		e, err := s.Inspect(ctx, []string{"failed", "done"})
		require.NoError(t, err)
		require.Equal(t, "broken", e[0].Reason)
		require.Equal(t, "worker", e[0].Owner)
		require.Equal(t, time.Now().UnixMilli(), e[1].DoneAt.UnixMilli())
		require.Equal(t, []claim.Status{claim.Done, claim.Held}, statuses(t, s, "done", "delayed"))
		leases := claimAll(t, s, "live", "checkpoint", "failed")
		for i, l := range leases {
			require.Equal(t, 2, l.Attempt, "attempts stay counted")
			require.NotEqual(t, old[i].Token, l.Token)
		}
		require.Equal(t, "half", leases[1].Progress)
		err = s.Complete(ctx, old[:1])
		_, ok := errors.AsType[*claim.BatchError](err)
		require.True(t, ok, "leases of the process before are void")
		time.Sleep(time.Hour)
		require.Equal(t, 1, claimAll(t, s, "delayed")[0].Attempt)
		require.NoError(t, s.Close())
	})
}

func TestALeaseOfTheProcessBeforeProvesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, disk.Config{})
	old := claimAll(t, s, "k")
	require.NoError(t, s.Close())
	s = open(t, dir, disk.Config{})
	defer s.Close()
	require.ErrorIs(t, s.Extend(t.Context(), old, ttl), claim.ErrLost)
	require.ErrorIs(t, s.Complete(t.Context(), old), claim.ErrLost)
	allAre(t, s, claim.Granted, "k")
}

// Spills and merges happen all the while; none may change an answer.
func TestCompactionKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	cfg := disk.Config{Recent: 50}
	s := open(t, dir, cfg)
	ctx := t.Context()
	failed := claimAll(t, s, "failed-1", "failed-2")
	failed[0].Progress = "half"
	require.NoError(t, s.Release(ctx, []claim.Return{
		{Lease: failed[0], Counted: true, Reason: "broken"}, {Lease: failed[1], Counted: true},
	}))
	live := claimAll(t, s, "live")
	keys := numberedKeys("in/2026", 5000)
	var first []claim.Lease
	for block := range slices.Chunk(keys, 40) {
		leases := claimAll(t, s, block...)
		require.NoError(t, s.Complete(ctx, leases))
		if first == nil {
			first = leases
		}
	}
	forgotten := []string{keys[0], keys[77], keys[4999]}
	require.NoError(t, s.Forget(ctx, forgotten))
	for block := range slices.Chunk(numberedKeys("more", 1000), 40) { // pushes those into segments, too
		finishAll(t, s, block...)
	}
	check := func() {
		t.Helper()
		n, err := s.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, len(keys)-len(forgotten)+1000, n.Finished)
		kept := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(forgotten, k) })
		allAre(t, s, claim.Done, kept...)
		e, err := s.Inspect(ctx, append([]string{"failed-1", keys[500]}, forgotten...))
		require.NoError(t, err)
		require.Equal(t, claim.Finished, e[1].State)
		for _, e := range e[2:] {
			require.Equal(t, claim.Free, e.State)
		}
		require.Equal(t, 1, e[0].Attempt)
		require.Equal(t, "half", e[0].Progress)
		require.Equal(t, "broken", e[0].Reason)
		var listed []string
		for e, err := range s.Completed(ctx) {
			require.NoError(t, err)
			listed = append(listed, e.Key)
		}
		require.True(t, slices.IsSorted(listed))
		want := append(kept, numberedKeys("more", 1000)...)
		require.True(t, slices.Equal(want, listed), "%d keys listed, want %d", len(listed), len(want))
	}
	check()
	require.NoError(t, s.Extend(ctx, live, ttl), "a live lease survives spills")
	require.NoError(t, s.Complete(ctx, first[1:]), "repeated when the keys are in a segment")
	require.ErrorIs(t, s.Complete(ctx, []claim.Lease{{Key: keys[1], Token: "other"}}), claim.ErrLost)
	require.NoError(t, s.Close())
	s = open(t, dir, cfg)
	check()
	require.NoError(t, s.Close())

	segments, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	assert.Less(t, len(segments), 40, "120 memtables were written and merged")
	assert.Less(t, len(logs), 4)
}

func TestWorkersAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, disk.Config{Recent: 100})
	ctx := t.Context()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 40 {
				keys := numberedKeys(fmt.Sprint(w, "/", i), 25)
				leases := claimAll(t, s, keys...)
				assert.NoError(t, s.Extend(ctx, leases, ttl))
				assert.NoError(t, s.Complete(ctx, leases[:20]))
				var back []claim.Return
				for _, l := range leases[20:] {
					back = append(back, claim.Return{Lease: l, Counted: true})
				}
				assert.NoError(t, s.Release(ctx, back))
				assert.NoError(t, s.Forget(ctx, keys[:1]))
				e, err := s.Inspect(ctx, keys)
				assert.NoError(t, err)
				for j, e := range e {
					assert.Equal(t, j > 0 && j < 20, e.State == claim.Finished)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			for _, err := range s.Completed(ctx) {
				assert.NoError(t, err)
			}
		}
	})
	wg.Wait()
	want := claim.Counts{Waiting: 8 * 40 * 5, Finished: 8 * 40 * 19}
	n, err := s.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, want, n)
	require.NoError(t, s.Close())
	s = open(t, dir, disk.Config{Recent: 100})
	n, err = s.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, want, n)
	require.NoError(t, s.Close())
}

func TestReadOnlySeesWhatARunningProcessDoes(t *testing.T) {
	dir := t.TempDir()
	_, err := disk.OpenReadOnly(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, dir)

	s := open(t, dir, disk.Config{Recent: 20})
	ctx := t.Context()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				finishAll(t, s, numberedKeys(fmt.Sprint(i), 10)...)
			}
		}
	})
	var before claim.Counts
	enough := int64(2000)
	if testtool.Brief() {
		enough = 800
	}
	for before.Finished < enough { // while files come and go
		before, err = s.Count(ctx)
		require.NoError(t, err)
		r, err := disk.OpenReadOnly(dir)
		require.NoError(t, err)
		n, err := r.Count(ctx)
		require.NoError(t, err)
		require.GreaterOrEqual(t, n.Finished+10, before.Finished)
		listed := int64(0)
		for _, err := range r.Completed(ctx) {
			require.NoError(t, err)
			listed++
		}
		require.Equal(t, n.Finished, listed)
		require.NoError(t, r.Close())
	}
	close(stop)
	wg.Wait()

	claimAll(t, s, "live")
	r, err := disk.OpenReadOnly(dir)
	require.NoError(t, err)
	e, err := r.Inspect(ctx, []string{"live", "0/000000.json", "unknown"})
	require.NoError(t, err)
	require.Equal(t, claim.Processing, e[0].State)
	require.Equal(t, "worker", e[0].Owner)
	require.InDelta(t, time.Now().Add(ttl).Unix(), e[0].Expires.Unix(), 30)
	require.Equal(t, claim.Finished, e[1].State)
	require.Equal(t, claim.Free, e[2].State)
	require.ErrorIs(t, r.Forget(ctx, []string{"live"}), disk.ErrReadOnly)
	require.NoError(t, r.Close())
	require.ErrorIs(t, r.Close(), claim.ErrClosed)
	require.NoError(t, s.Close())

	s = open(t, dir, disk.Config{})
	r, err = disk.OpenReadOnly(dir)
	require.NoError(t, err)
	e, err = r.Inspect(ctx, []string{"live"})
	require.NoError(t, err)
	require.Equal(t, claim.Free, e[0].State, "the next process voided the lease")
	require.NoError(t, r.Close())
	require.NoError(t, s.Close())
}

func TestCloseDoesNotWaitForIterations(t *testing.T) {
	s := open(t, t.TempDir(), disk.Config{Recent: 10})
	for i := range 30 {
		finishAll(t, s, numberedKeys(fmt.Sprint(i), 10)...)
	}
	n := 0
	for _, err := range s.Completed(t.Context()) {
		if n++; n == 1 {
			require.NoError(t, s.Close())
		}
		require.NoError(t, err)
	}
	require.Equal(t, 300, n)
}

func TestLongKeysDoNotFillTheMemory(t *testing.T) {
	s := open(t, t.TempDir(), disk.Config{Recent: 100})
	defer s.Close()
	var keys []string
	for i := range 300 {
		keys = append(keys, fmt.Sprintf("%06d", i)+strings.Repeat("x", claim.MaxKeyBytes-6))
	}
	for block := range slices.Chunk(keys, 10) {
		finishAll(t, s, block...)
	}
	allAre(t, s, claim.Done, keys...)
}

func TestOverlongKeysAndProgressAreRefusedAlone(t *testing.T) {
	s := open(t, t.TempDir(), disk.Config{})
	defer s.Close()
	ctx := t.Context()
	r, err := s.Claim(ctx, "w", "n", []string{"a", strings.Repeat("x", claim.MaxKeyBytes+1)}, ttl)
	require.ErrorIs(t, err, claim.ErrInvalid)
	require.Equal(t, claim.Granted, r[0].Status)
	l := r[0].Lease
	l.Progress = strings.Repeat("x", claim.MaxProgressBytes+1)
	require.ErrorIs(t, s.Extend(ctx, []claim.Lease{l}, ttl), claim.ErrInvalid)
	require.ErrorIs(t, s.Release(ctx, []claim.Return{{Lease: l}}), claim.ErrInvalid)
	allAre(t, s, claim.Held, "a")
	_, err = s.Claim(ctx, "w", "n2", []string{"b"}, 0)
	require.ErrorContains(t, err, "ttl")
	_, err = s.Claim(ctx, "w", "", []string{"b"}, ttl)
	require.ErrorContains(t, err, "nonce")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, s.Forget(ended, []string{"a"}), context.Canceled)
}
