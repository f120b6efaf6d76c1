package completion

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// maxBackoff bounds the wait after a callback that failed.
const maxBackoff = 5 * time.Minute

// fire calls back about a set that is closed, unless another observer is at it.
//
// It takes a lease first. Whoever meets another's lease waits for as long as that
// lasts, from then on and by its own clock, and looks again: if it is still the same,
// its holder is dead, and its callback has ended.
func (o *Observer) fire(ctx context.Context, st State, rec Record) (Step, error) {
	holder := rec.Status.Holder
	switch {
	case holder != "" && holder == st.Succeeded:
		return o.note(ctx, st, rec)
	case holder != "" && holder != st.Holder:
		st.Holder = holder
		return Step{State: st, Wait: rec.Status.Lease}, nil
	}
	// Its lease counts from before others can know of it.
	until := time.Now().Add(o.lease)
	to := rec.Status
	to.Holder, to.Lease, to.Attempts = rand.Text(), o.lease, to.Attempts+1
	taken, err := o.store.Swap(ctx, st.Set, Change{rec.Edition, Any, to})
	if err != nil || !taken {
		// Where the answer was lost, of a client that asks again too, it may have
		// been taken: nobody calls under it.
		st.Holder = to.Holder
		return Step{State: st}, err
	}
	rec.Edition, rec.Status = rec.Edition+1, to
	if err := o.call(ctx, until, to.completion(st.Set)); err != nil {
		return o.giveBack(ctx, st, rec, fmt.Errorf("call back: %w", err))
	}
	st.Succeeded = to.Holder
	return o.note(ctx, st, rec)
}

// noteTime bounds how long it may take to note what came of a callback: that is done
// also when the context of the look has ended meanwhile.
const noteTime = 5 * time.Second

// call calls back. The tenth of the lease that it keeps is for a callback to notice
// that its context has ended, and what it keeps of a deadline is for the note.
func (o *Observer) call(ctx context.Context, until time.Time, c Completion) error {
	end := until.Add(-o.lease / 10)
	if deadline, ok := ctx.Deadline(); ok {
		deadline = deadline.Add(-min(noteTime, time.Until(deadline)/4))
		if deadline.Before(end) {
			end = deadline
		}
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	return ask(func() error { return o.complete(ctx, c) })
}

// afterwards swaps the status that a callback was called under. It does not end with
// ctx, but with its deadline.
func (o *Observer) afterwards(ctx context.Context, set Set, c Change) error {
	end := time.Now().Add(noteTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	defer cancel()
	_, err := o.store.Swap(ctx, set, c)
	return err
}

// giveBack ends a lease whose callback has failed.
func (o *Observer) giveBack(ctx context.Context, st State, rec Record, cause error) (Step, error) {
	to := rec.Status
	to.Holder, to.Lease = "", 0
	// Where the lease cannot be given back it is known to be no longer used.
	st.Holder = rec.Status.Holder
	err := o.afterwards(ctx, st.Set, Change{rec.Edition, Any, to})
	return Step{State: st, Wait: backoff(to.Attempts)}, errors.Join(cause, err)
}

// note notes that the callback has succeeded.
func (o *Observer) note(ctx context.Context, st State, rec Record) (Step, error) {
	to := rec.Status
	to.Holder, to.Lease, to.Fired = "", 0, true
	if err := o.afterwards(ctx, st.Set, Change{rec.Edition, Any, to}); err != nil {
		return Step{State: st}, err
	}
	// Noted, or else another observer has taken the lease over: the next look knows.
	// It knows too what was late before it was noted.
	rec, err := o.store.Look(ctx, st.Set)
	if err != nil || !rec.Status.Fired {
		return Step{State: st}, err
	}
	rec, err = o.late.handle(ctx, o.store, st.Set, rec, true)
	switch {
	case err != nil:
		return Step{State: st}, err
	case !rec.Status.Fired: // it was reopened
		return Step{State: State{Set: st.Set}}, nil
	}
	return Step{Over: true, Completion: rec.Status.completion(st.Set), State: st}, nil
}

// backoff is the wait after so many calls that failed.
func backoff(attempts int) time.Duration {
	d := MinDelay
	for range attempts - 1 {
		if d *= 2; d >= maxBackoff {
			return maxBackoff
		}
	}
	return d
}
