package completion_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

// scene is one set with a monitor and an observer, in a bubble.
type scene struct {
	*testing.T
	store    *memory.Store
	monitor  *completion.Monitor
	observer *completion.Observer
	state    completion.State
	fired    []completion.Completion
	late     []completion.Late
	started  int
}

func newScene(t *testing.T, p completion.Policy, reopen bool) *scene {
	t.Helper()
	s := &scene{T: t, store: memory.New(), state: completion.State{Set: set}}
	policy := completion.LatePolicy{
		Tell:   func(_ context.Context, l completion.Late) error { s.late = append(s.late, l); return nil },
		Reopen: reopen,
	}
	var err error
	s.monitor, err = completion.NewMonitor(completion.MonitorConfig{
		Store: s.store, Late: policy,
		Start: func(context.Context, completion.Set) error { s.started++; return nil },
	})
	require.NoError(t, err)
	s.observer, err = completion.New(completion.Config{
		Store: s.store, Policy: p, Late: policy,
		Complete: func(_ context.Context, c completion.Completion) error { s.fired = append(s.fired, c); return nil },
	})
	require.NoError(t, err)
	return s
}

func (s *scene) arrive(keys ...string) {
	s.Helper()
	for _, key := range keys {
		_, err := s.monitor.Arrive(s.Context(), set, completion.Object(key, 10))
		require.NoError(s, err)
	}
}

// looks looks n times, each as late as the last look asked for, and reports whether it
// is over.
func (s *scene) looks(n int) bool {
	s.Helper()
	over := false
	for range n {
		step, err := s.observer.Look(s.Context(), s.state)
		require.NoError(s, err)
		s.state, over = step.State, step.Over
		if !over {
			time.Sleep(step.Wait)
		}
	}
	return over
}

// run runs a test in fake time.
func run(t *testing.T, p completion.Policy, f func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newScene(t, p, false)) })
}

func TestQuiet(t *testing.T) {
	run(t, completion.Policy{Window: 3, Delay: completion.Constant(10 * time.Second)}, func(s *scene) {
		require.False(t, s.looks(100), "nothing has arrived: that is never quiet")
		s.arrive("a", "b", "a")
		require.False(t, s.looks(3))
		s.arrive("c")
		require.False(t, s.looks(3), "the window begins again")
		before := time.Now()
		require.True(t, s.looks(1))
		require.Len(t, s.fired, 1)
		c := s.fired[0]
		assert.Equal(t, completion.Completion{
			Set: set, Attempt: 1,
			Decision: completion.Decision{
				Outcome: completion.Complete, Reason: completion.Quiet, Time: before,
				Count: completion.Count{Arrivals: 3, Objects: 3, Records: 30},
			},
		}, c)
		require.True(t, s.looks(5))
		require.Len(t, s.fired, 1)
		assert.Empty(t, s.late)
	})
}

// Delays are those that the policy says, and never less than a second.
func TestDelays(t *testing.T) {
	for name, c := range map[string]struct {
		policy completion.Policy
		want   []time.Duration
	}{
		"default":     {completion.Policy{}, []time.Duration{30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second}},
		"divided":     {completion.Policy{Window: 4, Delay: completion.Divided(30 * time.Second)}, []time.Duration{30 * time.Second, 30 * time.Second, 15 * time.Second, 10 * time.Second}},
		"to nothing":  {completion.Policy{Window: 3, Delay: completion.Divided(time.Second)}, []time.Duration{time.Second, time.Second, time.Second}},
		"exponential": {completion.Policy{Window: 4, Delay: completion.Exponential(10 * time.Second)}, []time.Duration{10 * time.Second, 3678794412, 1353352833, time.Second}},
		"own":         {completion.Policy{Window: 2, Delay: func(n int) time.Duration { return time.Duration(7*n-3) * time.Second }}, []time.Duration{time.Second, 4 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.policy, func(s *scene) {
				var sum time.Duration
				s.arrive("a")
				for i, want := range c.want {
					step, err := s.observer.Look(s.Context(), s.state)
					require.NoError(t, err)
					assert.Equal(t, want, step.Wait, i)
					s.state, sum = step.State, sum+want
				}
				assert.Equal(t, sum, c.policy.Quiet())
				assert.True(t, s.looks(1))
			})
		})
	}
}

