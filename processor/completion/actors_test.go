package completion_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

var (
	errDead = errors.New("this observer has died")
	errAway = fault.Interrupted(errors.New("the store is away"))
)

// world is a set that several actors work on at the same time, one step at a time in an
// order that a seed decides.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	store  *memory.Store
	actors []*actor

	crashes int           // that may still happen
	trouble float64       // share of calls of the store that fail, half of them in effect
	failing int           // calls of the callback that fail
	longest time.Duration // that a call of the callback takes

	calls   []completion.Completion
	happy   int // calls that succeeded
	calling *actor
	died    int
}

// actor is one line of looks: an observer that dies is succeeded by another, to which
// its message comes again.
type actor struct {
	world *world
	step  func() (time.Duration, bool) // until it has a step to make again
	stop  func()
	yield func(time.Duration) bool
	begun bool
	dead  bool
	due   time.Time
}

// begin adds an actor that does f from now on.
func (w *world) begin(f func(a *actor)) {
	a := &actor{world: w, due: time.Now()}
	a.step, a.stop = iter.Pull(func(yield func(time.Duration) bool) {
		a.yield = yield
		f(a)
	})
	w.actors = append(w.actors, a)
}

// wait lets others make steps, for a time at least, and reports whether the actor lives.
func (a *actor) wait(d time.Duration) bool {
	if !a.dead && !a.yield(d) {
		a.dead = true
	}
	return !a.dead
}

// call is one call of the store, before and after which others may act, or the actor
// die.
func (a *actor) call(f func() error) error {
	w := a.world
	if !a.wait(upTo(w.rng, 100*time.Millisecond)) {
		return errDead
	}
	bad := w.rng.Float64() < w.trouble
	if bad && w.rng.IntN(2) == 0 {
		return errAway
	}
	err := f()
	if !a.wait(upTo(w.rng, 100*time.Millisecond)) {
		return errDead
	}
	if bad {
		return errAway
	}
	return err
}

func (a *actor) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (n int, err error) {
	err = a.call(func() (err error) { n, err = a.world.store.Arrive(ctx, set, arrivals); return err })
	return n, err
}

func (a *actor) Look(ctx context.Context, set completion.Set) (rec completion.Record, err error) {
	err = a.call(func() (err error) { rec, err = a.world.store.Look(ctx, set); return err })
	return rec, err
}

func (a *actor) Swap(ctx context.Context, set completion.Set, c completion.Change) (ok bool, err error) {
	err = a.call(func() (err error) {
		rec, err := a.world.store.Look(ctx, set)
		require.NoError(a.world.t, err)
		ok, err = a.world.store.Swap(ctx, set, c)
		if d := c.To.Decision; ok && d != nil && rec.Status.Decision == nil && d.Reason == completion.Quiet {
			require.Equal(a.world.t, rec.Count, d.Count, "closed with what was counted at that moment")
		}
		return err
	})
	return ok, err
}

func (a *actor) Missing(ctx context.Context, set completion.Set, keys []string) (missing []string, err error) {
	err = a.call(func() (err error) { missing, err = a.world.store.Missing(ctx, set, keys); return err })
	return missing, err
}

const testLease = 30 * time.Second

// look makes an actor look at the set until that is over.
func (a *actor) look(st completion.State) {
	w := a.world
	observer, err := completion.New(completion.Config{
		Store: a, Policy: completion.Policy{Window: 2, Delay: completion.Constant(5 * time.Second)},
		Complete: a.complete, Lease: testLease,
	})
	require.NoError(w.t, err)
	for {
		step, err := observer.Look(w.t.Context(), st)
		if a.dead {
			if w.calling == a {
				w.calling = nil // a callback dies with its process
			}
			w.died++
			w.send(st, 30*time.Second) // its message comes again, to another
			return
		}
		if err != nil {
			require.ErrorIs(w.t, err, errAway)
		}
		if st = step.State; step.Over {
			return
		}
		if !a.wait(step.Wait) {
			w.send(st, step.Wait) // a message is lost with nobody
			return
		}
	}
}

// send has somebody look from a state on, after a delay.
func (w *world) send(st completion.State, delay time.Duration) {
	w.begin(func(a *actor) {
		if !a.wait(delay) {
			w.send(st, delay)
			return
		}
		a.look(st)
	})
}

