package processor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
)

// dies claims keys as a worker does that is killed at once, n times over.
func dies(t *testing.T, store claim.Claimer, n int, keys ...string) {
	t.Helper()
	for i := range n {
		results, err := store.Claim(t.Context(), fmt.Sprintf("worker %d", i), fmt.Sprint("nonce ", i, keys[0]), keys, time.Second)
		require.NoError(t, err)
		for _, r := range results {
			require.Equal(t, claim.Granted, r.Status)
		}
		time.Sleep(2 * time.Second)
	}
}

func (s *scene) checkConfig() processor.CheckConfig {
	return processor.CheckConfig{
		Claims: s.store, FailedURL: s.cfg.FailedURL, RetryURL: s.cfg.RetryURL, MaxRetries: s.cfg.MaxRetries,
	}
}

// What a dead worker left behind is given back, with its progress and its
// attempts; what is alive, or expired just now, is left alone.
func TestCheckGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		dies(t, s.store, 2, "dead")
		dies(t, s.store, 1, "\x00archive") // which the next archiver sees to
		results, err := s.store.Claim(t.Context(), "worker", "n0", []string{"half"}, time.Second)
		require.NoError(t, err)
		require.NoError(t, s.store.Release(t.Context(), []claim.Return{{Lease: results[0].Lease, Reason: "cut short"}}))
		results, err = s.store.Claim(t.Context(), "worker", "n1", []string{"half"}, time.Second)
		require.NoError(t, err)
		half := results[0].Lease
		half.Progress = "to here"
		require.NoError(t, s.store.Extend(t.Context(), []claim.Lease{half}, time.Second))
		time.Sleep(2 * time.Minute)
		dies(t, s.store, 1, "just now")
		_, err = s.store.Claim(t.Context(), "worker", "n2", []string{"alive"}, time.Hour)
		require.NoError(t, err)

		before, err := s.store.Inspect(t.Context(), []string{"dead"})
		require.NoError(t, err)
		oldest := before[0].Expires
		core, logs := observer.New(zap.InfoLevel)
		cfg := s.checkConfig()
		cfg.Logger = zap.New(core)
		r, err := processor.Check(t.Context(), cfg)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, r.Status)
		assert.Equal(t, []int64{2, 2, 0, 0}, []int64{r.Expired, r.Released, r.Failed, r.Held})
		assert.Equal(t, claim.Counts{Processing: 1, Expired: 2, Waiting: 2}, r.Counts)
		assert.True(t, r.Oldest.Equal(oldest), "%v is not %v", r.Oldest, oldest)
		assert.Equal(t, 1, logs.Len(), "one line")
		assert.Empty(t, s.envelopes("failed"))

		entries, err := s.store.Inspect(t.Context(), []string{"dead", "half", "just now", "alive"})
		require.NoError(t, err)
		assert.Equal(t, []claim.State{claim.Free, claim.Free, claim.Processing, claim.Processing},
			[]claim.State{entries[0].State, entries[1].State, entries[2].State, entries[3].State})
		assert.Equal(t, []int{2, 1}, []int{entries[0].Attempt, entries[1].Attempt}, "the checker's own claim is no attempt")
		assert.Equal(t, "to here", entries[1].Progress)
		assert.Equal(t, "cut short", entries[1].Reason)

		r, err = processor.Check(t.Context(), cfg)
		require.NoError(t, err)
		assert.Zero(t, r.Expired, "nothing is found twice")
	})
}

