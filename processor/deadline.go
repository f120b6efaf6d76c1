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
// abandoned, when no sending or writing begins any more, when writing to a
// destination must end, a moment before whatever has begun must end or is left
// behind, and when giving back ends. The rest is for the call to return before
// the deadline.
const (
	abandonShare = 40
	sendShare    = 65
	writeShare   = 73
	leaveShare   = 75
	lastShare    = 88
)

// contexts derives the contexts of a run from the caller's. Work ends with the
// caller's context, or a drain before its deadline; everything else goes on
// through the drain.
func (r *run) contexts(ctx context.Context) {
	r.workCtx, r.stop = context.WithCancelCause(ctx)
	cancel := func() { r.stop(errStopped) }
	if !r.deadline.IsZero() {
		var cancelTimer context.CancelFunc
		r.workCtx, cancelTimer = context.WithDeadlineCause(r.workCtx, r.deadline.Add(-r.reduction), errStopped)
		cancel = func() { cancelTimer(); r.stop(errStopped) }
	}
	base := context.WithoutCancel(ctx)
	var endIO, endWrites, endSends, endLast context.CancelCauseFunc
	r.ioCtx, endIO = context.WithCancelCause(base)
	r.putCtx, endWrites = context.WithCancelCause(base)
	r.leave, endSends = context.WithCancelCause(base)
	r.lastCtx, endLast = context.WithCancelCause(base)
	r.userCtx = r.workCtx
	r.abandon, r.over = make(chan struct{}), make(chan struct{})
	r.drained.Go(func() {
		r.conduct([]phase{
			{abandonShare, func() { close(r.abandon) }},
			{sendShare, func() { endIO(errStopped) }},
			{writeShare, func() { endWrites(errStopped) }},
			{leaveShare, func() { endSends(errStopped) }},
			{lastShare, func() { endLast(errStopped) }},
		})
		<-r.over
		cancel()
		endIO(errStopped)
		endWrites(errStopped)
		endSends(errStopped)
		endLast(errStopped)
	})
}

// phase is what ends when a share of the drain, in percent, is over.
type phase struct {
	share int64
	end   func()
}

// conduct waits for the drain and leads it through its phases, unless the run
// is over before.
func (r *run) conduct(phases []phase) {
	select {
	case <-r.workCtx.Done():
	case <-r.over:
		return
	}
	began, drain := time.Now(), r.reduction
	if !r.deadline.IsZero() {
		drain = max(0, min(drain, time.Until(r.deadline)))
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for _, p := range phases {
		timer.Reset(time.Until(began.Add(time.Duration(int64(drain) / 100 * p.share))))
		select {
		case <-timer.C:
			p.end()
		case <-r.over:
			return
		}
	}
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
