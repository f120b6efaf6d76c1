package streampoll_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/processor/fault"
)

// store is a claim store that fails as it is told to.
type store struct {
	claim.Claimer
	fail  func(op string) error // before the call
	lose  func(op string) error // after it
	calls map[string]*atomic.Int64
}

func newStore(c claim.Claimer) *store {
	s := &store{Claimer: c, calls: map[string]*atomic.Int64{}}
	for _, op := range []string{"claim", "extend", "complete", "release"} {
		s.calls[op] = &atomic.Int64{}
	}
	return s
}

var errStore = fault.Interrupted(errors.New("the claim store is away"))

func (s *store) call(op string, do func() error) error {
	s.calls[op].Add(1)
	if s.fail != nil {
		if err := s.fail(op); err != nil {
			return err
		}
	}
	err := do()
	if s.lose != nil && err == nil {
		err = s.lose(op)
	}
	return err
}

func (s *store) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) (results []claim.Result, err error) {
	err = s.call("claim", func() (err error) {
		results, err = s.Claimer.Claim(ctx, owner, nonce, keys, ttl)
		return err
	})
	return results, err
}

func (s *store) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	return s.call("extend", func() error { return s.Claimer.Extend(ctx, leases, ttl) })
}

func (s *store) Complete(ctx context.Context, leases []claim.Lease) error {
	return s.call("complete", func() error { return s.Claimer.Complete(ctx, leases) })
}

func (s *store) Release(ctx context.Context, returns []claim.Return) error {
	return s.call("release", func() error { return s.Claimer.Release(ctx, returns) })
}

// key is the key of a shard in the claim store.
func key(group, id string) string { return arn + "/" + group + "/" + id }

// progress is the checkpoint of a shard in the claim store.
func progress(t *testing.T, c *memory.Store, id string) string {
	t.Helper()
	entries, err := c.Inspect(t.Context(), []string{key("", id)})
	require.NoError(t, err)
	return entries[0].Progress
}

func TestConsumersShareTheShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims := newStream(), memory.New()
		h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
		var want [][]string
		for i := range 6 {
			id := "s" + strconv.Itoa(i)
			s.open(id, "")
			want = append(want, s.add(id, 1000))
		}
		var stops []func() outcome
		for range 3 {
			stops = append(stops, consume(t, s, h, streampoll.Config{Claims: claims, MaxShards: 2}))
		}
		time.Sleep(time.Minute)
		for _, stop := range stops {
			assert.Equal(t, streampoll.Stats{Received: 2000, Settled: 2000, Shards: 2}, stop().stats)
		}
		once(t, h.settled(), want...)
		assert.Empty(t, h.mistakes())
		assert.Equal(t, 6, h.most)
	})
}

// Groups of consumers know nothing of each other, and a stream may have several.
func TestEachGroupGetsEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims := newStream("a"), memory.New()
		want := s.add("a", 30)
		for _, group := range []string{"", "one", "two"} {
			h := &handler{}
			stop := consume(t, s, h, streampoll.Config{Claims: claims, Group: group})
			time.Sleep(time.Minute)
			stop()
			assert.Equal(t, want, h.settled())
		}
	})
}

// A consumer that ends gives its shards back with their checkpoints: another goes on
// at once, from there.
func TestAnotherGoesOnAtOnceWhereOneEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims := newStream("a"), memory.New()
		h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
		want := s.add("a", 1000)
		cfg := streampoll.Config{Claims: claims, TTL: time.Hour, CheckpointEvery: time.Hour}
		stop := consume(t, s, h, cfg)
		time.Sleep(4500 * time.Millisecond)
		assert.EqualValues(t, 500, stop().stats.Settled)
		stop = consume(t, s, h, cfg)
		time.Sleep(5500 * time.Millisecond)
		assert.EqualValues(t, 500, stop().stats.Settled)
		assert.Equal(t, want, h.settled())
	})
}

