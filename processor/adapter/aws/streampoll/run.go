package streampoll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// Stats counts what one Run did. Each change that was received was settled, passed
// over, skipped or returned.
type Stats struct {
	Received int64 // changes that were read
	Settled  int64 // changes that the handler settled
	Passed   int64 // changes that were passed over, once OnFailure had them
	Skipped  int64 // changes that were made before the group began
	Returned int64 // changes that were read and not settled, because work had to stop

	Failed   int64 // calls of the handler that did not settle their whole batch
	Shards   int64 // shards that were worked on; one that was lost and had again counts twice
	Finished int64 // shards that were closed and wholly settled
	Lost     int64 // shards whose claim could not be kept
	// Gaps counts the shards, and times, of which changes may be lost: see [ErrGap].
	Gaps int64
	// Abandoned counts calls of the handler that had not returned when Run had to.
	Abandoned int64
}

// run is one call of Run.
type run struct {
	*Consumer
	keeper *claim.Keeper
	began  time.Time

	start  string    // where the group began, as the claim store has it
	since  time.Time // changes made before are skipped; zero where none are
	joined time.Time // when that was last looked up

	work  context.Context // of handlers
	io    context.Context // of requests that finish something
	leave chan struct{}   // closed when handlers are left behind
	wake  chan struct{}   // a shard is finished

	workers sync.WaitGroup

	mu     sync.Mutex
	active map[string]bool // shards that are worked on here
	done   map[string]bool // shards that are known to be finished
	stats  Stats
	fatal  error
}

// Run reads changes and has them handled, until ctx ends. It returns within Drain of
// that, or before the deadline of ctx, having stored the checkpoints of its shards and
// given them back. A stream or claim store that is away is asked again and again. A
// stream that does not exist, or denies access, ends Run with a fatal error, one that
// is disabled, when everything in it is settled, with [ErrEnded]. Run may be called
// again.
func (c *Consumer) Run(ctx context.Context) (Stats, error) {
	keeper, err := claim.NewKeeper(c.cfg.Claims, claim.KeeperConfig{Owner: c.cfg.Owner, TTL: c.cfg.TTL})
	if err != nil {
		return Stats{}, fmt.Errorf("streampoll: %w", err)
	}
	r := &run{
		Consumer: c, keeper: keeper, began: time.Now(), leave: make(chan struct{}), wake: make(chan struct{}, 1),
		active: map[string]bool{}, done: map[string]bool{},
	}
	base := context.WithoutCancel(ctx)
	read, endRead := context.WithCancel(ctx)
	work, endWork := context.WithCancelCause(base)
	requests, endIO := context.WithCancelCause(base)
	beat, endBeat := context.WithCancel(base)
	defer func() { endRead(); endWork(errDraining); endIO(errDraining); endBeat() }()
	r.work, r.io = work, requests
	drain := c.cfg.Drain
	if deadline, ok := ctx.Deadline(); ok {
		drain = min(drain, max(0, time.Until(deadline)/4))
		from := deadline.Add(-drain)
		defer time.AfterFunc(time.Until(from), endRead).Stop()
		var cancel context.CancelFunc // a service takes its margins from the deadline
		r.work, cancel = context.WithDeadline(work, from.Add(drain*leaveShare/100))
		defer cancel()
	}

	var helpers sync.WaitGroup
	helpers.Go(func() {
		if err := keeper.Run(beat); err != nil {
			r.fail(fmt.Errorf("streampoll: %w", err))
			endRead()
		}
	})
	helpers.Go(func() {
		<-read.Done()
		_ = sleep.For(beat, drain*workShare/100)
		endWork(errDraining)
		_ = sleep.For(beat, drain*(leaveShare-workShare)/100)
		close(r.leave)
		_ = sleep.For(beat, drain*(ioShare-leaveShare)/100)
		endIO(errDraining)
	})
	if err := r.scanAll(read, endRead); err != nil {
		r.fail(err)
	}
	endRead()
	r.workers.Wait()
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

// scanAll looks for shards to work on, again and again, until ctx ends, or until an
// error that no repetition mends. A worker that meets one calls stop.
func (r *run) scanAll(ctx context.Context, stop func()) error {
	var pause backoff
	for {
		began := time.Now()
		err := r.scan(ctx, stop)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // that is why it failed
		case err == nil:
			pause = backoff{}
			timer := time.NewTimer(r.cfg.ScanInterval)
			select {
			case <-timer.C:
			case <-r.wake:
			case <-ctx.Done():
			}
			timer.Stop()
			_ = sleep.For(ctx, r.cfg.ReadInterval-time.Since(began))
		case isFatal(err):
			return err
		default:
			if !errors.Is(err, errHeld) {
				r.cfg.OnError(err)
			}
			pause.wait(ctx)
		}
	}
}

