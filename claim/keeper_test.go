package claim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

const ttl = time.Minute

var errAway = fault.Interrupted(errors.New("store is away"))

// faulty is a claim store whose calls can be made to fail, before or after
// they took effect.
type faulty struct {
	*memory.Store
	mu     sync.Mutex
	before func(op string) error
	after  func(op string) error
	calls  map[string]int
	nonces []string
	most   int // leases in one Extend call
}

func newFaulty() *faulty {
	none := func(string) error { return nil }
	return &faulty{Store: memory.New(), before: none, after: none, calls: make(map[string]int)}
}

func (f *faulty) set(before, after func(op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	none := func(string) error { return nil }
	f.before, f.after = none, none
	if before != nil {
		f.before = before
	}
	if after != nil {
		f.after = after
	}
}

func (f *faulty) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *faulty) call(op string, do func() error) error {
	f.mu.Lock()
	f.calls[op]++
	before, after := f.before, f.after
	f.mu.Unlock()
	if err := before(op); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return after(op)
}

func (f *faulty) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) (r []claim.Result, err error) {
	f.mu.Lock()
	f.nonces = append(f.nonces, nonce)
	f.mu.Unlock()
	err = f.call("claim", func() error {
		r, err = f.Store.Claim(ctx, owner, nonce, keys, ttl)
		return err
	})
	return r, err
}

func (f *faulty) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	f.mu.Lock()
	f.most = max(f.most, len(leases))
	f.mu.Unlock()
	return f.call("extend", func() error { return f.Store.Extend(ctx, leases, ttl) })
}

func (f *faulty) Complete(ctx context.Context, leases []claim.Lease) error {
	return f.call("complete", func() error { return f.Store.Complete(ctx, leases) })
}

func (f *faulty) Release(ctx context.Context, returns []claim.Return) error {
	return f.call("release", func() error { return f.Store.Release(ctx, returns) })
}

func keeper(t *testing.T, c claim.Claimer) *claim.Keeper {
	t.Helper()
	k, err := claim.NewKeeper(c, claim.KeeperConfig{Owner: "worker", TTL: ttl})
	require.NoError(t, err)
	return k
}

// running runs k for as long as the test; its end is awaited by the caller of
// stop.
func running(t *testing.T, k *claim.Keeper) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func mustClaim(t *testing.T, k *claim.Keeper, keys ...string) *claim.Block {
	t.Helper()
	b, err := k.Claim(t.Context(), keys)
	require.NoError(t, err)
	for i := range keys {
		require.Equal(t, claim.Granted, b.Results[i].Status, keys[i])
	}
	return b
}

func status(t *testing.T, c claim.Claimer, key string) claim.Result {
	t.Helper()
	r, err := c.Claim(t.Context(), "other", t.Name()+time.Now().String(), []string{key}, ttl)
	require.NoError(t, err)
	return r[0]
}

func TestNewKeeperNamesEveryMistake(t *testing.T) {
	_, err := claim.NewKeeper(nil, claim.KeeperConfig{TTL: time.Microsecond})
	require.Error(t, err)
	for _, field := range []string{"claimer", "Owner", "TTL"} {
		assert.ErrorContains(t, err, field)
	}
	for _, beat := range []time.Duration{-1, ttl / 2, ttl} {
		_, err = claim.NewKeeper(memory.New(), claim.KeeperConfig{Owner: "w", TTL: ttl, Beat: beat})
		assert.ErrorContains(t, err, "Beat", beat)
	}
	assert.True(t, fault.Is(err, fault.ClassFatal))
}

func TestHeartbeatsKeepALeasePastItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		stop := running(t, k)
		b := mustClaim(t, k, "a", "b")
		for range 50 {
			time.Sleep(ttl / 5)
			require.Greater(t, b.Remaining(0), ttl/2)
			require.Equal(t, claim.Held, status(t, store, "a").Status)
		}
		require.NoError(t, stop())
		require.InDelta(t, 40, store.count("extend"), 1, "one call a beat")
		time.Sleep(2 * ttl)
		require.LessOrEqual(t, b.Remaining(0), time.Duration(0))
		require.Equal(t, claim.Granted, status(t, store, "a").Status, "nobody extends after Run")
	})
}

func TestHeartbeatsAreCutInChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		var keys []string
		for i := range 2500 {
			keys = append(keys, fmt.Sprint(i))
		}
		b := mustClaim(t, k, keys...)
		require.Equal(t, 2500, k.Live())
		stop := running(t, k)
		time.Sleep(ttl)
		require.NoError(t, stop())
		require.LessOrEqual(t, store.most, 1000)
		for i := range keys {
			require.Positive(t, b.Remaining(i))
		}
	})
}

func TestHeartbeatStoresProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		stop := running(t, k)
		b := mustClaim(t, k, "a", "b")
		b.SetProgress(1, "half")
		b.SetProgress(0, strings.Repeat("x", claim.MaxProgressBytes+1))
		time.Sleep(ttl / 2)
		require.NoError(t, stop())
		entries, err := store.Inspect(t.Context(), []string{"a", "b"})
		require.NoError(t, err)
		assert.Empty(t, entries[0].Progress, "overlong progress is ignored")
		assert.Equal(t, "half", entries[1].Progress)
	})
}

func TestRemainingRunsOutInTimeWhenTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		stop := running(t, k)
		b := mustClaim(t, k, "a")
		store.set(func(string) error { return errAway }, nil)
		begin := time.Now()
		for b.Remaining(0) > 0 {
			time.Sleep(time.Second)
		}
		require.Equal(t, ttl, time.Since(begin), "as the store would judge it")
		require.Greater(t, store.count("extend"), 4, "tried again sooner")
		store.set(nil, nil)
		time.Sleep(ttl / 8)
		require.Positive(t, b.Remaining(0), "an expired lease that nobody took is extended again")
		require.NoError(t, stop())
	})
}

func TestASlowStoreDoesNotProlongALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		slow := func(string) error { time.Sleep(10 * time.Second); return nil }
		store.set(nil, slow)
		k := keeper(t, store)
		b := mustClaim(t, k, "a")
		require.Equal(t, ttl-10*time.Second, b.Remaining(0), "lease time counts from before the request left")
		stop := running(t, k)
		time.Sleep(26 * time.Second) // a beat after 15 s takes 10 s
		require.Equal(t, ttl-11*time.Second, b.Remaining(0))
		require.NoError(t, stop())
	})
}

func TestAHungHeartbeatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{Store: memory.New()}
		k := keeper(t, store)
		b := mustClaim(t, k, "a")
		stop := running(t, k)
		for range 20 {
			time.Sleep(ttl / 2)
			require.Positive(t, b.Remaining(0))
		}
		require.NoError(t, stop())
	})
}

// hanging is a store whose every second Extend call never answers.
type hanging struct {
	*memory.Store
	n int
}

func (h *hanging) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if h.n++; h.n%2 == 1 {
		<-ctx.Done()
		return fault.Interrupted(ctx.Err())
	}
	return h.Store.Extend(ctx, leases, ttl)
}

func TestALostLeaseIsMarkedByTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		b := mustClaim(t, k, "a", "b")
		time.Sleep(ttl + 1)
		require.Equal(t, claim.Granted, status(t, store, "a").Status, "expired and taken over")
		stop := running(t, k)
		time.Sleep(ttl/4 + 1)
		require.NoError(t, stop())
		require.Zero(t, b.Remaining(0))
		require.Positive(t, b.Remaining(1))
		require.Equal(t, 1, k.Live())

		err := k.Complete(t.Context(), []claim.Hold{{Block: b, Index: 1}, {Block: b, Index: 0}})
		batch, ok := errors.AsType[*claim.BatchError](err)
		require.True(t, ok)
		require.Len(t, batch.Failed, 1)
		require.Equal(t, 1, batch.Failed[0].Index)
		require.ErrorIs(t, batch.Failed[0].Err, claim.ErrLost)
		require.Equal(t, claim.Done, status(t, store, "b").Status)

		require.Error(t, k.Release(t.Context(), []claim.GiveBack{{Hold: claim.Hold{Block: b, Index: 0}}}))
		require.Equal(t, 1, store.count("complete"))
		require.Zero(t, store.count("release"), "what is lost already needs no round trip")
	})
}