// What is expected decides at once, and quiet does not while there is less.
func TestExpectedCount(t *testing.T) {
	for _, unit := range []completion.Unit{completion.Objects, completion.Records} {
		want := map[completion.Unit]int64{completion.Objects: 3, completion.Records: 30}[unit]
		p := completion.Policy{Window: 2, Unit: unit, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
			return completion.Expectation{Count: want}, nil
		}}
		run(t, p, func(s *scene) {
			s.arrive("a", "b")
			require.False(t, s.looks(50), "a slow producer looks finished")
			s.arrive("c")
			require.True(t, s.looks(1), "at once")
			assert.Equal(t, completion.Expected, s.fired[0].Reason)
			assert.Equal(t, want, s.fired[0].Expected)
		})
	}
}

// Where more comes than was expected, the expectation was wrong: quiet decides.
func TestMoreThanExpected(t *testing.T) {
	p := completion.Policy{Window: 2, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{Count: 2}, nil
	}}
	run(t, p, func(s *scene) {
		s.arrive("a", "b", "c")
		require.False(t, s.looks(2))
		require.True(t, s.looks(1))
		assert.Equal(t, completion.Quiet, s.fired[0].Reason)
		assert.EqualValues(t, 2, s.fired[0].Expected)
		assert.EqualValues(t, 3, s.fired[0].Count.Objects)
	})
}

// Of a manifest each key must have come; that others came too does not matter.
func TestManifest(t *testing.T) {
	known := false
	p := completion.Policy{Window: 4, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		if !known {
			return completion.Expectation{}, nil
		}
		return completion.Expectation{Keys: []string{"a", "b", "c", "b"}}, nil
	}}
	run(t, p, func(s *scene) {
		s.arrive("a", "x", "y", "z")
		require.False(t, s.looks(3))
		known = true
		require.False(t, s.looks(20))
		s.arrive("b")
		require.False(t, s.looks(20))
		s.arrive("c")
		require.True(t, s.looks(1))
		assert.Equal(t, completion.Expected, s.fired[0].Reason)
		assert.Zero(t, s.fired[0].Missing)
	})
}

// A manifest decides at once also where nothing else has come.
func TestExactManifest(t *testing.T) {
	p := completion.Policy{Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{Keys: []string{"b", "a"}}, nil
	}}
	run(t, p, func(s *scene) {
		s.arrive("a", "b")
		require.True(t, s.looks(1))
		assert.Equal(t, completion.Expected, s.fired[0].Reason)
	})
}

// With a count and a manifest both must be met.
func TestManifestAndCount(t *testing.T) {
	p := completion.Policy{Window: 2, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{Count: 3, Keys: []string{"a", "b"}}, nil
	}}
	run(t, p, func(s *scene) {
		s.arrive("a", "b")
		require.False(t, s.looks(20))
		s.arrive("c")
		require.True(t, s.looks(1))
		assert.Equal(t, completion.Expected, s.fired[0].Reason)
	})
	run(t, p, func(s *scene) {
		s.arrive("a", "c", "d")
		require.False(t, s.looks(20))
	})
}

