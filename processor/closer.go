package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// closeBlock is how many settled objects are completed in one round trip at the
// latest.
const closeBlock = 1024

// closer closes objects whose records are all settled: it completes the claims
// of those that are finished and gives the others back, many in one round trip.
// It also keeps the totals of the run, to which an object adds when it closes.
type closer struct {
	run     *run
	flusher sink.Flusher
	wake    chan struct{}

	mu         sync.Mutex
	closed     []*object
	bytes      int64                // sent since the last round
	large      map[*object]struct{} // being read, and long enough for checkpoints
	totals     totals
	waiting    map[string]waiting // keys given back by this run and not finished since
	back, gone int                // objects given back in this pass, and those that had vanished

	// Of the goroutine that runs rounds:
	held  []*object // settled, but not to be closed before Post
	lossy bool      // a flush failed: what was sent may be gone
}

// totals are sums over closed objects.
type totals struct {
	fates                              [numFates]int64
	loaded                             int64
	finished, released, vanished, lost int64
}

// waiting is an object that was given back.
type waiting struct {
	due  time.Time // when it can be claimed again
	date time.Time // of the object, zero where that is not known
}

func newCloser(r *run) *closer {
	return &closer{
		run: r, wake: make(chan struct{}, 1),
		large: map[*object]struct{}{}, waiting: map[string]waiting{},
	}
}

// watch has the object's progress recorded while it is worked on.
func (c *closer) watch(o *object) {
	c.mu.Lock()
	c.large[o] = struct{}{}
	c.mu.Unlock()
}

// add hands over an object whose frames are all settled.
func (c *closer) add(o *object) {
	c.mu.Lock()
	c.closed = append(c.closed, o)
	full := len(c.closed) == closeBlock
	c.mu.Unlock()
	if full {
		c.signal()
	}
}

// sent notes that n bytes were accepted by the sink and are not yet recorded as
// finished.
func (c *closer) sent(n int64) {
	c.mu.Lock()
	before := c.bytes
	c.bytes += n
	limit := c.run.cfg.MaxUnconfirmed.Bytes
	full := before < limit && c.bytes >= limit
	c.mu.Unlock()
	if full {
		c.signal()
	}
}

func (c *closer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// loop runs rounds until stop is closed, and then a last one.
func (c *closer) loop(stop <-chan struct{}) {
	tick := time.NewTicker(c.run.cfg.MaxUnconfirmed.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.wake:
		case <-stop:
			c.round()
			return
		}
		c.round()
	}
}

// round closes what there is to close.
func (c *closer) round() {
	c.mu.Lock()
	objects := c.closed
	c.closed, c.bytes = nil, 0
	for _, o := range objects {
		delete(c.large, o)
	}
	open := make([]*object, 0, len(c.large))
	for o := range c.large {
		open = append(open, o)
	}
	c.mu.Unlock()
	marks := c.marks(open) // before the flush: what is settled now, it makes durable
	if len(objects)+len(marks) == 0 {
		return
	}
	c.flush()
	if c.lossy {
		for _, o := range objects {
			o.unsend()
		}
		c.giveBack(objects)
		return
	}
	if c.run.postpones() { // what a Post has not confirmed is neither done nor progress
		c.held = append(c.held, objects...)
		return
	}
	c.checkpoint(marks)
	c.close(objects)
}

// close completes the claims of the objects that are finished and gives the
// others back.
func (c *closer) close(objects []*object) {
	var done, back []*object
	for _, o := range objects {
		if err := o.check(); err != nil {
			c.run.fault(err)
			o.end = endNone
		}
		if o.finished() {
			done = append(done, o)
		} else {
			back = append(back, o)
		}
	}
	finished := c.complete(done)
	c.giveBack(back)
	c.discard(finished)
}

// mark is the progress of a large object that is still worked on.
type mark struct {
	obj      *object
	progress string
}