func TestClaimIsRepeatedWithTheSameNonceAfterALostResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		n := 0
		store.set(nil, func(op string) error {
			if n++; n == 1 {
				time.Sleep(time.Second)
				return errAway
			}
			return nil
		})
		k := keeper(t, store)
		b := mustClaim(t, k, "a")
		require.Equal(t, 1, b.Results[0].Lease.Attempt)
		require.Equal(t, ttl-time.Second, b.Remaining(0), "counts from before the first request")
		mustClaim(t, k, "b")
		require.Len(t, store.nonces, 3)
		require.Equal(t, store.nonces[0], store.nonces[1])
		require.NotEqual(t, store.nonces[1], store.nonces[2])
	})
}

func TestClaimGivesUpAfterTheSecondFailureOrAFatalOne(t *testing.T) {
	store := newFaulty()
	k := keeper(t, store)
	store.set(func(string) error { return errAway }, nil)
	_, err := k.Claim(t.Context(), []string{"a"})
	require.ErrorIs(t, err, errAway)
	require.True(t, fault.Is(err, fault.ClassInterrupted))
	require.Equal(t, 2, store.count("claim"))
	store.set(func(string) error { return fault.Fatal(errors.New("no such table")) }, nil)
	_, err = k.Claim(t.Context(), []string{"a"})
	require.True(t, fault.Is(err, fault.ClassFatal))
	require.Equal(t, 3, store.count("claim"))
	require.Zero(t, k.Live())
}

func TestClaimKeepsTheBlockWhereSomeKeysFail(t *testing.T) {
	k := keeper(t, memory.New())
	b, err := k.Claim(t.Context(), []string{"a", ""})
	_, ok := errors.AsType[*claim.BatchError](err)
	require.True(t, ok, err)
	require.Equal(t, claim.Granted, b.Results[0].Status)
	require.Positive(t, b.Remaining(0))
	require.Zero(t, b.Remaining(1))
	require.Equal(t, 1, k.Live())
}

func TestClaimRejectsAnAnswerOfAnotherLength(t *testing.T) {
	k := keeper(t, short{memory.New()})
	_, err := k.Claim(t.Context(), []string{"a", "b"})
	require.True(t, fault.Is(err, fault.ClassFatal), err)
}

type short struct{ *memory.Store }

func (s short) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	r, err := s.Store.Claim(ctx, owner, nonce, keys, ttl)
	return r[1:], err
}

func TestCompleteAndReleaseMayBeRepeatedAfterALostResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		a, b := mustClaim(t, k, "a"), mustClaim(t, k, "b")
		stop := running(t, k)
		complete := func() error { return k.Complete(t.Context(), []claim.Hold{{Block: a}}) }
		release := func() error {
			return k.Release(t.Context(), []claim.GiveBack{{Hold: claim.Hold{Block: b}}})
		}
		store.set(nil, func(op string) error {
			if op == "extend" {
				return nil
			}
			return errAway
		})
		require.ErrorIs(t, complete(), errAway)
		require.ErrorIs(t, release(), errAway)
		require.Equal(t, 2, k.Live(), "leases stay live, so that the call can be repeated")
		require.Positive(t, a.Remaining(0))
		require.Zero(t, b.Remaining(0), "it may be somebody else's by now")
		// Heartbeats learn from the store that the leases are gone. That does
		// not make them lost: the calls took effect.
		time.Sleep(ttl)
		require.Zero(t, k.Live())
		store.set(nil, nil)
		require.NoError(t, complete())
		require.NoError(t, release())
		require.NoError(t, complete(), "completed before")
		require.NoError(t, release())
		require.Equal(t, 2, store.count("complete"))
		require.Equal(t, 2, store.count("release"))
		require.ErrorIs(t, k.Complete(t.Context(), []claim.Hold{{Block: b}}), claim.ErrLost)
		require.NoError(t, stop())
	})
}

func TestAFailedReleaseIsStillExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		b := mustClaim(t, k, "a")
		stop := running(t, k)
		store.set(func(op string) error {
			if op == "release" {
				return errAway
			}
			return nil
		}, nil)
		back := []claim.GiveBack{{Hold: claim.Hold{Block: b}, Counted: true, Reason: "broken", Delay: time.Hour}}
		require.Error(t, k.Release(t.Context(), back))
		time.Sleep(3 * ttl)
		require.Equal(t, claim.Held, status(t, store, "a").Status)
		store.set(nil, nil)
		b.SetProgress(0, "half")
		require.NoError(t, k.Release(t.Context(), back))
		require.NoError(t, stop())
		e, err := store.Inspect(t.Context(), []string{"a"})
		require.NoError(t, err)
		require.Equal(t, 1, e[0].Attempt)
		require.Equal(t, "broken", e[0].Reason)
		require.Equal(t, "half", e[0].Progress)
		require.Equal(t, time.Now().Add(time.Hour), e[0].Expires)
		require.Zero(t, k.Live())
	})
}

