package streampoll_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/processor/fault"
)

// without settles what comes before a change, and not the change.
func without(name string) func(context.Context, []change) (int, error) {
	return func(_ context.Context, batch []change) (int, error) {
		if i := slices.IndexFunc(batch, func(c change) bool { return c.Name == name }); i >= 0 {
			return i, nil
		}
		return len(batch), nil
	}
}

// failing fails every batch that has a change.
func failing(name string) func(context.Context, []change) (int, error) {
	return func(_ context.Context, batch []change) (int, error) {
		if slices.ContainsFunc(batch, func(c change) bool { return c.Name == name }) {
			return 0, errors.New("not this one")
		}
		return len(batch), nil
	}
}

func TestAPartialAnswerGoesOnFromTheFirstThatIsNotSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		var tried atomic.Int64
		h := &handler{f: func(ctx context.Context, batch []change) (int, error) {
			if n, _ := without("a 42")(ctx, batch); n < len(batch) && tried.Add(1) <= 3 {
				return n, nil
			}
			return len(batch), nil
		}}
		want := s.add("a", 100)
		var errs faults
		stop := consume(t, s, h, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		out := stop()
		assert.Equal(t, want, h.settled())
		assert.EqualValues(t, 3, out.stats.Failed)
		assert.Len(t, errs.all(), 3)
		assert.Equal(t, []int{100, 58, 29, 14}, h.sizes()[:4], "what is settled does not come again")
	})
}

func TestTheLowestOfAnAnswerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		want := s.add("a", 10)
		var mu sync.Mutex
		var first [][]string
		h := streampoll.HandlerFunc(func(_ context.Context, event json.RawMessage) (aws.Answer, error) {
			batch, err := changesOf(event)
			mu.Lock()
			defer mu.Unlock()
			var names []string
			for _, c := range batch {
				names = append(names, c.Name)
			}
			first = append(first, names)
			if len(first) == 1 {
				return aws.Again(batch[7].Sequence, batch[3].Sequence, batch[5].Sequence), err
			}
			return aws.Answer{}, err
		})
		stop := consume(t, s, h, streampoll.Config{})
		time.Sleep(time.Minute)
		out := stop()
		assert.Equal(t, [][]string{want, want[3:]}, first)
		assert.EqualValues(t, 10, out.stats.Settled)
	})
}

// Lambda takes such an answer for a failure of the whole batch.
func TestAnAnswerThatListsSomethingElseSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		s.add("a", 4)
		var calls atomic.Int64
		h := streampoll.HandlerFunc(func(_ context.Context, event json.RawMessage) (aws.Answer, error) {
			batch, err := changesOf(event)
			switch calls.Add(1) {
			case 1:
				return aws.Again(batch[2].Sequence, "7"), err
			case 2:
				return aws.Again(""), err
			}
			return aws.Answer{}, err
		})
		var errs faults
		stop := consume(t, s, h, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		out := stop()
		assert.EqualValues(t, 2, out.stats.Failed)
		assert.EqualValues(t, 4, out.stats.Settled)
		require.Len(t, errs.all(), 2)
		assert.ErrorContains(t, errs.all()[0], "not in the batch")
	})
}

func TestPausesDoubleUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		var at []time.Time // of one goroutine at a time
		h := &handler{f: func(context.Context, []change) (int, error) {
			at = append(at, time.Now())
			return 0, errors.New("never")
		}}
		s.add("a", 1)
		stop := consume(t, s, h, streampoll.Config{RetryDelay: 2 * time.Second, MaxRetryDelay: 20 * time.Second})
		time.Sleep(2 * time.Minute)
		stop()
		var pauses []time.Duration
		for i := range at[1:] {
			pauses = append(pauses, at[i+1].Sub(at[i]))
		}
		assert.Equal(t, []time.Duration{2e9, 4e9, 8e9, 16e9, 20e9, 20e9, 20e9, 20e9}, pauses)
	})
}

func TestNothingIsPassedOverByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a", "b")
		h := &handler{f: failing("a 42")}
		a, b := s.add("a", 100), s.add("b", 10)
		stop := consume(t, s, h, streampoll.Config{})
		time.Sleep(5 * time.Hour)
		out := stop()
		once(t, h.settled(), a[:42], b)
		assert.Zero(t, out.stats.Passed)
		assert.EqualValues(t, 58, out.stats.Returned)
		assert.Greater(t, out.stats.Failed, int64(5*60/2))
	})
}