func TestMaxAge(t *testing.T) {
	expect := func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{Count: 5, Keys: []string{"a", "b", "c"}}, nil
	}
	run(t, completion.Policy{MaxAge: 10 * time.Minute, Expect: expect}, func(s *scene) {
		s.arrive("a")
		require.False(t, s.looks(20))
		require.True(t, s.looks(1))
		c := s.fired[0]
		assert.Equal(t, completion.Incomplete, c.Outcome)
		assert.Equal(t, completion.Age, c.Reason)
		assert.Equal(t, []int64{1, 5, 2}, []int64{c.Count.Objects, c.Expected, int64(c.Missing)})
	})
	run(t, completion.Policy{MaxAge: 10 * time.Minute}, func(s *scene) {
		require.True(t, s.looks(21), "nothing has arrived at all")
		assert.Equal(t, completion.Incomplete, s.fired[0].Outcome)
	})
	run(t, completion.Policy{MaxAge: -1}, func(s *scene) { require.False(t, s.looks(10_000)) })
}

// What a policy that says nothing does is documented.
func TestDefaults(t *testing.T) {
	assert.Equal(t, 150*time.Second, completion.Policy{}.Quiet(), "five looks, 30 s apart")
	for after, arrives := range map[time.Duration]bool{150 * time.Second: true, 24 * time.Hour: false} {
		run(t, completion.Policy{}, func(s *scene) {
			if arrives {
				s.arrive("a")
			}
			start := time.Now()
			_, err := s.observer.Watch(s.Context(), set, nil)
			require.NoError(t, err)
			assert.Equal(t, after, time.Since(start))
		})
	}
	assert.Equal(t, time.Minute, completion.DefaultLease)
}

// An expectation that cannot be had holds everything up but the end by age.
func TestExpectFails(t *testing.T) {
	broken := errors.New("no manifest can be read")
	p := completion.Policy{Window: 1, MaxAge: time.Hour, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{}, broken
	}}
	run(t, p, func(s *scene) {
		s.arrive("a")
		for {
			step, err := s.observer.Look(s.Context(), s.state)
			require.ErrorIs(t, err, broken)
			if s.state = step.State; step.Over {
				break
			}
			time.Sleep(step.Wait)
		}
		assert.Equal(t, completion.Incomplete, s.fired[0].Outcome)
	})
}

// What arrives after completion is told of, once.
func TestLate(t *testing.T) {
	run(t, completion.Policy{Window: 1}, func(s *scene) {
		s.arrive("a", "b")
		require.True(t, s.looks(2))
		s.arrive("a") // comes again: not late
		require.Empty(t, s.late)
		s.arrive("c")
		s.arrive("c")
		require.Len(t, s.late, 1)
		l := s.late[0]
		assert.Equal(t, completion.Count{Arrivals: 1, Objects: 1, Records: 10}, l.Added)
		assert.Equal(t, s.fired[0].ID(), l.ID())
		assert.False(t, l.Reopens)
		s.arrive("d")
		require.Len(t, s.late, 2)
		assert.EqualValues(t, 2, s.late[1].Added.Arrivals)
		require.True(t, s.looks(1))
		require.Len(t, s.fired, 1)
		require.Len(t, s.late, 2)
	})
}

// What arrives while the callback runs is late, too: whoever notes the callback's success
// tells of it.
func TestLateWhileCallingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var told []completion.Late
		late := completion.LatePolicy{Tell: func(_ context.Context, l completion.Late) error { told = append(told, l); return nil }}
		monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: store, Late: late})
		require.NoError(t, err)
		observer, err := completion.New(completion.Config{
			Store: store, Late: late,
			Complete: func(ctx context.Context, _ completion.Completion) error {
				_, err := monitor.Arrive(ctx, set, completion.Object("late", 0))
				assert.Empty(t, told, "the completion has not succeeded yet")
				return err
			},
		})
		require.NoError(t, err)
		_, err = monitor.Arrive(t.Context(), set, completion.Object("a", 0))
		require.NoError(t, err)
		c, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.EqualValues(t, 1, c.Count.Objects)
		require.Len(t, told, 1)
	})
}