// crash makes a consumer one that does nothing more from a time on, as a process that
// was killed: its requests fail, and its handler never returns.
type crash struct {
	over    chan struct{} // closed at the end of the test
	crashed atomic.Bool
}

func (c *crash) fail(string) error {
	if c.crashed.Load() {
		return errStore
	}
	return nil
}

func TestAnotherGoesOnFromTheCheckpointOfOneThatDied(t *testing.T) {
	for every, again := range map[time.Duration]int{0: 1, 10 * time.Second: 10} {
		synctest.Test(t, func(t *testing.T) {
			s, claims, dead := newStream("a"), memory.New(), &crash{over: make(chan struct{})}
			h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
			want := s.add("a", 300)
			first := &handler{f: func(_ context.Context, batch []change) (int, error) {
				time.Sleep(time.Second)
				if dead.crashed.Load() {
					<-dead.over
				}
				return len(batch), nil
			}}
			own := newStore(claims)
			own.fail = dead.fail
			stop := consume(t, s, first, streampoll.Config{Claims: own, BatchSize: 10, CheckpointEvery: every, Drain: time.Second})
			time.Sleep(14500 * time.Millisecond)
			dead.crashed.Store(true)
			began := time.Now()
			other := consume(t, s, h, streampoll.Config{Claims: claims, BatchSize: 10})
			time.Sleep(2 * time.Minute)
			other()
			stop()
			close(dead.over)
			synctest.Wait()
			done := first.settled()[:140] // when it died
			got := h.settled()
			assert.Equal(t, want, append(slices.Clone(done[:300-len(got)]), got...), "nothing is lost")
			assert.LessOrEqual(t, 140+len(got)-300, again*10, "no more than since the last checkpoint comes again")
			assert.Less(t, time.Since(began), 3*time.Minute)
		})
	}
}

// Work on a shard is stopped before another consumer can begin with it, whether the
// handler says so by an error or by its answer.
func TestAClaimThatCannotBeKeptEndsTheWork(t *testing.T) {
	for _, say := range []func(context.Context) error{context.Cause, func(context.Context) error { return nil }} {
		synctest.Test(t, func(t *testing.T) { claimLost(t, say) })
	}
}

func claimLost(t *testing.T, say func(context.Context) error) {
	s, claims := newStream("a"), memory.New()
	var stopped, begun atomic.Int64
	began := time.Now()
	first := &handler{f: func(ctx context.Context, _ []change) (int, error) {
		<-ctx.Done()
		stopped.Store(int64(time.Since(began)))
		return 0, say(ctx)
	}}
	second := &handler{f: func(_ context.Context, batch []change) (int, error) {
		begun.CompareAndSwap(0, int64(time.Since(began)))
		return len(batch), nil
	}}
	s.add("a", 5)
	var away atomic.Bool
	own := newStore(claims)
	own.fail = func(string) error {
		if away.Load() {
			return errStore
		}
		return nil
	}
	stopFirst := consume(t, s, first, streampoll.Config{Claims: own})
	time.Sleep(10 * time.Minute)
	assert.Zero(t, stopped.Load(), "heartbeats keep it")
	stopSecond := consume(t, s, second, streampoll.Config{Claims: claims})
	time.Sleep(time.Minute)
	away.Store(true)
	time.Sleep(5 * time.Minute)
	out := stopFirst()
	stopSecond()
	assert.Less(t, time.Duration(stopped.Load())+14*time.Second, time.Duration(begun.Load()))
	assert.Equal(t, int64(1), out.stats.Lost)
	assert.Zero(t, out.stats.Failed, "it was stopped, it did not fail")
	assert.Equal(t, []string{"a 0", "a 1", "a 2", "a 3", "a 4"}, second.settled())
}