// One change that cannot be settled takes none of its neighbours along, and is put
// aside before it is passed over.
func TestAChangeThatCannotBeSettledIsPassedOverAlone(t *testing.T) {
	for name, f := range map[string]func(context.Context, []change) (int, error){
		"an error":         failing("a 142"),
		"a partial answer": without("a 142"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, h := newStream("a"), &handler{f: f}
				want := s.add("a", 300)
				var mu sync.Mutex
				var told []streampoll.Failure
				var event []change
				stop := consume(t, s, h, streampoll.Config{MaxAttempts: 3, OnFailure: func(_ context.Context, f streampoll.Failure) error {
					mu.Lock()
					defer mu.Unlock()
					var err error
					event, err = changesOf(f.Event)
					f.Event = nil
					told = append(told, f)
					return err
				}})
				time.Sleep(10 * time.Minute)
				out := stop()
				assert.Equal(t, slices.Concat(want[:142], want[143:]), h.settled())
				assert.EqualValues(t, 1, out.stats.Passed)
				require.Len(t, told, 1)
				assert.Equal(t, []change{{"a 142", "a 142 v", told[0].Sequence}}, event)
				assert.Equal(t, "a", told[0].Shard)
				assert.Equal(t, arn, told[0].Stream)
				assert.GreaterOrEqual(t, told[0].Attempts, 3)
				assert.Positive(t, told[0].Age)
				require.Error(t, told[0].Reason)
				assert.Equal(t, 64, slices.Max(h.sizes()[len(h.sizes())-3:]), "batches have grown again")
			})
		})
	}
}

// The halves of a batch are tried one after the other: only the whole is waited for, and
// the single change.
func TestHalvingIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{f: failing("a 0")}
		s.add("a", 100)
		began := time.Now()
		told := make(chan time.Duration, 1)
		stop := consume(t, s, h, streampoll.Config{MaxAttempts: 7, OnFailure: func(context.Context, streampoll.Failure) error {
			told <- time.Since(began)
			return nil
		}})
		assert.Equal(t, time.Second, <-told)
		assert.Equal(t, []int{100, 50, 25, 12, 6, 3, 1}, h.sizes()[:7])
		stop()
	})
}

func TestAFailureThatCannotBeToldIsNotPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{f: failing("a 0")}
		want := s.add("a", 5)
		var calls atomic.Int64
		var errs faults
		stop := consume(t, s, h, streampoll.Config{MaxAttempts: 1, OnError: errs.add, OnFailure: func(context.Context, streampoll.Failure) error {
			switch calls.Add(1) {
			case 1:
				return errors.New("nowhere to put it")
			case 2:
				panic("nor here")
			case 3:
				runtime.Goexit()
			}
			return nil
		}})
		time.Sleep(10 * time.Minute)
		out := stop()
		assert.Equal(t, want[1:], h.settled())
		assert.EqualValues(t, 4, calls.Load())
		assert.EqualValues(t, 1, out.stats.Passed)
		text := fmt.Sprint(errs.all())
		assert.Contains(t, text, "nowhere to put it")
		assert.NotContains(t, text, "nor here", "what panics with it may hold payload")
	})
}

func TestWhatWasPassedOverDoesNotComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{f: failing("a 2")}
		s.add("a", 3)
		c, err := streampoll.New(s, arn, h, streampoll.Config{MaxAttempts: 2, OnFailure: func(context.Context, streampoll.Failure) error { return nil }})
		require.NoError(t, err)
		for _, want := range []streampoll.Stats{{Received: 3, Settled: 2, Passed: 1, Failed: 4, Shards: 1}, {Shards: 1}} {
			stop := start(t, c)
			time.Sleep(time.Minute)
			assert.Equal(t, want, stop().stats)
		}
	})
}

// Attempts are those of one change: that those before it failed does not count.
func TestAttemptsAreCountedForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		var alone atomic.Int64
		h := &handler{f: func(_ context.Context, batch []change) (int, error) {
			if len(batch) == 1 && alone.Add(1) == 1 {
				return 0, errors.New("once")
			}
			return 1, nil
		}}
		want := s.add("a", 10)
		stop := consume(t, s, h, streampoll.Config{MaxAttempts: 3, OnFailure: func(context.Context, streampoll.Failure) error { return nil }})
		time.Sleep(10 * time.Minute)
		out := stop()
		assert.Equal(t, want, h.settled())
		assert.Zero(t, out.stats.Passed)
		assert.EqualValues(t, 10, out.stats.Failed)
	})
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{f: failing("a 1")}
		want := s.add("a", 3)
		time.Sleep(5 * time.Minute)
		began := time.Now()
		var passed atomic.Int64 // when, in seconds
		stop := consume(t, s, h, streampoll.Config{MaxAge: time.Hour, OnFailure: func(_ context.Context, f streampoll.Failure) error {
			assert.Greater(t, f.Age, time.Hour)
			passed.Store(int64(time.Since(began).Seconds()))
			return nil
		}})
		time.Sleep(3 * time.Hour)
		stop()
		assert.Equal(t, []string{want[0], want[2]}, h.settled())
		assert.InDelta(t, 55*60, passed.Load(), 61)
	})
}

// Changes that are old and never failed are not passed over: somebody may have had an
// outage.
func TestWhatIsOldIsTriedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newStream("a"), &handler{}
		want := s.add("a", 3)
		time.Sleep(20 * time.Hour)
		stop := consume(t, s, h, streampoll.Config{MaxAge: time.Minute, OnFailure: func(context.Context, streampoll.Failure) error { return nil }})
		time.Sleep(time.Minute)
		stop()
		assert.Equal(t, want, h.settled())
	})
}