// An object that killed its worker too often is in FailedURL, just as a worker
// would have put it there, and done.
func TestCheckGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 2
		s.put("by checker", 1, 10)
		s.put("by worker", 1, 10)
		s.put("not yet", 1, 10)
		dies(t, s.store, 3, "by worker")
		_, err := s.run(t.Context())
		require.NoError(t, err) // it drains the others as well
		require.Len(t, s.envelopes("failed"), 1)

		require.NoError(t, s.store.Forget(t.Context(), []string{"by checker", "not yet"}))
		results, err := s.store.Claim(t.Context(), "worker", "first", []string{"by checker"}, time.Minute)
		require.NoError(t, err)
		back := claim.Return{Lease: results[0].Lease, Counted: true, Reason: "read cut short"}
		require.NoError(t, s.store.Release(t.Context(), []claim.Return{back}))
		dies(t, s.store, 2, "by checker")
		dies(t, s.store, 2, "not yet")
		time.Sleep(time.Hour)
		r, err := processor.Check(t.Context(), s.checkConfig())
		require.NoError(t, err)
		assert.Equal(t, []int64{2, 1, 1}, []int64{r.Expired, r.Released, r.Failed})
		assert.Equal(t, s.cfg.FailedURL, r.FailedURL)

		tickets := s.envelopes("failed")
		require.Len(t, tickets, 2)
		slices.SortFunc(tickets, func(a, b destination.Envelope) int { return strings.Compare(a.Object, b.Object) })
		ours, theirs := tickets[0], tickets[1]
		assert.Contains(t, ours.Reason, "object by checker: claimed 3 times without being finished, last by worker 1: read cut short")
		assert.Contains(t, theirs.Reason, "object by worker: claimed 3 times without being finished")
		ours.Object, ours.Version, ours.Reason, ours.Time = theirs.Object, theirs.Version, theirs.Reason, theirs.Time
		assert.Equal(t, theirs, ours)

		entries, err := s.store.Inspect(t.Context(), []string{"by checker", "not yet"})
		require.NoError(t, err)
		assert.Equal(t, claim.Finished, entries[0].State)
		assert.Equal(t, claim.Free, entries[1].State)
		opens := s.src.Opens()
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, resp.Finished, "the one that is not given up yet")
		assert.Equal(t, 1, s.src.Opens()-opens)
	})
}

// What somebody has seen to since it was listed is not claimed again.
func TestCheckLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		dies(t, s.store, 1, "taken", "finished", "given back")
		time.Sleep(time.Hour)
		list := &listedBefore{Claims: s.store}
		for e, err := range s.store.Expired(t.Context(), 0) {
			require.NoError(t, err)
			list.entries = append(list.entries, e)
		}
		s.finish("finished")
		r, err := processor.Release(t.Context(), s.inspectConfig(), "given back")
		require.NoError(t, err)
		require.Equal(t, processor.DidRelease, r[0].Did)
		_, err = s.store.Claim(t.Context(), "worker", "n", []string{"taken"}, time.Hour)
		require.NoError(t, err)
		cfg := s.checkConfig()
		cfg.Claims = &watchedClaims{Claims: list, claim: func(_ context.Context, keys []string) error {
			t.Errorf("%q claimed", keys)
			return nil
		}}
		report, err := processor.Check(t.Context(), cfg)
		require.NoError(t, err)
		assert.Equal(t, []int64{3, 2, 1, 0}, []int64{report.Expired, report.Held, report.Finished, report.Released})
	})
}

// What a checker loses to a worker, between claiming it and giving it back, is
// the worker's, and told.
func TestCheckThatLosesALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		dies(t, s.store, 1, "a", "b")
		time.Sleep(time.Hour)
		cfg := s.checkConfig()
		cfg.Claims = robbed{s.store, t}
		r, err := processor.Check(t.Context(), cfg)
		require.NoError(t, err)
		assert.Equal(t, []int64{2, 1, 1}, []int64{r.Expired, r.Released, r.Lost})
	})
}

// robbed is a store in which a worker has "a" before it can be given back.
type robbed struct {
	processor.Claims
	t *testing.T
}

func (r robbed) Release(ctx context.Context, returns []claim.Return) error {
	for _, back := range returns {
		if back.Lease.Key == "a" {
			require.NoError(r.t, r.Claims.Release(ctx, []claim.Return{back}))
			_, err := r.Claims.Claim(ctx, "worker", "quick", []string{"a"}, time.Hour)
			require.NoError(r.t, err)
		}
	}
	return r.Claims.Release(ctx, returns)
}

// listedBefore is a store that lists what had expired some time ago.
type listedBefore struct {
	processor.Claims
	entries []claim.Entry
}