func TestManyBlocksAreSettledInOneCall(t *testing.T) {
	store := newFaulty()
	k := keeper(t, store)
	var held []claim.Hold
	for i := range 10 {
		b := mustClaim(t, k, fmt.Sprint("a", i), fmt.Sprint("b", i))
		held = append(held, claim.Hold{Block: b, Index: 0}, claim.Hold{Block: b, Index: 1})
	}
	require.Equal(t, 20, k.Live())
	require.NoError(t, k.Complete(t.Context(), held))
	require.Equal(t, 1, store.count("complete"))
	require.Zero(t, k.Live())
	for _, h := range held {
		require.Zero(t, h.Block.Remaining(h.Index))
	}
}

func TestAbandonedLeasesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		b := mustClaim(t, k, "a", "b")
		stop := running(t, k)
		k.Abandon([]claim.Hold{{Block: b, Index: 0}})
		require.Zero(t, b.Remaining(0))
		require.Equal(t, 1, k.Live())
		require.Equal(t, claim.Held, status(t, store, "a").Status, "not given back")
		time.Sleep(ttl + 1)
		require.Equal(t, claim.Granted, status(t, store, "a").Status)
		require.Equal(t, claim.Held, status(t, store, "b").Status)
		require.NoError(t, stop())
	})
}

func TestRunReturnsAFatalErrorAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		k := keeper(t, store)
		mustClaim(t, k, "a")
		gone := errors.New("access denied")
		store.set(func(string) error { return fault.Fatal(gone) }, nil)
		begin := time.Now()
		err := k.Run(t.Context())
		require.ErrorIs(t, err, gone)
		require.True(t, fault.Is(err, fault.ClassFatal))
		require.Equal(t, ttl/4, time.Since(begin))
	})
}

// A heartbeat must neither revive, lose nor keep leases that are settled while
// it is under way, whatever the order of events.
func TestKeeperUnderConcurrentUse(t *testing.T) {
	store := memory.New()
	k, err := claim.NewKeeper(store, claim.KeeperConfig{Owner: "w", TTL: time.Hour, Beat: time.Millisecond})
	require.NoError(t, err)
	stop := running(t, k)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				keys := make([]string, 50)
				for j := range keys {
					keys[j] = fmt.Sprint(w, "/", i, "/", j)
				}
				b, err := k.Claim(t.Context(), keys)
				if !assert.NoError(t, err) {
					return
				}
				var held []claim.Hold
				var back []claim.GiveBack
				for j := range keys {
					if j%2 == 0 {
						held = append(held, claim.Hold{Block: b, Index: j})
					} else {
						back = append(back, claim.GiveBack{Hold: claim.Hold{Block: b, Index: j}})
					}
				}
				b.SetProgress(i%len(keys), "somewhere")
				assert.NoError(t, k.Complete(t.Context(), held))
				assert.NoError(t, k.Release(t.Context(), back))
			}
		})
	}
	wg.Wait()
	require.NoError(t, stop())
	require.Zero(t, k.Live())
	c, err := store.Count(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 4*100*25, c.Finished)
	require.Zero(t, c.Processing)
}

func BenchmarkKeeper(b *testing.B) {
	k, err := claim.NewKeeper(memory.New(), claim.KeeperConfig{Owner: "w"})
	require.NoError(b, err)
	const size = 256
	keys := make([]string, b.N)
	for i := range keys {
		keys[i] = fmt.Sprintf("2026/11/21/object-%09d.json", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for part := range slices.Chunk(keys, size) {
		block, err := k.Claim(b.Context(), part)
		if err != nil {
			b.Fatal(err)
		}
		held := make([]claim.Hold, len(part))
		for i := range held {
			held[i] = claim.Hold{Block: block, Index: i}
			if block.Remaining(i) <= 0 {
				b.Fatal("expired")
			}
		}
		if err := k.Complete(b.Context(), held); err != nil {
			b.Fatal(err)
		}
	}
}
