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

// watched is an observer of a set with one arrival.
func watched(t *testing.T, store completion.Store, complete func(context.Context, completion.Completion) error) *completion.Observer {
	t.Helper()
	observer, err := completion.New(completion.Config{Store: store, Complete: complete, Policy: completion.Policy{Window: 1}})
	require.NoError(t, err)
	_, err = store.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
	require.NoError(t, err)
	return observer
}

// A panic of a callback is an error of it: it is called again, and nothing is told of the
// value but its type.
func TestCallbackPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		observer := watched(t, memory.New(), func(_ context.Context, c completion.Completion) error {
			switch calls++; calls {
			case 1:
				panic("payload")
			case 2:
				panic(errors.New("payload"))
			case 3:
				var list []int
				_ = list[c.Attempt]
			case 4:
				var nilError *net
				return nilError // its text cannot be asked for
			}
			return nil
		})
		var told []string
		c, err := observer.Watch(t.Context(), set, func(err error) { told = append(told, err.Error()) })
		require.NoError(t, err)
		assert.Equal(t, 5, c.Attempt)
		require.Len(t, told, 4)
		assert.Contains(t, told[0], "call back: panic with a value of type string")
		assert.Contains(t, told[2], "index out of range [3]")
		assert.NotContains(t, fmt.Sprint(told), "payload")
	})
}

// net is an error whose methods panic where it is nil.
type net struct{ text string }

func (n *net) Error() string { return n.text }

// A callback is called until it succeeds, whatever class its errors have, and so is what
// else may fail: only a store that cannot work ends it.
func TestCallbackOfAnyClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		observer := watched(t, memory.New(), func(context.Context, completion.Completion) error {
			if calls++; calls < 4 {
				return fault.Fatal(errDenied)
			}
			return nil
		})
		var told []error
		c, err := observer.Watch(t.Context(), set, func(err error) { told = append(told, err) })
		require.NoError(t, err)
		assert.Equal(t, 4, c.Attempt)
		require.Len(t, told, 3)
		require.ErrorIs(t, told[0], errDenied)
	})
}

var errDenied = errors.New("access denied")

// What else is called of the user's own may panic as well: nothing that was counted is
// lost by it, and it is called again.
func TestOtherCallbacksPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		calls := map[string]int{}
		once := func(name string) {
			if calls[name]++; calls[name] == 1 {
				panic("payload")
			}
		}
		late := completion.LatePolicy{Tell: func(context.Context, completion.Late) error { once("Tell"); return nil }}
		monitor, err := completion.NewMonitor(completion.MonitorConfig{
			Store: store, Late: late, Start: func(context.Context, completion.Set) error { once("Start"); return nil },
		})
		require.NoError(t, err)
		arrive := func(key string) error {
			_, err := monitor.Arrive(t.Context(), set, completion.Object(key, 0))
			return err
		}
		require.ErrorContains(t, arrive("a"), "start an observer: panic with a value of type string")
		require.NoError(t, arrive("a"))
		observer, err := completion.New(completion.Config{
			Store: store, Complete: func(context.Context, completion.Completion) error { return nil },
			Policy: completion.Policy{Window: 1, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
				once("Expect")
				return completion.Expectation{Count: 1}, nil
			}},
		})
		require.NoError(t, err)
		var told []error
		c, err := observer.Watch(t.Context(), set, func(err error) { told = append(told, err) })
		require.NoError(t, err)
		assert.EqualValues(t, 1, c.Count.Objects)
		require.Len(t, told, 1)
		require.ErrorContains(t, told[0], "what is expected: panic with a value of type string")
		require.ErrorContains(t, arrive("b"), "tell of late arrivals: panic with a value of type string")
		require.NoError(t, arrive("b"))
		assert.Equal(t, map[string]int{"Start": 2, "Tell": 2, "Expect": 2}, calls)
	})
}

// An observer that is stopped while it calls back notes what came of that: it is not
// called again if it has succeeded, and at once by another if it has not.
func TestStoppedWhileCallingBack(t *testing.T) {
	for name, result := range map[string]error{"success": nil, "failure": errors.New("stopped")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New()
				calls := 0
				ctx, cancel := context.WithCancel(t.Context())
				observer := watched(t, store, func(context.Context, completion.Completion) error {
					if calls++; calls == 1 {
						cancel()
						return result
					}
					return nil
				})
				_, _ = observer.Watch(ctx, set, nil)
				require.Equal(t, 1, calls)
				start := time.Now()
				c, err := observer.Watch(t.Context(), set, nil)
				require.NoError(t, err)
				if result == nil {
					assert.Equal(t, 1, calls, "it has succeeded")
					assert.Equal(t, 1, c.Attempt)
				} else {
					assert.Equal(t, 2, calls)
				}
				assert.Zero(t, time.Since(start), "no lease is waited for")
			})
		})
	}
}

// A callback that takes until its context ends leaves time before the deadline of the
// look to note what came of it.
func TestDeadlineOfCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		observer := watched(t, memory.New(), func(ctx context.Context, _ completion.Completion) error {
			calls++
			start := time.Now()
			<-ctx.Done()
			assert.Equal(t, 9*time.Second, time.Since(start), "a quarter is kept back")
			return nil // it succeeded all the same
		})
		st := completion.State{Set: set, Unchanged: 0, Last: 1}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		step, err := observer.Look(ctx, st)
		require.NoError(t, err)
		require.NoError(t, ctx.Err())
		assert.True(t, step.Over)
		assert.Equal(t, 1, calls)
	})
}

// An observer that is stopped once it has taken the lease does not call, and takes nothing
// for a success.
func TestStoppedBeforeCallingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		store := &meddled{Store: memory.New()}
		observer := watched(t, store, func(context.Context, completion.Completion) error { calls++; return nil })
		store.before = func(c completion.Change) {
			if c.To.Holder != "" {
				cancel()
				store.before = nil
			}
		}
		store.deaf = true
		_, err := observer.Watch(ctx, set, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, calls)
		c, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.Equal(t, 1, calls)
		assert.Equal(t, 2, c.Attempt)
	})
}

// A store that does not answer when a success is to be noted holds no look up beyond its
// deadline, and not for long where it has none.
func TestNoteThatHangs(t *testing.T) {
	for deadline, want := range map[time.Duration]time.Duration{0: 5 * time.Second, 3 * time.Second: 3 * time.Second, time.Minute: 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := &meddled{Store: memory.New()}
			observer := watched(t, store, func(context.Context, completion.Completion) error { return nil })
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if deadline > 0 {
				ctx, cancel = context.WithTimeout(ctx, deadline)
			}
			defer cancel()
			store.hang = func(c completion.Change) bool { return c.To.Fired }
			st, start := completion.State{Set: set, Last: 1}, time.Now()
			step, err := observer.Look(ctx, st)
			require.Error(t, err)
			assert.Equal(t, want, time.Since(start))
			assert.NotEmpty(t, step.State.Succeeded)
			assert.Equal(t, completion.MinDelay, step.Wait)
		})
	}
}

// Who could not give its lease back, as the store was away, knows that it is used no
// longer, and does not wait for its end.
func TestLeaseNotGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		store := &meddled{Store: memory.New()}
		observer := watched(t, store, func(context.Context, completion.Completion) error {
			if calls++; calls == 1 {
				return errDenied
			}
			return nil
		})
		store.hang = func(c completion.Change) bool { return calls == 1 && c.To.Attempts == 1 }
		start := time.Now()
		_, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, calls)
		assert.Less(t, time.Since(start), time.Minute)
	})
}