// A handler that does not end when it is told to keeps its shard from being worked on
// by this process; what others do is not in its power.
func TestAShardThatIsStillWorkedOnIsNotBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := newStream("a"), newStore(memory.New())
		began := time.Now()
		own.fail = func(string) error {
			if at := time.Since(began); at > 20*time.Second && at < 3*time.Minute {
				return errStore
			}
			return nil
		}
		var calls atomic.Int64
		h := &handler{f: func(_ context.Context, batch []change) (int, error) {
			if calls.Add(1) == 1 {
				time.Sleep(10 * time.Minute)
			}
			return len(batch), nil
		}}
		s.add("a", 10)
		stop := consume(t, s, h, streampoll.Config{Claims: own})
		time.Sleep(9 * time.Minute)
		assert.EqualValues(t, 1, calls.Load())
		time.Sleep(5 * time.Minute)
		stop()
		assert.Empty(t, h.mistakes())
		assert.GreaterOrEqual(t, len(h.settled()), 10)
	})
}

// A shard that was lost while nothing came is let go of, so that there is room for another.
func TestAShardThatIsLostWhileItRestsIsLetGoOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims, h := newStream("a"), memory.New(), &handler{}
		own := newStore(claims)
		began := time.Now()
		own.fail = func(string) error {
			if at := time.Since(began); at > 20*time.Second && at < 5*time.Minute {
				return errStore
			}
			return nil
		}
		first := consume(t, s, h, streampoll.Config{Claims: own, MaxShards: 1})
		time.Sleep(30 * time.Second)
		second := consume(t, s, h, streampoll.Config{Claims: claims, MaxShards: 1})
		time.Sleep(10 * time.Minute)
		s.open("b", "")
		want := s.add("b", 5)
		time.Sleep(time.Minute)
		assert.Equal(t, want, h.settled())
		out := first()
		assert.EqualValues(t, 1, out.stats.Lost)
		assert.EqualValues(t, 5, out.stats.Settled)
		second()
	})
}

// A shard that another consumer has finished meanwhile is let go of.
func TestAShardThatIsLostAtItsEndIsLetGoOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims, h := newStream("a"), memory.New(), &handler{}
		s.add("a", 5)
		s.end("a")
		own := newStore(claims)
		began := time.Now()
		own.fail = func(op string) error {
			if at := time.Since(began); op != "claim" && at > time.Second/10 && at < 3*time.Minute || op == "complete" && at < 3*time.Minute {
				return errStore
			}
			return nil
		}
		first := consume(t, s, h, streampoll.Config{Claims: own, MaxShards: 1})
		time.Sleep(10 * time.Second)
		second := consume(t, s, h, streampoll.Config{Claims: claims})
		time.Sleep(5 * time.Minute)
		assert.EqualValues(t, 1, second().stats.Finished)
		s.open("b", "")
		want := s.add("b", 5)
		time.Sleep(time.Minute)
		out := first()
		assert.Equal(t, want, of(h.settled(), "b"))
		assert.EqualValues(t, 1, out.stats.Lost)
		assert.Zero(t, out.stats.Finished)
	})
}

// What was claimed in vain, as a later step failed, is given back: nobody else would have
// it, nor this consumer itself.
func TestWhatWasClaimedInVainIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own, h := newStream(), newStore(memory.New()), &handler{}
		s.open("child", "gone") // which is buried first
		want := s.add("child", 5)
		own.fail = func(op string) error {
			if op == "complete" && own.calls[op].Load() <= 1 {
				return errStore
			}
			return nil
		}
		stop := consume(t, s, h, streampoll.Config{Claims: own})
		time.Sleep(30 * time.Second) // less than a claim lasts
		assert.Equal(t, want, h.settled())
		assert.Zero(t, stop().stats.Gaps, "it is the first of its group")
	})
}

// What cannot be given back is told of, and left to expire.
func TestAClaimThatCannotBeGivenBackIsLeftToExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own, h, errs := newStream("a"), newStore(memory.New()), &handler{}, &faults{}
		want := s.add("a", 5)
		own.fail = func(op string) error {
			if op == "release" && own.calls[op].Load() <= 3 {
				return errStore
			}
			return nil
		}
		stop := consume(t, s, h, streampoll.Config{Claims: own, OnError: errs.add})
		time.Sleep(30 * time.Second)
		assert.Len(t, errs.all(), 1)
		assert.Empty(t, h.settled())
		time.Sleep(time.Minute)
		stop()
		assert.Equal(t, want, h.settled())
	})
}