// scan looks once for shards that can be worked on, and begins with those that it can
// claim.
func (r *run) scan(ctx context.Context, stop func()) error {
	l, err := r.describe(ctx)
	if err != nil {
		return err
	}
	if r.start == "" || time.Since(r.joined) >= rejoin {
		if err := r.join(l); err != nil {
			return err
		}
	}
	if err := r.bury(r.unsettled(l.orphaned()), r.gone); err != nil {
		return err
	}
	r.forget(l)
	tried := map[string]bool{}
	for {
		ready := r.ready(l, tried)
		if len(ready) == 0 || ctx.Err() != nil {
			break
		}
		ids := make([]string, len(ready))
		for i, s := range ready {
			ids[i] = s.id
			tried[s.id] = true
		}
		block, err := r.claim(ids)
		if err != nil {
			return err
		}
		for i, result := range block.Results {
			if result.Status == claim.Done {
				r.setDone(ids[i])
			} else if result.Status == claim.Granted {
				r.begin(ctx, ready[i], claim.Hold{Block: block, Index: i}, stop)
			}
		}
	}
	if l.disabled && !slices.ContainsFunc(l.shards, func(s shard) bool { return !r.isDone(s.id) }) {
		return fault.Fatal(fmt.Errorf("streampoll: %s: %w", r.stream, ErrEnded))
	}
	return nil
}

// ready returns shards that may be worked on, once claimed: as many as there is room
// for.
func (r *run) ready(l lineage, tried map[string]bool) (ready []shard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range l.shards {
		if r.cfg.MaxShards > 0 && len(r.active)+len(ready) >= r.cfg.MaxShards {
			break
		}
		if (s.parent == "" || r.done[s.parent]) && !r.done[s.id] && !r.active[s.id] && !tried[s.id] {
			ready = append(ready, s)
		}
	}
	return ready
}

// begin has a shard worked on that was claimed.
func (r *run) begin(ctx context.Context, s shard, hold claim.Hold, stop func()) {
	r.mu.Lock()
	r.active[s.id] = true
	r.stats.Shards++
	r.mu.Unlock()
	w := newWorker(r, s, hold)
	r.workers.Go(func() {
		if err := w.follow(ctx); err != nil {
			r.fail(err)
			stop()
		}
		r.mu.Lock()
		delete(r.active, s.id)
		r.mu.Unlock()
		select {
		case r.wake <- struct{}{}:
		default:
		}
	})
}

// gone notes that a shard is not there any more and was not finished.
func (r *run) gone(id, after string) {
	r.count(func(s *Stats) { s.Gaps++ })
	r.cfg.OnError(gapError(id, after, "it is not there any more, and was not finished"))
}

// forget forgets that shards are finished which nobody will ask for.
func (r *run) forget(l lineage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := make(map[string]bool, len(r.done))
	for _, s := range l.shards {
		for _, id := range []string{s.id, s.parent} {
			if r.done[id] {
				done[id] = true
			}
		}
	}
	r.done = done
}

// unsettled returns the shards that are not known to be finished.
func (r *run) unsettled(ids []string) []string {
	return slices.DeleteFunc(ids, r.isDone)
}

func (r *run) isDone(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[id]
}

func (r *run) setDone(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[id] = true
}

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