// complete is the callback: it takes its time, and obeys its context.
func (a *actor) complete(ctx context.Context, c completion.Completion) error {
	w := a.world
	require.Nil(w.t, w.calling, "two callbacks at once")
	w.calling = a
	w.calls = append(w.calls, c)
	deadline, ok := ctx.Deadline()
	require.True(w.t, ok)
	takes := upTo(w.rng, w.longest)
	if left := time.Until(deadline); takes > left {
		a.wait(left)
		if !a.dead {
			w.calling = nil
		}
		return errAway
	}
	if !a.wait(takes) {
		return errDead
	}
	w.calling = nil
	if w.failing > 0 {
		w.failing--
		return errAway
	}
	w.happy++
	return nil
}

// run lets actors act until none is left.
func (w *world) run() {
	for n := 0; len(w.actors) > 0; n++ {
		require.Less(w.t, n, 20_000, "it does not end")
		var ready []int
		first := w.actors[0].due
		for i, a := range w.actors {
			if a.due.Before(first) {
				first = a.due
			}
			if !a.due.After(time.Now()) {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			time.Sleep(time.Until(first))
			continue
		}
		i := ready[w.rng.IntN(len(ready))]
		a := w.actors[i]
		if w.crashes > 0 && a.begun && w.rng.IntN(30) == 0 {
			w.crashes--
			a.stop()
			w.actors = append(w.actors[:i:i], w.actors[i+1:]...)
			continue
		}
		a.begun = true
		d, more := a.step()
		if a.due = time.Now().Add(d); !more {
			w.actors = append(w.actors[:i:i], w.actors[i+1:]...)
		}
	}
}

// race has two observers look at a set into which things still come.
func race(t *testing.T, seed uint64, change func(*world)) *world {
	t.Helper()
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), store: memory.New(), longest: 40 * time.Second}
	change(w)
	arrive := func(key string) {
		_, err := w.store.Arrive(t.Context(), set, []completion.Arrival{completion.Object(key, 0)})
		require.NoError(t, err)
	}
	arrive("first")
	for range 2 {
		w.send(completion.State{Set: set}, upTo(w.rng, 3*time.Second))
	}
	w.begin(func(a *actor) {
		for i := range 5 {
			a.wait(upTo(w.rng, 25*time.Second)) // some fall between a look and its decision
			arrive(fmt.Sprint(i))
		}
	})
	w.run()
	rec, err := w.store.Look(t.Context(), set)
	require.NoError(t, err)
	require.True(t, rec.Status.Fired, "seed %d: it has fired", seed)
	require.Positive(t, w.happy)
	for _, c := range w.calls {
		require.Equal(t, w.calls[0].ID(), c.ID(), "seed %d: all calls are about one completion", seed)
		require.Equal(t, w.calls[0].Decision, c.Decision, "seed %d", seed)
	}
	return w
}

const races = 1500

// Two observers race, step by step: one fires, once.
func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(some(races)) {
			w := race(t, seed, func(*world) {})
			require.Equal(t, 1, w.happy, "seed %d", seed)
		}
	})
}

// Observers that die between any two steps are succeeded: it fires, calls never overlap,
// and it fires again at most once for each that died.
func TestRaceWithCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		died, again := 0, 0
		for seed := range uint64(some(races)) {
			w := race(t, seed, func(w *world) { w.crashes = 3 })
			require.LessOrEqual(t, w.happy, 1+w.died, "seed %d", seed)
			died, again = died+w.died, again+w.happy-1
		}
		require.Greater(t, died, some(races))
		require.Positive(t, again, "no crash fell between the call and its note")
	})
}

// A callback is called until it succeeds, by one at a time, and no more then.
func TestRaceWithFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(some(races / 3)) {
			w := race(t, seed, func(w *world) { w.failing = 3 })
			require.Equal(t, 1, w.happy, "seed %d", seed)
			require.GreaterOrEqual(t, len(w.calls), 4)
			for i, c := range w.calls {
				require.Equal(t, i+1, c.Attempt, "seed %d", seed)
			}
		}
	})
}

// While calls of the store fail, in effect or not, nothing is decided wrongly, and what
// has succeeded is not called again if it can be noted within the lease: a line of looks
// remembers it until then.
func TestRaceWithOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(some(races / 3)) {
			w := race(t, seed, func(w *world) { w.trouble, w.longest = 0.3, testLease/3 })
			require.Equal(t, 1, w.happy, "seed %d", seed)
		}
	})
}