func (l *listedBefore) Expired(context.Context, time.Duration) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		for _, e := range l.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// While the failed destination cannot be written nothing is finished: it is
// given back, and the next check moves it.
func TestCheckFinishesNothingBeforeItsTicketIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = -1
		dies(t, s.store, 1, "poison")
		time.Sleep(time.Hour)
		require.NoError(t, os.WriteFile(s.cfg.FailedURL, nil, 0o600)) // a file where the folder is to be
		r, err := processor.Check(t.Context(), s.checkConfig())
		require.ErrorContains(t, err, s.cfg.FailedURL)
		assert.Equal(t, processor.StatusError, r.Status)
		assert.Equal(t, []int64{1, 0, 1}, []int64{r.Expired, r.Failed, r.Released})
		require.NoError(t, os.Remove(s.cfg.FailedURL))

		dies(t, s.store, 1, "poison")
		time.Sleep(time.Hour)
		cfg := s.checkConfig()
		cfg.Claims = &watchedClaims{Claims: s.store, complete: func(leases []claim.Lease) error {
			assert.Len(t, s.envelopes("failed"), len(leases), "durable before it is finished")
			return errors.New("killed here")
		}}
		_, err = processor.Check(t.Context(), cfg)
		require.ErrorContains(t, err, "killed here")

		time.Sleep(time.Hour)
		r, err = processor.Check(t.Context(), s.checkConfig())
		require.NoError(t, err)
		assert.EqualValues(t, 1, r.Failed)
		assert.Len(t, s.envelopes("failed"), 2, "the ticket of the check that died is there as well")
	})
}

// watchedClaims is a store whose calls can be watched, and made to fail.
type watchedClaims struct {
	processor.Claims
	claim    func(ctx context.Context, keys []string) error
	complete func([]claim.Lease) error
	forget   func(keys []string) error
}

func (w *watchedClaims) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if w.claim != nil {
		if err := w.claim(ctx, keys); err != nil {
			return nil, err
		}
	}
	return w.Claims.Claim(ctx, owner, nonce, keys, ttl)
}

func (w *watchedClaims) Complete(ctx context.Context, leases []claim.Lease) error {
	if w.complete != nil {
		if err := w.complete(leases); err != nil {
			return err
		}
	}
	return w.Claims.Complete(ctx, leases)
}

func (w *watchedClaims) Forget(ctx context.Context, keys []string) error {
	if w.forget != nil {
		if err := w.forget(keys); err != nil {
			return err
		}
	}
	return w.Claims.Forget(ctx, keys)
}

// A part of the retry destination that nobody finishes goes to the failed one
// with all that is in it, and is gone from the other only then.
func TestCheckMovesPartsWithTheirRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 1
		retry, err := destination.Open(destination.Config{URL: s.cfg.RetryURL})
		require.NoError(t, err)
		part, err := retry.Create(t.Context(), "a/b.json", 1)
		require.NoError(t, err)
		env := destination.Envelope{Object: "a/b.json", Offset: 7, Attempt: 1, Class: "retryable", Reason: "no luck", Data: []byte(`{"id":1}`)}
		_, err = part.Write(env.Append(nil))
		require.NoError(t, err)
		_, err = part.Commit(t.Context())
		require.NoError(t, err)
		key := "\x00retry/" + part.Name()
		dies(t, s.store, 2, key)
		time.Sleep(time.Hour)

		cfg := s.checkConfig()
		cfg.RetryURL = ""
		r, err := processor.Check(t.Context(), cfg)
		require.NoError(t, err)
		assert.EqualValues(t, 1, r.Released, "without a RetryURL it is nothing but given back")
		assert.Len(t, s.envelopes("retry"), 1)

		dies(t, s.store, 1, key)
		time.Sleep(time.Hour)
		r, err = processor.Check(t.Context(), s.checkConfig())
		require.NoError(t, err)
		assert.EqualValues(t, 1, r.Failed)
		assert.Empty(t, s.envelopes("retry"))
		failed := s.envelopes("failed")
		require.Len(t, failed, 1)
		assert.Equal(t, env.Data, failed[0].Data)
		assert.Equal(t, "no luck", failed[0].Reason)
	})
}