// marks returns the progress of the objects that got on since the last time.
func (c *closer) marks(open []*object) []mark {
	var marks []mark
	for _, o := range open {
		p := o.progress()
		if p.settled() <= o.marked {
			continue
		}
		o.marked = p.settled()
		marks = append(marks, mark{o, p.encode()})
	}
	return marks
}

// checkpoint records progress in the claim store. A failure is no harm: the
// next heartbeat records it too.
func (c *closer) checkpoint(marks []mark) {
	var holds []claim.Hold
	for _, m := range marks {
		if m.obj.hold.Block == nil {
			continue
		}
		m.obj.hold.Block.SetProgress(m.obj.hold.Index, m.progress)
		holds = append(holds, m.obj.hold)
	}
	if len(holds) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(c.run.lastCtx, c.run.cfg.SendTimeout)
	defer cancel()
	if err := c.run.keeper.Checkpoint(ctx, holds); err != nil {
		c.run.logOutage("checkpoint", err)
	}
}

// flush makes durable what the sink accepted. After a failure nothing that was
// accepted since the last success may count as delivered, and the run ends.
func (c *closer) flush() {
	if c.flusher == nil || c.lossy {
		return
	}
	ctx, cancel := context.WithTimeout(c.run.lastCtx, c.run.cfg.SendTimeout)
	defer cancel()
	if err := c.flusher.Flush(ctx); err != nil {
		c.lossy = true
		c.run.fail(fmt.Errorf("flush the sink: %w", err))
	}
}

// unsend takes back that records were delivered.
func (o *object) unsend() {
	o.fates[returned].Add(o.fates[delivered].Swap(0))
	o.unsent = true
}

// complete completes the claims of finished objects, and returns those that are
// completed.
func (c *closer) complete(objects []*object) (finished []*object) {
	if len(objects) == 0 {
		return nil
	}
	holds := make([]claim.Hold, 0, len(objects))
	claimed := make([]*object, 0, len(objects))
	for _, o := range objects {
		if o.hold.Block == nil {
			c.account(o, func(t *totals) { t.finished++ })
			continue
		}
		holds, claimed = append(holds, o.hold), append(claimed, o)
	}
	if len(holds) == 0 {
		return nil
	}
	errs := c.batched("complete claims", len(holds), func(ctx context.Context) error {
		return c.run.keeper.Complete(ctx, holds)
	})
	for i, o := range claimed {
		switch err := errs[i]; {
		case err == nil:
			c.account(o, func(t *totals) { t.finished++ })
			c.noLonger(o.claimKey())
			if o.part == nil {
				c.run.known.add(o.mark)
			}
			finished = append(finished, o)
		case errors.Is(err, claim.ErrLost):
			c.account(o, func(t *totals) { t.lost++ })
			c.run.log.Warn("lease lost: another worker may process the object again", zap.String("object", o.src.Key))
		default:
			c.account(o, func(*totals) {})
			c.awaits(o, 0)
			c.run.fault(fmt.Errorf("complete %s: %w", o.src.Key, err))
		}
	}
	return finished
}

// giveBack releases the claims of objects that are not finished.
func (c *closer) giveBack(objects []*object) {
	back := make([]claim.GiveBack, 0, len(objects))
	claimed := make([]*object, 0, len(objects))
	for _, o := range objects {
		switch {
		case o.hold.Block == nil:
			c.account(o, func(t *totals) {
				if o.end == endVanished {
					t.vanished++
				}
			})
		case o.abandoned.Load():
			c.account(o, func(*totals) {})
			c.awaits(o, c.run.cfg.Lease)
			c.checkpoint([]mark{{o, o.progress().encode()}})
			c.run.keeper.Abandon([]claim.Hold{o.hold})
		default:
			if !c.lossy && o.end != endVanished {
				o.hold.Block.SetProgress(o.hold.Index, o.progress().encode())
			}
			back, claimed = append(back, c.giving(o)), append(claimed, o)
		}
	}
	if len(back) == 0 {
		return
	}
	errs := c.batched("release claims", len(back), func(ctx context.Context) error {
		return c.run.keeper.Release(ctx, back)
	})
	for i, o := range claimed {
		gone := o.end == endVanished
		if gone {
			c.noLonger(o.claimKey())
		} else {
			c.awaits(o, back[i].Delay)
		}
		err := errs[i]
		c.account(o, func(t *totals) {
			switch {
			case errors.Is(err, claim.ErrLost):
				t.lost++
			case gone:
				t.vanished++
				c.gone++
			case err == nil:
				t.released++
			}
		})
		if err != nil && !errors.Is(err, claim.ErrLost) {
			c.run.errs.add(fmt.Errorf("release %s: %w", o.src.Key, err))
		}
	}
}

