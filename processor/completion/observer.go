package completion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// Config configures an [Observer]. All observers of a set should have the same.
type Config struct {
	// Store is that of the monitor. Required.
	Store Store
	// Complete is called once a set is complete, or given up: it starts the next
	// step. While it fails it is called again, after a time that doubles from 1
	// second up to 5 minutes; a panic is a failure, too. Its context ends before
	// [Config.Lease] does, after which another observer may call, and before the
	// deadline of the look. Required.
	Complete func(context.Context, Completion) error
	// Policy says when a set is complete.
	Policy Policy
	// Late says what becomes of what arrives later. It should be that of the monitor.
	Late LatePolicy
	// Lease is for how long one call of Complete may take. An observer that dies in
	// it is succeeded after that. At least 1 second. Defaults to [DefaultLease].
	Lease time.Duration
}

// DefaultLease is how long a callback may take where [Config] does not say.
const DefaultLease = time.Minute

// Observer looks at sets and calls back when they are complete. It is safe for
// concurrent use, for any number of sets, holds nothing between looks and starts
// nothing.
type Observer struct {
	store    Store
	complete func(context.Context, Completion) error
	policy   Policy
	late     LatePolicy
	lease    time.Duration
}

// New returns an observer, or every mistake in cfg.
func New(cfg Config) (*Observer, error) {
	o := &Observer{cfg.Store, cfg.Complete, cfg.Policy.withDefaults(), cfg.Late, cfg.Lease}
	if o.lease == 0 {
		o.lease = DefaultLease
	}
	errs := []error{o.policy.validate()}
	if o.store == nil {
		errs = append(errs, errors.New("Store: required"))
	}
	if o.complete == nil {
		errs = append(errs, errors.New("Complete: required"))
	}
	if o.lease != bounded(o.lease) {
		errs = append(errs, fmt.Errorf("Lease: %v is not between %v and %v", o.lease, MinDelay, maxDelay))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(fmt.Errorf("configure observer: %w", err))
	}
	return o, nil
}

// State is what one look leaves for the next: a message to oneself. That of the
// first look is just the set: State{Set: set}. A state may be lost, or looked at
// twice: each line of looks decides by what it has seen itself.
type State struct {
	Set Set `json:"set"`
	// Unchanged counts the looks in a row at which Last had not changed.
	Unchanged int `json:"repeated,omitempty"`
	// Last is how much had arrived at the last look: objects and records together.
	Last int64 `json:"last,omitempty"`
	// Holder is whom the last look met calling back. If it is still there a lease
	// later, it is dead.
	Holder string `json:"holder,omitempty"`
	// Succeeded is the token of a callback that has succeeded but could not be noted.
	Succeeded string `json:"succeeded,omitempty"`
}

// Step is what comes of a look.
type Step struct {
	// Over says that nothing is left to do: the callback has succeeded, here or
	// elsewhere, and Completion is what it was told.
	Over       bool
	Completion Completion
	// State is for the next look, and Wait for how long to wait for it, at least:
	// [MinDelay] or more.
	State State
	Wait  time.Duration
}

// tries is how often one look goes back to the store because others changed it.
const tries = 4

// Look looks at a set once, decides, and calls back if it is time to. The step holds
// with an error too, unless that is marked [fault.ClassFatal]: the error is told
// for nothing but to be told, and the next look tries again.
func (o *Observer) Look(ctx context.Context, st State) (Step, error) {
	if err := st.Set.Check(); err != nil {
		return Step{}, fault.Fatal(fmt.Errorf("look: %w", err))
	}
	step, err := o.look(ctx, st)
	step.Wait = bounded(step.Wait)
	if err != nil {
		err = fmt.Errorf("look at %s: %w", st.Set, err)
	}
	return step, err
}