// Checkers side by side, with workers between them: each object is given back
// or given up once, and no live lease is taken.
func TestCheckersSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 1
		var keys, poison []string
		for i := range 300 {
			keys, poison = append(keys, fmt.Sprint("key ", i)), append(poison, fmt.Sprint("poison ", i))
		}
		dies(t, s.store, 1, keys...)
		dies(t, s.store, 2, poison...)
		time.Sleep(time.Hour)
		live, err := s.store.Claim(t.Context(), "worker", "live", keys[:100], time.Hour)
		require.NoError(t, err)

		var mu sync.Mutex
		var released, failed int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				cfg := s.checkConfig()
				cfg.Block = 7
				r, err := processor.Check(t.Context(), cfg)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				released, failed = released+r.Released, failed+r.Failed
			})
		}
		wg.Wait()
		assert.GreaterOrEqual(t, released, int64(200), "one that another checker gave back just now may be given back again")
		assert.EqualValues(t, 300, failed)
		assert.Len(t, s.envelopes("failed"), 300)
		for _, r := range live {
			require.NoError(t, s.store.Complete(t.Context(), []claim.Lease{r.Lease}), "the live ones are their worker's")
		}
		entries, err := s.store.Inspect(t.Context(), keys[100:])
		require.NoError(t, err)
		for _, e := range entries {
			assert.Equal(t, 1, e.Attempt)
		}
	})
}

// At the deadline the check stops, with nothing in hand.
func TestCheckStopsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var keys []string
		for i := range 100 {
			keys = append(keys, fmt.Sprint("key ", i))
		}
		dies(t, s.store, 1, keys...)
		time.Sleep(time.Hour)
		cfg := s.checkConfig()
		cfg.Block = 10
		cfg.Claims = &watchedClaims{Claims: s.store, claim: func(ctx context.Context, _ []string) error {
			select {
			case <-time.After(2500 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := processor.Check(ctx, cfg)
		require.NoError(t, err)
		require.NoError(t, ctx.Err(), "it returned before")
		assert.Equal(t, processor.StatusStopped, r.Status)
		assert.Equal(t, int64(30), r.Released)
		counts, err := s.store.Count(t.Context())
		require.NoError(t, err)
		assert.Equal(t, claim.Counts{Expired: 70, Waiting: 30}, counts)
	})
}

// What it has claimed when it is stopped is given back, and not given up.
func TestCheckThatIsStoppedGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = -1
		dies(t, s.store, 1, "a", "b", "c")
		time.Sleep(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cfg := s.checkConfig()
		cfg.Claims = stopsAfterClaim{s.store, cancel}
		r, err := processor.Check(ctx, cfg)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, r.Status)
		assert.Equal(t, []int64{3, 0, 3}, []int64{r.Expired, r.Failed, r.Released})
		assert.Empty(t, s.envelopes("failed"))
	})
}

// stopsAfterClaim is a store whose checker is stopped when it has claimed.
type stopsAfterClaim struct {
	processor.Claims
	stop func()
}

func (s stopsAfterClaim) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	defer s.stop()
	return s.Claims.Claim(ctx, owner, nonce, keys, ttl)
}

// Every mistake is named at once.
func TestCheckNamesEveryMistake(t *testing.T) {
	_, err := processor.Check(t.Context(), processor.CheckConfig{Lease: time.Millisecond, Block: -1, RetryURL: "gopher://x/y"})
	for _, field := range []string{"Claims: ", "FailedURL: ", "RetryURL: ", "Lease: ", "Block: "} {
		require.ErrorContains(t, err, field)
	}
	_, err = processor.Check(t.Context(), processor.CheckConfig{Claims: memory.New(), FailedURL: t.TempDir()})
	require.NoError(t, err)
}

// A store that is away is an error, and the report tells how far it got.
func TestCheckOfAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		dies(t, s.store, 1, "a", "b")
		time.Sleep(time.Hour)
		cfg := s.checkConfig()
		cfg.Claims = &watchedClaims{Claims: s.store, claim: func(context.Context, []string) error { return errors.New("no route to host") }}
		r, err := processor.Check(t.Context(), cfg)
		require.ErrorContains(t, err, "no route to host")
		assert.Equal(t, processor.StatusError, r.Status)
		assert.EqualValues(t, 2, r.Expired)
		assert.NotEmpty(t, r.Errors)
	})
}
