package streampoll_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
)

// A batch that is worked on is finished, and no other begun.
func TestTheDrainFinishesWhatIsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims := newStream("a"), memory.New()
		h := &handler{f: func(ctx context.Context, batch []change) (int, error) {
			select {
			case <-time.After(10 * time.Second):
				return len(batch), nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}}
		want := s.add("a", 500)
		stop := consume(t, s, h, streampoll.Config{Claims: claims})
		time.Sleep(11 * time.Second)
		out := stop()
		require.NoError(t, out.err)
		assert.Equal(t, 9*time.Second, out.took)
		assert.Equal(t, want[:200], h.settled())
		assert.Equal(t, streampoll.Stats{Received: 500, Settled: 200, Returned: 300, Shards: 1}, out.stats)
		h = &handler{}
		stop = consume(t, s, h, streampoll.Config{Claims: claims})
		time.Sleep(time.Second)
		stop()
		assert.Equal(t, want[200:], h.settled(), "at once")
	})
}

// A handler that takes too long is told to end, which is no failure of its changes.
func TestTheDrainEndsWhatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, errs := newStream("a"), &faults{}
		h := &handler{f: func(ctx context.Context, _ []change) (int, error) { <-ctx.Done(); return 0, ctx.Err() }}
		s.add("a", 10)
		stop := consume(t, s, h, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		out := stop()
		assert.Equal(t, 15*time.Second, out.took)
		assert.Equal(t, streampoll.Stats{Received: 10, Returned: 10, Shards: 1}, out.stats)
		assert.Empty(t, errs.all())
	})
}

// What honours no context is left behind, in time; its shard is not given to another
// before its claim has expired.
func TestAHandlerThatHangsDoesNotKeepRunFromReturning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, claims, errs := newStream("a"), memory.New(), &faults{}
		release := make(chan struct{})
		h := &handler{f: func(_ context.Context, batch []change) (int, error) {
			<-release
			return len(batch), nil
		}}
		s.add("a", 10)
		stop := consume(t, s, h, streampoll.Config{Claims: claims, Drain: 10 * time.Second, OnError: errs.add})
		time.Sleep(time.Minute)
		out := stop()
		assert.Equal(t, 8500*time.Millisecond, out.took)
		assert.Equal(t, streampoll.Stats{Received: 10, Returned: 10, Shards: 1, Abandoned: 1}, out.stats)
		began := time.Now()
		other := &handler{}
		stop = consume(t, s, other, streampoll.Config{Claims: claims})
		time.Sleep(30 * time.Second)
		assert.Empty(t, other.settled())
		time.Sleep(time.Minute)
		assert.Len(t, other.settled(), 10)
		assert.Less(t, time.Since(began), 2*time.Minute)
		stop()
		close(release)
		synctest.Wait()
		assert.Empty(t, errs.all())
	})
}

func TestRunReturnsBeforeItsDeadline(t *testing.T) {
	for _, limit := range []time.Duration{time.Millisecond, time.Second, 7 * time.Second, time.Minute, time.Hour} {
		for name, honours := range map[string]bool{"honours": true, "hangs": false} {
			t.Run(limit.String()+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, claims := newStream("a"), memory.New()
					over := make(chan struct{})
					var calls atomic.Int64
					h := &handler{f: func(ctx context.Context, _ []change) (int, error) {
						calls.Add(1)
						end, ok := ctx.Deadline()
						assert.True(t, ok && end.Before(time.Now().Add(limit)), "a service takes its margins from it")
						if honours {
							<-ctx.Done()
						} else {
							<-over
						}
						return 0, ctx.Err()
					}}
					s.add("a", 20)
					c, err := streampoll.New(s, arn, h, streampoll.Config{Claims: claims})
					require.NoError(t, err)
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					began := time.Now()
					_, err = c.Run(ctx)
					require.NoError(t, err)
					assert.Less(t, time.Since(began), limit)
					if limit >= time.Second {
						assert.Positive(t, calls.Load(), "most of the time is for work")
					}
					if honours {
						h = &handler{}
						stop := consume(t, s, h, streampoll.Config{Claims: claims})
						time.Sleep(time.Second)
						stop()
						assert.Len(t, h.settled(), 20, "the shard was given back")
					}
					close(over)
				})
			})
		}
	}
}

// Everything that is away does not keep Run from returning either.
func TestOutagesDoNotKeepRunFromReturning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, own := newStream("a", "b"), newStore(memory.New())
		s.end("b")
		began := time.Now()
		own.fail = func(op string) error {
			if time.Since(began) > 3*time.Second || op == "complete" {
				return errStore
			}
			return nil
		}
		s.failing(func(string, string) error {
			if time.Since(began) > 3*time.Second {
				return errors.New("connection refused")
			}
			return nil
		})
		h := &handler{f: func(_ context.Context, batch []change) (int, error) { time.Sleep(time.Second); return len(batch), nil }}
		s.add("a", 2000)
		stop := consume(t, s, h, streampoll.Config{Claims: own})
		time.Sleep(5 * time.Second)
		out := stop()
		assert.NoError(t, out.err)
		assert.Less(t, out.took, 30*time.Second)
	})
}

// late is a claim store whose answers take a second, and are lost where nobody waits.
type late struct{ *memory.Store }

func (l late) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	results, err := l.Store.Claim(ctx, owner, nonce, keys, ttl)
	select {
	case <-time.After(time.Second):
		return results, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A shard that is being claimed when the run ends is given back as well.
func TestAClaimThatIsUnderWayIsGivenBack(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond} { // beginning, shard, work
		synctest.Test(t, func(t *testing.T) {
			s, claims, h := newStream("a"), memory.New(), &handler{}
			want := s.add("a", 10)
			stop := consume(t, s, &handler{}, streampoll.Config{Claims: late{claims}})
			time.Sleep(after)
			out := stop()
			assert.Less(t, out.took, 2*time.Second)
			stop = consume(t, s, h, streampoll.Config{Claims: claims})
			time.Sleep(time.Second)
			stop()
			once(t, h.settled(), want[min(10, out.stats.Settled):])
		})
	}
}

func TestAnEndpointThatIsAwayIsAskedAgainNotTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		began := time.Now()
		want := s.add("a", 5)
		s.failing(func(op, _ string) error {
			if at := time.Since(began); op == "DescribeStream" && at < time.Hour || op != "DescribeStream" && at < 2*time.Hour {
				return errors.New("no route to host")
			}
			return nil
		})
		stop := consume(t, s, h, streampoll.Config{ScanInterval: time.Hour})
		time.Sleep(time.Hour)
		assert.Less(t, s.count("DescribeStream"), 500, "20 seconds between them at most")
		assert.Greater(t, s.count("DescribeStream"), 150)
		time.Sleep(time.Hour)
		assert.Less(t, s.count("GetShardIterator"), 500)
		time.Sleep(time.Minute)
		assert.Equal(t, want, h.settled())
		require.NoError(t, stop().err)
	})
}

func TestRunMayBeCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		c, err := streampoll.New(s, arn, h, streampoll.Config{})
		require.NoError(t, err)
		var want []string
		for range 3 {
			want = append(want, s.add("a", 10)...)
			stop := start(t, c)
			time.Sleep(time.Second)
			assert.EqualValues(t, 10, stop().stats.Settled, "checkpoints outlive a Run")
		}
		assert.Equal(t, want, h.settled())
		assert.True(t, slices.IsSorted(h.sizes()))
	})
}