// A reopened set completes again, with everything in it, and is observed again.
func TestReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, completion.Policy{Window: 2}, true)
		s.arrive("a")
		require.Equal(t, 1, s.started)
		require.True(t, s.looks(3))
		s.arrive("b")
		require.Len(t, s.late, 1)
		assert.True(t, s.late[0].Reopens)
		require.Equal(t, 2, s.started, "who looks is started again")
		s.arrive("c")
		require.Len(t, s.late, 1, "it is open")
		require.Equal(t, 2, s.started)
		require.False(t, s.looks(2), "states of before count no looks")
		require.True(t, s.looks(1))
		require.Len(t, s.fired, 2)
		assert.EqualValues(t, 3, s.fired[1].Count.Objects)
		assert.Equal(t, 1, s.fired[1].Reopened)
		assert.NotEqual(t, s.fired[0].ID(), s.fired[1].ID())
	})
}

// The age of a set that was reopened counts from then on: else one that is reopened a day
// later would be given up at once.
func TestAgeOfAReopenedSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, completion.Policy{Window: 2, MaxAge: time.Hour}, true)
		s.arrive("a")
		require.True(t, s.looks(3))
		time.Sleep(24 * time.Hour)
		s.arrive("b")
		require.True(t, s.looks(3))
		require.Len(t, s.fired, 2)
		assert.Equal(t, completion.Quiet, s.fired[1].Reason)
		assert.Equal(t, completion.Complete, s.fired[1].Outcome)
	})
}

// Watch looks past errors and ends with what was told; a store that cannot work ends it.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New()
		store := &fragile{Store: inner}
		var fired int
		observer, err := completion.New(completion.Config{
			Store:    store,
			Complete: func(context.Context, completion.Completion) error { fired++; return nil },
		})
		require.NoError(t, err)
		_, err = inner.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
		require.NoError(t, err)
		away := time.Now().Add(2 * time.Hour)
		store.err = func() error {
			if time.Now().Before(away) {
				return fault.Interrupted(errors.New("away"))
			}
			return nil
		}
		errs := 0
		c, err := observer.Watch(t.Context(), set, func(error) { errs++ })
		require.NoError(t, err)
		assert.Equal(t, 1, fired)
		assert.Equal(t, completion.Quiet, c.Reason)
		assert.Greater(t, errs, 200)
		assert.GreaterOrEqual(t, c.Time.Sub(away), completion.Policy{}.Quiet(), "no look counts while the store is away")

		c2, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.Equal(t, c.ID(), c2.ID())
		assert.Equal(t, 1, fired)

		store.err = func() error { return fault.Fatal(errors.New("no such table")) }
		_, err = observer.Watch(t.Context(), set, nil)
		assert.Equal(t, fault.ClassFatal, fault.Of(err))
		store.err = func() error { return nil }

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = observer.Watch(ctx, completion.Set{Run: "nothing"}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
	})
}

// Who knows what a set came to tells it, also when the time is up.
func TestWatchThatEndsAsItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		observer := watched(t, store, func(context.Context, completion.Completion) error { return nil })
		want, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		observer, err = completion.New(completion.Config{
			Store:    lastLook{store, cancel},
			Complete: func(context.Context, completion.Completion) error { return nil },
		})
		require.NoError(t, err)
		got, err := observer.Watch(ctx, set, nil)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

// lastLook is a store whose first answer is the last for which there is time.
type lastLook struct {
	completion.Store
	cancel func()
}

func (l lastLook) Look(ctx context.Context, set completion.Set) (completion.Record, error) {
	defer l.cancel()
	return l.Store.Look(ctx, set)
}

// fragile is a store that fails as it is told.
type fragile struct {
	completion.Store
	err func() error
}

func (f *fragile) Look(ctx context.Context, set completion.Set) (completion.Record, error) {
	if err := f.err(); err != nil {
		return completion.Record{}, err
	}
	return f.Store.Look(ctx, set)
}

