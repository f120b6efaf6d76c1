package completion_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

// Where it could not be noted that somebody was told, the event is to come again, and
// tells once more.
func TestToldIsNotNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		store := &meddled{Store: memory.New()}
		late := completion.LatePolicy{Tell: func(context.Context, completion.Late) error { told++; return nil }}
		observer := watched(t, store, func(context.Context, completion.Completion) error { return nil })
		_, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: store, Late: late})
		require.NoError(t, err)
		store.hang = func(c completion.Change) bool { return c.To.Told > 0 }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = monitor.Arrive(ctx, set, completion.Object("late", 0))
		require.Error(t, err)
		store.hang = nil
		for range 2 {
			_, err = monitor.Arrive(t.Context(), set, completion.Object("late", 0))
			require.NoError(t, err)
		}
		assert.Equal(t, 2, told)
	})
}

// What arrives between the look and the decision makes more than was expected: then the
// expectation was wrong, and quiet decides.
func TestMoreThanExpectedAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meddled{Store: memory.New()}
		observer, err := completion.New(completion.Config{
			Store: store, Complete: func(context.Context, completion.Completion) error { return nil },
			Policy: completion.Policy{Window: 2, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
				return completion.Expectation{Count: 1}, nil
			}},
		})
		require.NoError(t, err)
		arrive := func(key string) {
			_, err := store.Arrive(t.Context(), set, []completion.Arrival{completion.Object(key, 0)})
			require.NoError(t, err)
		}
		arrive("a")
		store.before = func(c completion.Change) {
			if c.To.Decision != nil {
				arrive("b")
				store.before = nil
			}
		}
		c, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.Equal(t, completion.Quiet, c.Reason)
		assert.EqualValues(t, 2, c.Count.Objects)
	})
}

// A monitor that can do nothing but reopen does so, and nobody is started for a set that
// is closed.
func TestMonitorOfAClosedSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		observer := watched(t, store, func(context.Context, completion.Completion) error { return nil })
		_, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		started := 0
		starts, err := completion.NewMonitor(completion.MonitorConfig{
			Store: store, Start: func(context.Context, completion.Set) error { started++; return nil },
		})
		require.NoError(t, err)
		_, err = starts.Arrive(t.Context(), set, completion.Object("late", 0))
		require.NoError(t, err)
		assert.Zero(t, started)
		reopens, err := completion.NewMonitor(completion.MonitorConfig{Store: store, Late: completion.LatePolicy{Reopen: true}})
		require.NoError(t, err)
		_, err = reopens.Arrive(t.Context(), set, completion.Object("late", 0)) // again
		require.NoError(t, err)
		rec, err := store.Look(t.Context(), set)
		require.NoError(t, err)
		assert.Equal(t, 1, rec.Status.Reopened)
		assert.Nil(t, rec.Status.Decision)
	})
}

// That somebody was started is noted also where an observer looked at the set meanwhile.
func TestStartIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meddled{Store: memory.New()}
		started := 0
		monitor, err := completion.NewMonitor(completion.MonitorConfig{
			Store: store, Start: func(context.Context, completion.Set) error { started++; return nil },
		})
		require.NoError(t, err)
		store.before = func(c completion.Change) {
			store.before = nil
			opened := completion.Change{Arrivals: completion.Any, To: completion.Status{Opened: time.Now()}}
			_, err := store.Store.Swap(t.Context(), set, opened)
			require.NoError(t, err)
		}
		for _, key := range []string{"a", "b"} {
			_, err = monitor.Arrive(t.Context(), set, completion.Object(key, 0))
			require.NoError(t, err)
		}
		assert.Equal(t, 1, started)
		rec, err := store.Look(t.Context(), set)
		require.NoError(t, err)
		assert.True(t, rec.Status.Started)
		assert.False(t, rec.Status.Opened.IsZero())
	})
}

// Where something arrives all the time, a manifest that is met and the age of a set still
// close it.
func TestWhatKeepsArriving(t *testing.T) {
	for reason, policy := range map[completion.Reason]completion.Policy{
		completion.Age: {MaxAge: time.Minute},
		completion.Expected: {MaxAge: -1, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
			return completion.Expectation{Keys: []string{"a", "1"}}, nil
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &meddled{Store: memory.New()}
			observer, err := completion.New(completion.Config{
				Store: store, Policy: policy, Complete: func(context.Context, completion.Completion) error { return nil },
			})
			require.NoError(t, err)
			n := 0
			arrive := func(key string) {
				_, err := store.Arrive(t.Context(), set, []completion.Arrival{completion.Object(key, 0)})
				require.NoError(t, err)
			}
			arrive("a")
			store.before = func(completion.Change) { n++; arrive(strconv.Itoa(n)) }
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			c, err := observer.Watch(ctx, set, nil)
			require.NoError(t, err)
			assert.Equal(t, reason, c.Reason)
		})
	}
}

