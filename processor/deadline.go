package processor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// times are the margins of a run, computed once from the real deadline.
type times struct {
	deadline  time.Time     // zero: none
	reduction time.Duration // the drain
}

// defaultDrain is the drain after a cancellation where there is no deadline.
const defaultDrain = 5 * time.Second

// times computes the margins of a run that starts now.
func (c *Config) times(ctx context.Context, now time.Time) times {
	t := times{reduction: c.DeadlineReduction}
	if d, ok := ctx.Deadline(); ok {
		t.deadline = d
	} else if c.MaxExecTime > 0 {
		t.deadline = now.Add(c.MaxExecTime)
	}
	if t.deadline.IsZero() {
		if t.reduction == 0 {
			t.reduction = defaultDrain
		}
		return t
	}
	left := t.deadline.Sub(now)
	if t.reduction == 0 {
		t.reduction = min(max(left/100, time.Second), left/4)
	}
	t.reduction = max(0, min(t.reduction, left))
	return t
}

// The shares of the drain, in percent of it, that are over when user code is
// abandoned, when no sending or writing begins any more, when what has begun
// must end or is left behind, and when giving back ends. The rest is for the call to return before
// the deadline.
const (
	abandonShare = 40
	sendShare    = 65
	leaveShare   = 75
	lastShare    = 88
)

// contexts derives the contexts of a run from the caller's. Work ends with the
// caller's context, or a drain before its deadline; I/O goes on through the
// drain.
func (r *run) contexts(ctx context.Context) {
	base := context.WithoutCancel(ctx)
	var cancelWork context.CancelFunc
	workCtx, stop := context.WithCancelCause(ctx)
	r.stop = stop
	r.workCtx, cancelWork = workCtx, func() { stop(errStopped) }
	if !r.deadline.IsZero() {
		r.workCtx, cancelWork = context.WithDeadlineCause(workCtx, r.deadline.Add(-r.reduction), errStopped)
	}
	ioCtx, endIO := context.WithCancelCause(base)
	lastCtx, endLast := context.WithCancelCause(base)
	r.ioCtx, r.lastCtx, r.userCtx = ioCtx, lastCtx, r.workCtx
	r.abandon = make(chan struct{})
	leave, endSends := context.WithCancelCause(base)
	r.leave = leave
	r.over = make(chan struct{})
	r.drained.Go(func() {
		defer cancelWork()
		defer stop(errStopped)
		defer endIO(errStopped)
		defer endSends(errStopped)
		defer endLast(errStopped)
		select {
		case <-r.workCtx.Done():
		case <-r.over:
			return
		}
		drain := r.reduction
		if !r.deadline.IsZero() {
			drain = max(0, min(drain, time.Until(r.deadline)))
		}
		began := time.Now()
		wait := func(share time.Duration) bool {
			t := time.NewTimer(time.Until(began.Add(drain * share / 100)))
			defer t.Stop()
			select {
			case <-t.C:
				return true
			case <-r.over:
				return false
			}
		}
		if !wait(abandonShare) {
			return
		}
		close(r.abandon)
		if !wait(sendShare) {
			return
		}
		endIO(errStopped)
		if !wait(leaveShare) {
			return
		}
		endSends(errStopped)
		if !wait(lastShare) {
			return
		}
		endLast(errStopped)
		<-r.over
	})
}

// errAbandoned is the error of a call that had not returned when the run had to.
var errAbandoned = errors.New("did not return in time")

// bounded calls f, and returns without it where that takes too long in the
// drain: whatever f calls may not honour its context. f must not write what is
// read after that.
func (r *run) bounded(what string, f func() error) error {
	return r.within(r.leave.Done(), what, f)
}

// boundedLast is bounded for what gives back and closes at the very end.
func (r *run) boundedLast(what string, f func() error) error {
	return r.within(r.lastCtx.Done(), what, f)
}

func (r *run) within(end <-chan struct{}, what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { done <- err }()
		err = f()
	}()
	select {
	case err := <-done:
		return err
	case <-end:
	}
	select { // it may have seen the end just now
	case err := <-done:
		return err
	case <-time.After(time.Millisecond):
		r.addStuck(1)
		return fmt.Errorf("%s: %w", what, errAbandoned)
	}
}

// tooLong reports whether an outage that began at since has lasted longer than
// a run without an end of its own may wait.
func (r *run) tooLong(since time.Time) bool {
	return r.deadline.IsZero() && !r.watch && r.workCtx.Err() == nil && time.Since(since) > r.cfg.MaxOutage
}

// finished ends the contexts of the run.
func (r *run) finished() {
	close(r.over)
	r.drained.Wait()
}