func (o *Observer) look(ctx context.Context, st State) (Step, error) {
	again := Step{State: st, Wait: o.policy.wait(st.Unchanged)}
	for range tries {
		rec, err := o.store.Look(ctx, st.Set)
		if err != nil {
			return again, err
		}
		switch {
		case rec.Status.Fired:
			rec, err := o.late.handle(ctx, o.store, st.Set, rec, true)
			switch {
			case err != nil:
				return again, err
			case rec.Status.Fired:
				return Step{Over: true, Completion: rec.Status.completion(st.Set), State: st}, nil
			}
			// It was reopened, here or elsewhere: what was seen before counts no more.
			st = State{Set: st.Set}
			again.State = st
		case rec.Status.Decision != nil:
			return o.fire(ctx, st, rec)
		case rec.Status.Opened.IsZero():
			// Its age counts from now on.
			to := rec.Status
			to.Opened = time.Now()
			if _, err := o.store.Swap(ctx, st.Set, Change{rec.Edition, Any, to}); err != nil {
				return again, err
			}
		default:
			return o.observe(ctx, st, rec)
		}
	}
	return again, nil // others are quicker, time and again
}

// observe looks at an open set.
func (o *Observer) observe(ctx context.Context, st State, rec Record) (Step, error) {
	switch n := rec.Count.size(); {
	case n == 0, n != st.Last: // a set that was reopened has more than before
		st = State{Set: st.Set, Last: n}
	default:
		st.Unchanged++
	}
	again := Step{State: st, Wait: o.policy.wait(st.Unchanged)}
	d, err := o.decide(ctx, st, rec)
	if d == nil {
		return again, err
	}
	to := rec.Status
	to.Decision = d
	c := Change{Edition: rec.Edition, Arrivals: Any, To: to}
	if d.Reason == Quiet || d.Reason == Expected && d.Expected > 0 {
		c.Arrivals = rec.Count.Arrivals
	}
	closed, swapErr := o.store.Swap(ctx, st.Set, c)
	switch {
	case swapErr != nil:
		return again, errors.Join(err, swapErr)
	case !closed:
		// Something has arrived, or another observer has closed the set.
		again.Wait = MinDelay
		return again, err
	}
	rec.Edition, rec.Status = rec.Edition+1, to
	step, fireErr := o.fire(ctx, st, rec)
	return step, errors.Join(err, fireErr)
}

// decide returns the decision that it is time for, or nil. An error of Expect comes
// with none but that of age.
func (o *Observer) decide(ctx context.Context, st State, rec Record) (*Decision, error) {
	now := time.Now()
	d := Decision{Outcome: Complete, Count: rec.Count, Time: now}
	var (
		short bool // of what is expected
		err   error
		old   = o.policy.MaxAge > 0 && now.Sub(rec.Status.Opened) >= o.policy.MaxAge
	)
	if o.policy.Expect != nil {
		var met bool
		met, short, err = o.compare(ctx, st.Set, &d, old)
		if met {
			d.Reason = Expected
			return &d, nil
		}
	}
	switch {
	case err == nil && !short && st.Unchanged >= o.policy.Window:
		d.Reason = Quiet
		return &d, nil
	case old:
		d.Outcome, d.Reason = Incomplete, Age
		return &d, err
	}
	return nil, err
}

// compare compares what is there with what is expected, and notes the latter in d. A
// manifest is looked up only if it may be met, or exactly is wanted.
func (o *Observer) compare(ctx context.Context, set Set, d *Decision, exactly bool) (met, short bool, err error) {
	var want Expectation
	err = ask(func() (err error) { want, err = o.policy.Expect(ctx, set); return err })
	if err != nil {
		return false, false, fmt.Errorf("what is expected: %w", err)
	}
	d.Expected = want.Count
	if want.Count <= 0 && len(want.Keys) == 0 {
		return false, false, nil
	}
	have := o.policy.Unit.Of(d.Count)
	short, met = have < want.Count, want.Count <= 0 || have == want.Count
	if len(want.Keys) > 0 {
		keys := slices.Compact(slices.Sorted(slices.Values(want.Keys)))
		d.Missing = len(keys) // at most
		keys = slices.DeleteFunc(keys, func(key string) bool { return Object(key, 0).Check() != nil })
		impossible := d.Missing - len(keys)
		if exactly || d.Count.Arrivals >= int64(len(keys)) && impossible == 0 {
			missing, err := o.store.Missing(ctx, set, keys)
			if err != nil {
				return false, true, err
			}
			d.Missing = len(missing) + impossible
		}
		short, met = short || d.Missing > 0, met && d.Missing == 0
	}
	return met, short, nil
}