// An observer that reopens a set itself goes on with it: nobody else is started.
func TestReopenedByTheObserver(t *testing.T) {
	for _, when := range []string{"when it notes its callback", "when it looks again"} {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New()
			started, calls := 0, 0
			late := completion.LatePolicy{Reopen: true}
			monitor, err := completion.NewMonitor(completion.MonitorConfig{
				Store: store, Late: late, Start: func(context.Context, completion.Set) error { started++; return nil },
			})
			require.NoError(t, err)
			unnoticed := func(key string) { // by a monitor that died right after it counted
				_, err := store.Arrive(t.Context(), set, []completion.Arrival{completion.Object(key, 0)})
				require.NoError(t, err)
			}
			observer, err := completion.New(completion.Config{
				Store: store, Late: late, Policy: completion.Policy{Window: 1, Delay: completion.Constant(time.Minute)},
				Complete: func(context.Context, completion.Completion) error {
					if calls++; calls == 1 && when == "when it notes its callback" {
						unnoticed("late")
					}
					return nil
				},
			})
			require.NoError(t, err)
			_, err = monitor.Arrive(t.Context(), set, completion.Object("a", 0))
			require.NoError(t, err)
			go func() {
				time.Sleep(90 * time.Second)
				_, err := monitor.Arrive(t.Context(), set, completion.Object("b", 0))
				assert.NoError(t, err)
			}()
			if when == "when it looks again" {
				_, err = observer.Watch(t.Context(), set, nil)
				require.NoError(t, err)
				unnoticed("late")
			}
			_, err = observer.Watch(t.Context(), set, nil)
			require.NoError(t, err)
			assert.Equal(t, 2, calls, when)
			assert.Equal(t, 1, started, when)
		})
	}
}

// Who is told of what is late is told when.
func TestLateIsDated(t *testing.T) {
	run(t, completion.Policy{Window: 1}, func(s *scene) {
		s.arrive("a")
		require.True(t, s.looks(2))
		time.Sleep(time.Hour)
		s.arrive("b")
		require.Len(t, s.late, 1)
		assert.Equal(t, time.Now(), s.late[0].Told)
		assert.Equal(t, time.Hour, s.late[0].Told.Sub(s.late[0].Time))
	})
}

// meddled is a store in whose swaps others meddle.
type meddled struct {
	completion.Store
	before func(completion.Change)      // is called before each
	hang   func(completion.Change) bool // says which get no answer
	deaf   bool                         // has them take effect whatever becomes of their context
}

func (m *meddled) Swap(ctx context.Context, set completion.Set, c completion.Change) (bool, error) {
	if m.hang != nil && m.hang(c) {
		<-ctx.Done()
		return false, fault.Interrupted(ctx.Err())
	}
	if m.before != nil {
		m.before(c)
	}
	if m.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	return m.Store.Swap(ctx, set, c)
}

// reopens reports whether a change opens a set that was closed.
func reopens(c completion.Change) bool { return c.To.Reopened > 0 && c.To.Decision == nil }

// An observer that wants to reopen a set which another process reopens first goes on to
// observe it: it completes once more, and nothing is over before that.
func TestReopenedByAnother(t *testing.T) {
	for _, name := range []string{"when it looks again", "when it notes its callback"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := memory.New()
				store := &meddled{Store: inner}
				late := completion.LatePolicy{Reopen: true}
				other, err := completion.NewMonitor(completion.MonitorConfig{Store: inner, Late: late})
				require.NoError(t, err)
				arrive := func(key string) {
					_, err := inner.Arrive(t.Context(), set, []completion.Arrival{completion.Object(key, 0)})
					require.NoError(t, err)
				}
				var fired []completion.Completion
				observer, err := completion.New(completion.Config{
					Store: store, Late: late, Policy: completion.Policy{Window: 1},
					Complete: func(_ context.Context, c completion.Completion) error {
						if fired = append(fired, c); len(fired) == 1 && name == "when it notes its callback" {
							arrive("late")
						}
						return nil
					},
				})
				require.NoError(t, err)
				store.before = func(c completion.Change) {
					if reopens(c) {
						store.before = nil
						_, err := other.Arrive(t.Context(), set, completion.Object("late", 0))
						require.NoError(t, err)
					}
				}
				arrive("a")
				_, err = observer.Watch(t.Context(), set, nil)
				require.NoError(t, err)
				if name == "when it looks again" {
					arrive("late")
					_, err = observer.Watch(t.Context(), set, nil)
					require.NoError(t, err)
				}
				require.Len(t, fired, 2)
				assert.Equal(t, 1, fired[1].Reopened)
				assert.EqualValues(t, 2, fired[1].Count.Objects)
			})
		})
	}
}
