package sqspoll

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Stats counts messages of one Run.
type Stats struct {
	Received int64
	Settled  int64 // handled without an error
	Failed   int64 // handled with one, and given back
	Returned int64 // given back unhandled, because work had to stop
	Stopped  int64 // of those handled, stopped because their visibility could not be extended
	Deleted  int64
	// Undeleted counts messages that were settled and could not be deleted before
	// their visibility ended: they may come again.
	Undeleted int64
	// Abandoned counts calls of the handler that had not returned when Run had to.
	Abandoned int64
}

// run is one call of Run.
type run struct {
	*Consumer
	slots   chan struct{} // one for each message that is held
	workers sync.WaitGroup

	work context.Context // of handlers
	io   context.Context // of requests that finish something

	mu       sync.Mutex
	held     map[*held]struct{}
	settled  []*held // to be deleted
	stopping bool    // no message begins any more
	stats    Stats
	fatal    error
	wake     chan struct{} // something was settled
}

// errDraining is the cause of the end of contexts when a Run is over.
var errDraining = errors.New("the consumer is stopping")

// Run receives messages and has them handled, until ctx ends. It returns within
// Drain of that, or before the deadline of ctx, having finished or given back what
// it held. A queue that is away is asked again and again; one that does not exist,
// or denies access, ends Run with an error. Run may be called again.
func (c *Consumer) Run(ctx context.Context) (Stats, error) {
	r := &run{Consumer: c, slots: make(chan struct{}, c.cfg.Concurrency), held: map[*held]struct{}{}, wake: make(chan struct{}, 1)}
	base := context.WithoutCancel(ctx)
	receive, endReceive := context.WithCancel(ctx)
	work, endWork := context.WithCancelCause(base)
	requests, endIO := context.WithCancelCause(base)
	beat, endBeat := context.WithCancel(base)
	defer func() { endReceive(); endWork(errDraining); endIO(errDraining); endBeat() }()
	r.work, r.io = work, requests
	drain := c.cfg.Drain
	if deadline, ok := ctx.Deadline(); ok {
		drain = min(drain, max(0, time.Until(deadline)/4))
		from := deadline.Add(-drain)
		defer time.AfterFunc(time.Until(from), endReceive).Stop()
		var cancel context.CancelFunc // a service takes its margins from the deadline
		r.work, cancel = context.WithDeadline(work, from.Add(drain*leaveShare/100))
		defer cancel()
	}

	var helpers, receivers sync.WaitGroup
	helpers.Go(func() { r.heartbeat(beat) })
	deleted := make(chan struct{})
	helpers.Go(func() { r.deleteAll(deleted) })
	for range c.cfg.Receivers {
		receivers.Go(func() {
			if err := r.receiveAll(receive); err != nil {
				r.fail(err)
				endReceive() // the others need not find out as well
			}
		})
	}
	receivers.Wait()

	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	defer time.AfterFunc(drain*workShare/100, func() { endWork(errDraining) }).Stop()
	defer time.AfterFunc(drain*ioShare/100, func() { endIO(errDraining) }).Stop()
	r.wait(drain * leaveShare / 100)
	close(deleted)
	endBeat()
	helpers.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats, r.fatal
}

// The shares of the drain, in percent of it, that are over when the contexts of
// handlers end, when handlers are left behind, and when requests end.
const (
	workShare  = 50
	leaveShare = 85
	ioShare    = 95
)

// fail notes an error that ends the run.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal == nil {
		r.fatal = err
	}
}

// count changes the statistics.
func (r *run) count(change func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats)
}

// wait waits for the handlers, for a time. What is left then is abandoned.
func (r *run) wait(limit time.Duration) {
	done := make(chan struct{})
	go func() { r.workers.Wait(); close(done) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for h := range r.held {
		if h.handling {
			r.stats.Abandoned++
		}
		h.abandoned = !h.settled
	}
}