// Of several claims some may fail by themselves: the others are worked on.
func TestAClaimThatFailsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h, errs := newStream("a", "b"), &handler{}, &faults{}
		a, b := s.add("a", 5), s.add("b", 5)
		stop := consume(t, s, h, streampoll.Config{Claims: &choosy{Claimer: memory.New()}, OnError: errs.add})
		time.Sleep(5 * time.Second)
		assert.Equal(t, a, h.settled())
		time.Sleep(25 * time.Second)
		stop()
		once(t, h.settled(), a, b)
		require.Len(t, errs.all(), 1)
	})
}

// choosy is a claim store that fails, once, for the second of two keys.
type choosy struct {
	claim.Claimer
	failed bool
}

func (c *choosy) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if len(keys) < 2 || c.failed {
		return c.Claimer.Claim(ctx, owner, nonce, keys, ttl)
	}
	c.failed = true
	results, err := c.Claimer.Claim(ctx, owner, nonce, keys[:1], ttl)
	return append(results, claim.Result{}), errors.Join(err, &claim.BatchError{Failed: []claim.EntryError{{Index: 1, Err: errStore}}})
}

// A claim store that is away for less than a claim lasts stops nothing.
func TestAShortOutageOfTheClaimStoreIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := newStream("a"), newStore(memory.New())
		began := time.Now()
		own.fail = func(string) error {
			if at := time.Since(began); at > 20*time.Second && at < 45*time.Second {
				return errStore
			}
			return nil
		}
		h := &handler{f: func(ctx context.Context, batch []change) (int, error) {
			select {
			case <-time.After(10 * time.Second):
				return len(batch), nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}}
		want := s.add("a", 100)
		stop := consume(t, s, h, streampoll.Config{Claims: own, BatchSize: 10})
		time.Sleep(3 * time.Minute)
		out := stop()
		assert.Equal(t, want, h.settled())
		assert.Equal(t, streampoll.Stats{Received: 100, Settled: 100, Shards: 1}, out.stats)
	})
}

// Whatever fails, and however many consumers there are, each change is settled, those
// of a shard in order but for repetitions, and nobody works beside another.
func TestWhateverFailsNothingIsLost(t *testing.T) {
	seeds := uint64(20)
	if testtool.Brief() {
		seeds = 3
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // reproducible
			s, claims := newStream("a", "b", "c"), memory.New()
			began := time.Now()
			storm := func() bool { return time.Since(began) < 10*time.Minute }
			s.fault = func(op, _ string) error { // under its lock
				if !storm() || random.IntN(4) > 0 {
					return nil
				}
				codes := []string{"LimitExceededException", "ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError", "ExpiredIteratorException", "ServiceUnavailable"}
				if op == "DescribeStream" { // which has no iterators
					codes = codes[:4]
				}
				switch i := random.IntN(len(codes) + 1); i {
				case len(codes):
					return errors.New("connection refused")
				default:
					return refusal(codes[i])
				}
			}
			s.lossy = func(string, string) bool { return storm() && random.IntN(10) == 0 }
			var calls atomic.Uint64
			h := &handler{f: func(ctx context.Context, batch []change) (int, error) {
				n := calls.Add(1) + seed
				select {
				case <-time.After(time.Duration(n%7) * 300 * time.Millisecond):
				case <-ctx.Done():
					return 0, ctx.Err()
				}
				switch {
				case storm() && n%5 == 0:
					return 0, errors.New("not now")
				case storm() && n%3 == 0:
					return len(batch) / 2, nil
				}
				return len(batch), nil
			}}
			var want [][]string
			var stops []func() outcome
			for i := range 3 {
				own := newStore(claims)
				var n atomic.Uint64
				bad := func(string) error {
					// Outages that are longer than a claim lasts, at different times.
					if at := time.Since(began); storm() && (n.Add(1)%6 == 0 || at.Truncate(2*time.Minute)/(2*time.Minute)%3 == time.Duration(i) && at%(2*time.Minute) < 90*time.Second) {
						return errStore
					}
					return nil
				}
				own.fail, own.lose = bad, bad
				stops = append(stops, consume(t, s, h, streampoll.Config{Claims: own, BatchSize: 20, MaxShards: 2, TTL: 20 * time.Second, PollInterval: 3 * time.Second}))
			}
			for _, id := range []string{"a", "b", "c"} {
				for range 5 {
					want = append(want, s.add(id, 100))
					time.Sleep(time.Minute)
				}
				s.end(id, id+id)
				want = append(want, s.add(id+id, 100))
			}
			time.Sleep(10 * time.Minute)
			var settled, lost int64
			for _, stop := range stops {
				out := stop()
				require.NoError(t, out.err)
				settled += out.stats.Settled
				lost += out.stats.Lost
			}
			assert.Positive(t, lost)
			assert.Empty(t, h.mistakes())
			names := h.settled()
			assert.GreaterOrEqual(t, settled, int64(1800))
			first := map[string]bool{}
			names = slices.DeleteFunc(names, func(name string) bool { again := first[name]; first[name] = true; return again })
			once(t, names, want...)
		})
	}
}

