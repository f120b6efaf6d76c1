package completion_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

// A loader that is run by a schedule sends a summary each time, mostly that there was
// nothing to do: such summaries are no arrivals that a set could be complete with, do not
// keep it from being quiet, and are not late.
func TestSummariesOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, completion.Policy{Window: 3}, true)
		idle := func(key string) {
			a, err := completion.Summary(key, []byte(`{"Status":"ok"}`))
			require.NoError(t, err)
			_, err = s.monitor.Arrive(t.Context(), set, a)
			require.NoError(t, err)
		}
		idle("run 1")
		require.Zero(t, s.started, "nobody waits a day to tell that there is nothing")
		require.False(t, s.looks(20), "there is nothing in it")
		s.arrive("a")
		require.Equal(t, 1, s.started)
		for _, key := range []string{"run 2", "run 3", "run 4"} {
			require.False(t, s.looks(1))
			idle(key)
		}
		require.True(t, s.looks(1))
		require.Len(t, s.fired, 1)
		assert.EqualValues(t, 1, s.fired[0].Count.Objects)
		idle("run 5")
		require.True(t, s.looks(5))
		assert.Empty(t, s.late)
		require.Len(t, s.fired, 1, "it is not reopened")
	})
}

// A set that was given up says exactly how much of the manifest is missing, also while
// less has arrived than the manifest lists.
func TestMissingIsExact(t *testing.T) {
	p := completion.Policy{MaxAge: 10 * time.Minute, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{Keys: []string{"a", "b", "c", "d", "d"}}, nil
	}}
	run(t, p, func(s *scene) {
		s.arrive("a", "b")
		require.True(t, s.looks(21))
		assert.Equal(t, completion.Incomplete, s.fired[0].Outcome)
		assert.Equal(t, 2, s.fired[0].Missing)
	})
}

// A manifest may list what cannot arrive at all: it is missing, and no store is asked for
// it.
func TestManifestOfTheImpossible(t *testing.T) {
	long := strings.Repeat("k", completion.MaxKeyBytes+1)
	p := completion.Policy{Window: 1, MaxAge: time.Hour, Expect: func(context.Context, completion.Set) (completion.Expectation, error) {
		return completion.Expectation{Keys: []string{"a", "", long}}, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		store := &asked{Store: memory.New()}
		observer, err := completion.New(completion.Config{
			Store: store, Policy: p, Complete: func(context.Context, completion.Completion) error { return nil },
		})
		require.NoError(t, err)
		_, err = store.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0), completion.Object("b", 0), completion.Object("c", 0)})
		require.NoError(t, err)
		c, err := observer.Watch(t.Context(), set, func(err error) { assert.NoError(t, err) })
		require.NoError(t, err)
		assert.Equal(t, completion.Incomplete, c.Outcome)
		assert.Equal(t, 2, c.Missing)
		assert.Equal(t, []string{"a"}, store.keys, "once, when it was given up")
	})
}

// asked notes the keys that a store is asked for.
type asked struct {
	completion.Store
	keys []string
}

func (a *asked) Missing(ctx context.Context, set completion.Set, keys []string) ([]string, error) {
	a.keys = append(a.keys, keys...)
	return a.Store.Missing(ctx, set, keys)
}

// The answer that a lease was taken may be lost, and the client have asked again: the
// store then says that it was not. Nobody calls under it, so nobody waits for it.
func TestLeaseTakenUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &forgetful{Store: memory.New()}
		calls := 0
		observer := watched(t, store, func(context.Context, completion.Completion) error { calls++; return nil })
		start := time.Now()
		_, err := observer.Watch(t.Context(), set, nil)
		require.NoError(t, err)
		assert.Equal(t, 1, calls)
		assert.Less(t, time.Since(start), completion.DefaultLease)
	})
}

// forgetful is a store that says once of each kind of swap that it did not hold, where it
// did.
type forgetful struct {
	completion.Store
	opened, closed, taken, fired bool
}

func (f *forgetful) Swap(ctx context.Context, set completion.Set, c completion.Change) (bool, error) {
	ok, err := f.Store.Swap(ctx, set, c)
	kind := &f.opened
	switch {
	case c.To.Fired:
		kind = &f.fired
	case c.To.Holder != "":
		kind = &f.taken
	case c.To.Decision != nil:
		kind = &f.closed
	}
	if ok && err == nil && !*kind {
		*kind = true
		return false, nil
	}
	return ok, err
}

// Names that messages cannot carry are refused, before something is counted under them.
func TestNamesThatMessagesCannotCarry(t *testing.T) {
	run(t, completion.Policy{}, func(s *scene) {
		for _, bad := range []completion.Set{{Bucket: "b\xff"}, {Prefix: "\xc3"}, {Run: "a\xed\xa0\x80"}} {
			require.ErrorContains(t, bad.Check(), "UTF-8")
			_, err := s.monitor.Arrive(s.Context(), bad, completion.Object("a", 0))
			assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
		}
	})
}

// What could not be counted exactly is refused, as are names that no store holds.
func TestTooLarge(t *testing.T) {
	require.NoError(t, completion.Object(strings.Repeat("k", completion.MaxKeyBytes), 0).Check())
	require.NoError(t, completion.Set{Prefix: strings.Repeat("p", completion.MaxSetBytes-2)}.Check())
	require.Error(t, completion.Set{Prefix: strings.Repeat("p", completion.MaxSetBytes-1)}.Check())
	require.NoError(t, completion.Arrival{Key: "a", Objects: completion.MaxCount, Records: completion.MaxCount}.Check())
	require.Error(t, completion.Arrival{Key: "a", Objects: completion.MaxCount + 1}.Check())
	require.Error(t, completion.Arrival{Key: "a", Records: completion.MaxCount + 1}.Check())
}

// However long a delay is said to be, it is a wait: no overflow makes one short.
func TestEndlessDelays(t *testing.T) {
	for name, delay := range map[string]completion.Delay{
		"constant": completion.Constant(1<<63 - 1), "exponential": completion.Exponential(1<<63 - 1), "divided": completion.Divided(1<<63 - 1),
	} {
		run(t, completion.Policy{Window: 4, Delay: delay}, func(s *scene) {
			s.arrive("a")
			step, err := s.observer.Look(s.Context(), s.state)
			require.NoError(t, err)
			assert.Greater(t, step.Wait, 24*time.Hour, name)
			assert.Greater(t, completion.Policy{Window: 4, Delay: delay}.Quiet(), 24*time.Hour, name)
			assert.Positive(t, completion.Policy{Window: 1000, Delay: delay}.Quiet(), name)
		})
	}
}

// A status that no observer can have written is an error, and no panic.
func TestStatusOfNobody(t *testing.T) {
	_, err := completion.DecodeStatus(`{"fired":true}`)
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
	_, err = completion.DecodeStatus(`[`)
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
}