// A handler that is stopped may say so by its answer: that is no attempt, and nothing is
// passed over for it.
func TestDefectAnAnswerOfAHandlerThatWasStoppedWasAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		s.add("a", 1)
		h := &handler{f: func(ctx context.Context, _ []change) (int, error) {
			<-ctx.Done()
			return 0, nil
		}}
		var errs faults
		stop := consume(t, s, h, streampoll.Config{
			OnError: errs.add, MaxAttempts: 1, MaxAge: time.Nanosecond,
			OnFailure: func(context.Context, streampoll.Failure) error {
				assert.Fail(t, "it was not tried")
				return nil
			},
		})
		time.Sleep(time.Minute)
		stats := stop().stats
		assert.EqualValues(t, 1, stats.Returned)
		assert.Zero(t, stats.Failed)
		assert.Empty(t, errs.all())
	})
}

// A destination that is away costs no attempts, and halves no batches.
func TestAnOutageIsNobodysAttempt(t *testing.T) {
	for size, mark := range map[int]func(error) error{100: fault.Interrupted, 50: fault.Fatal, 1: fault.Interrupted} {
		synctest.Test(t, func(t *testing.T) {
			s := newStream("a")
			began := time.Now()
			h := &handler{f: func(_ context.Context, batch []change) (int, error) {
				if time.Since(began) < time.Hour {
					return 0, mark(errors.New("the queue is away"))
				}
				return len(batch), nil
			}}
			want := s.add("a", 100)
			stop := consume(t, s, h, streampoll.Config{BatchSize: size, MaxAttempts: 1, MaxAge: time.Second, OnFailure: func(context.Context, streampoll.Failure) error {
				t.Error("it must not be passed over")
				return nil
			}})
			time.Sleep(2 * time.Hour)
			out := stop()
			assert.Equal(t, want, h.settled())
			assert.Equal(t, size, slices.Min(h.sizes()))
			assert.Greater(t, out.stats.Failed, int64(50))
		})
	}
}

func TestAHandlerThatPanicsOrEndsItsGoroutineHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		var calls atomic.Int64
		h := &handler{f: func(_ context.Context, batch []change) (int, error) {
			switch calls.Add(1) {
			case 1:
				panic("secret " + batch[0].Name)
			case 2:
				_ = batch[len(batch)]
			case 3:
				panic(nil)
			case 4:
				runtime.Goexit()
			case 5: // an error that cannot be asked for what it wraps
				var none *net.OpError
				return 0, none
			}
			return len(batch), nil
		}}
		want := s.add("a", 1)
		var errs faults
		stop := consume(t, s, h, streampoll.Config{OnError: errs.add})
		time.Sleep(time.Minute)
		out := stop()
		assert.Equal(t, want, of(h.settled(), "a"))
		assert.EqualValues(t, 5, out.stats.Failed)
		text := fmt.Sprint(errs.all())
		assert.NotContains(t, text, "secret")
		assert.Contains(t, text, "index out of range")
		assert.Contains(t, text, "ended its goroutine")
	})
}

func TestOnBatchIsToldOfEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		var calls atomic.Int64
		h := &handler{f: func(_ context.Context, batch []change) (int, error) {
			time.Sleep(2 * time.Second)
			if calls.Add(1) == 1 {
				return 3, nil
			}
			return len(batch), nil
		}}
		s.add("a", 10)
		time.Sleep(time.Minute)
		var mu sync.Mutex
		var got []streampoll.Batch
		stop := consume(t, s, h, streampoll.Config{OnBatch: func(b streampoll.Batch) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, b)
		}})
		time.Sleep(time.Minute)
		stop()
		require.Len(t, got, 2)
		require.Error(t, got[0].Err)
		got[0].Err = nil
		seq := func(n int) string { return fmt.Sprintf("1%020d", n) }
		assert.Equal(t, []streampoll.Batch{
			{Shard: "a", First: seq(1), Last: seq(10), Changes: 10, Settled: 3, Took: 2 * time.Second, Age: time.Minute},
			{Shard: "a", First: seq(4), Last: seq(10), Changes: 7, Settled: 7, Took: 2 * time.Second, Age: time.Minute + 3*time.Second},
		}, got)
	})
}

// The clocks of DynamoDB and of this machine differ: what was made later is not old.
func TestAChangeOfTheFutureHasNoAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("a")
		s.add("a", 1)
		later := time.Now().Add(time.Hour)
		s.shards[0].changes[0].Dynamodb.ApproximateCreationDateTime = &later
		ages := make(chan time.Duration, 1)
		stop := consume(t, s, &handler{}, streampoll.Config{OnBatch: func(b streampoll.Batch) { ages <- b.Age }})
		assert.Zero(t, <-ages)
		stop()
	})
}