func TestAClaimStoreThatCanNeverWorkEndsTheRun(t *testing.T) {
	for _, op := range []string{"claim", "extend", "complete"} {
		synctest.Test(t, func(t *testing.T) {
			s, own := newStream("a"), newStore(memory.New())
			s.add("a", 5)
			s.end("a")
			s.open("b", "")
			own.fail = func(o string) error {
				if o == op {
					return fault.Fatal(errors.New("there is no such table"))
				}
				return nil
			}
			h := &handler{f: func(_ context.Context, batch []change) (int, error) {
				time.Sleep(20 * time.Second)
				return len(batch), nil
			}}
			c, err := streampoll.New(s, arn, h, streampoll.Config{Claims: own})
			require.NoError(t, err)
			_, err = c.Run(t.Context())
			require.ErrorContains(t, err, "no such table")
			assert.True(t, fault.Is(err, fault.ClassFatal))
		})
	}
}

func TestACheckpointThatIsNoneEndsTheRun(t *testing.T) {
	for _, id := range []string{"a", "start"} {
		synctest.Test(t, func(t *testing.T) {
			s, claims := newStream("a"), memory.New()
			got, err := claims.Claim(t.Context(), "x", "y", []string{key("", id)}, time.Minute)
			require.NoError(t, err)
			got[0].Lease.Progress = "offset 12"
			require.NoError(t, claims.Release(t.Context(), []claim.Return{{Lease: got[0].Lease}}))
			c, err := streampoll.New(s, arn, &handler{}, streampoll.Config{Claims: claims})
			require.NoError(t, err)
			_, err = c.Run(t.Context())
			require.ErrorContains(t, err, "offset 12")
			assert.True(t, fault.Is(err, fault.ClassFatal))
		})
	}
}

func TestCheckpointEveryBoundsTheirNumber(t *testing.T) {
	for every, most := range map[time.Duration]int64{0: 102, 5 * time.Second: 25} {
		synctest.Test(t, func(t *testing.T) {
			s, claims := newStream("a"), memory.New()
			own := newStore(claims)
			h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
			s.add("a", 1000)
			stop := consume(t, s, h, streampoll.Config{Claims: own, BatchSize: 10, CheckpointEvery: every, TTL: 10 * time.Minute})
			time.Sleep(30500 * time.Millisecond)
			if every == 0 {
				assert.Equal(t, "100000000000000000300", progress(t, claims, "a"))
			}
			time.Sleep(69500 * time.Millisecond)
			stop()
			assert.LessOrEqual(t, own.calls["extend"].Load(), most)
			assert.Equal(t, "100000000000000001000", progress(t, claims, "a"))
		})
	}
}