// giving says how an object is given back.
func (c *closer) giving(o *object) claim.GiveBack {
	g := claim.GiveBack{Hold: o.hold}
	switch {
	case o.end == endOwnFault:
		g.Counted, g.Reason = true, clip(o.endErr.Error(), maxErrorBytes)
		g.Delay = backoff(c.run.cfg.RetryDelay, o.attempt-1)
	case o.end == endVanished:
		g.Delay = c.run.cfg.RetryDelay // in case it is listed on, as a dangling link is
	case c.run.workCtx.Err() != nil: // for the next to take at once
	case c.run.single && o.end == endChanged: // whoever asked may ask for what it is now
	case o.endErr != nil, o.fates[returned].Load() > 0:
		g.Delay = c.run.cfg.RetryDelay // not to come back to it at once
	}
	return g
}

// batched repeats a call to the claim store until it succeeds or fails for
// single entries only, and returns the error of each entry.
func (c *closer) batched(what string, n int, op func(context.Context) error) []error {
	errs := make([]error, n)
	err := c.run.until(c.run.lastCtx, what, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, max(c.run.cfg.SendTimeout, time.Second))
		defer cancel()
		err := op(ctx)
		if partial, ok := errors.AsType[*claim.BatchError](err); ok {
			for _, f := range partial.Failed {
				if f.Index >= 0 && f.Index < n {
					errs[f.Index] = f.Err
				}
			}
			return nil
		}
		return err
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// account adds the object to the totals, and what became of it.
func (c *closer) account(o *object, outcome func(*totals)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range o.fates {
		c.totals.fates[i] += o.fates[i].Load()
	}
	c.totals.loaded += o.loaded.Load()
	outcome(&c.totals)
}

// passOver reports how many objects were given back since the last call, and
// how many had vanished.
func (c *closer) passOver() (back, gone int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	back, gone = c.back, c.gone
	c.back, c.gone = 0, 0
	return back, gone
}

// finished returns how many objects were finished.
func (c *closer) finished() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals.finished
}

// count returns how many records have a fate.
func (c *closer) count(what fate) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals.fates[what]
}

// awaits notes that an object was given back and can be claimed after delay.
func (c *closer) awaits(o *object, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := waiting{due: time.Now().Add(delay)}
	if o.part == nil {
		w.date = source.DateOf(c.run.cfg.Source, o.src)
	}
	c.waiting[o.claimKey()] = w
	c.back++
	if c.run.again != nil {
		c.run.again.gaveBack(o, delay)
	}
}

// noLonger notes that an object is finished, by whomever, or gone.
func (c *closer) noLonger(claimKey string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, claimKey)
}

// nextDue returns how long it takes until one of the objects that this run gave
// back can be claimed again. ok is false if there is none.
func (c *closer) nextDue() (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting {
		if d := time.Until(w.due); !ok || d < wait {
			wait, ok = d, true
		}
	}
	return max(0, wait), ok
}

// claimKey is the key under which the object is claimed.
func (o *object) claimKey() string { return o.hold.Block.Results[o.hold.Index].Lease.Key }

// backoff is the delay before try number n+1.
func backoff(first time.Duration, n int) time.Duration {
	d := first
	for ; n > 0 && d < maxBackoff; n-- {
		d *= 2
	}
	return min(d, maxBackoff)
}