// The wait after a callback that failed doubles, up to five minutes.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var at []time.Time
		observer, err := completion.New(completion.Config{
			Store: store, Policy: completion.Policy{Window: 1},
			Complete: func(context.Context, completion.Completion) error {
				if at = append(at, time.Now()); len(at) < 13 {
					return errors.New("not now")
				}
				return nil
			},
		})
		require.NoError(t, err)
		_, err = store.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
		require.NoError(t, err)
		c, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.Equal(t, 13, c.Attempt)
		var waits []int
		for i, then := range at[1:] {
			waits = append(waits, int(then.Sub(at[i]).Seconds()))
		}
		assert.Equal(t, []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300}, waits)
	})
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := completion.New(completion.Config{Policy: completion.Policy{Delay: func(n int) time.Duration { return time.Minute / time.Duration(5-n) }}})
	require.ErrorContains(t, err, "Policy.Delay: panic: runtime error: integer divide by zero")
	_, err = completion.New(completion.Config{Lease: 1, Policy: completion.Policy{Window: -1, Unit: "bytes"}})
	for _, text := range []string{"Store: ", "Complete: ", "Lease: ", "Policy.Window: ", "Policy.Unit: "} {
		require.ErrorContains(t, err, text)
	}
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
	_, err = completion.NewMonitor(completion.MonitorConfig{})
	require.ErrorContains(t, err, "Store: ")
}

// What cannot be counted is refused before anything is.
func TestArriveChecks(t *testing.T) {
	run(t, completion.Policy{}, func(s *scene) {
		for name, a := range map[string]completion.Arrival{
			"no key": {Objects: 1}, "objects": completion.Object("a", -1), "records": {Key: "a", Objects: -1},
			"long": completion.Object(fmt.Sprintf("%01025d", 0), 0),
		} {
			n, err := s.monitor.Arrive(s.Context(), set, completion.Object("fine", 0), a)
			assert.Zero(t, n, name)
			assert.Equal(t, fault.ClassCorrupt, fault.Of(err), name)
		}
		_, err := s.monitor.Arrive(s.Context(), completion.Set{}, completion.Object("a", 0))
		require.Error(t, err)
		rec, err := s.store.Look(s.Context(), set)
		require.NoError(t, err)
		assert.Zero(t, rec)
		_, err = s.observer.Look(s.Context(), completion.State{})
		assert.Equal(t, fault.ClassFatal, fault.Of(err))
	})
}

// Stores are handed each key once.
func TestArriveOfTwins(t *testing.T) {
	store := &strict{Store: memory.New(), t: t}
	monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: store})
	require.NoError(t, err)
	n, err := monitor.Arrive(t.Context(), set, completion.Object("a", 1), completion.Object("b", 2), completion.Object("a", 3))
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	rec, err := store.Look(t.Context(), set)
	require.NoError(t, err)
	assert.EqualValues(t, 3, rec.Count.Records, "the first counts")
}

// strict is a store that is never handed a key twice in one call.
type strict struct {
	completion.Store
	t *testing.T
}

func (s *strict) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (int, error) {
	known := map[string]bool{}
	for _, a := range arrivals {
		assert.False(s.t, known[a.Key], a.Key)
		known[a.Key] = true
	}
	return s.Store.Arrive(ctx, set, arrivals)
}

// Where nobody could be started, the event is to come again, and starts somebody then.
func TestStart(t *testing.T) {
	store := memory.New()
	tries := 0
	monitor, err := completion.NewMonitor(completion.MonitorConfig{
		Store: store,
		Start: func(context.Context, completion.Set) error {
			if tries++; tries == 1 {
				return errors.New("the queue is away")
			}
			return nil
		},
	})
	require.NoError(t, err)
	_, err = monitor.Arrive(t.Context(), set, completion.Object("a", 0))
	require.ErrorContains(t, err, "the queue is away")
	for range 3 {
		_, err = monitor.Arrive(t.Context(), set, completion.Object("a", 0))
		require.NoError(t, err)
	}
	assert.Equal(t, 2, tries)
}
