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

	mu     sync.Mutex
	closed []*object
	bytes  int64 // sent since the last round

	// Of the goroutine that runs rounds:
	held   []*object // finished, but not to be completed before Post
	totals totals
	left   int           // objects given back in this pass that could go on
	due    time.Duration // the shortest delay among them
}

// totals are sums over closed objects.
type totals struct {
	fates                              [numFates]int64
	loaded                             int64
	finished, released, vanished, lost int64
}

func newCloser(r *run) *closer { return &closer{run: r, wake: make(chan struct{}, 1)} }

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
	c.mu.Unlock()
	if len(objects) == 0 {
		return
	}
	if !c.flush(objects) {
		return
	}
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
	if c.run.postpones() {
		c.held = append(c.held, done...)
	} else {
		c.complete(done)
	}
	c.giveBack(back)
}

// flush makes durable what the sink accepted. If that fails nothing that was
// accepted since the last flush may count as delivered.
func (c *closer) flush(objects []*object) bool {
	if c.flusher == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(c.run.lastCtx, c.run.cfg.SendTimeout)
	defer cancel()
	err := c.flusher.Flush(ctx)
	if err == nil {
		return true
	}
	c.run.fail(fmt.Errorf("flush the sink: %w", err))
	for _, o := range objects {
		o.unsend()
	}
	c.giveBack(objects)
	return false
}

// unsend takes back that records were delivered.
func (o *object) unsend() {
	o.fates[returned].Add(o.fates[delivered].Swap(0))
	for _, f := range append(o.frames, &o.first) {
		f.broken.Store(true)
	}
}

// complete completes the claims of finished objects.
func (c *closer) complete(objects []*object) {
	if len(objects) == 0 {
		return
	}
	holds := make([]claim.Hold, 0, len(objects))
	claimed := make([]*object, 0, len(objects))
	for _, o := range objects {
		if o.hold.Block == nil {
			c.account(o)
			c.totals.finished++
			continue
		}
		holds, claimed = append(holds, o.hold), append(claimed, o)
	}
	if len(holds) == 0 {
		return
	}
	errs := c.batched("complete claims", len(holds), func(ctx context.Context) error {
		return c.run.keeper.Complete(ctx, holds)
	})
	for i, o := range claimed {
		c.account(o)
		switch err := errs[i]; {
		case err == nil:
			c.totals.finished++
			c.discard(o)
		case errors.Is(err, claim.ErrLost):
			c.totals.lost++
			c.run.log.Warn("lease lost: another worker may process the object again", zap.String("object", o.src.Key))
		default:
			c.left++
			c.run.fault(fmt.Errorf("complete %s: %w", o.src.Key, err))
		}
	}
}

// discard deletes a part of the retry destination that is finished. Should that
// fail the claim still says that it is done.
func (c *closer) discard(o *object) {
	if o.part == nil {
		return
	}
	if err := c.run.stores[retried].Delete(c.run.lastCtx, o.part.Name); err != nil {
		c.run.errs.add(fmt.Errorf("delete finished retry part: %w", err))
	}
}

// giveBack releases the claims of objects that are not finished.
func (c *closer) giveBack(objects []*object) {
	var back []claim.GiveBack
	var claimed []*object
	for _, o := range objects {
		c.account(o)
		if o.hold.Block == nil {
			continue
		}
		if o.abandoned.Load() {
			c.run.keeper.Abandon([]claim.Hold{o.hold})
			continue
		}
		if o.end == endVanished {
			c.totals.vanished++
		}
		o.hold.Block.SetProgress(o.hold.Index, o.progress().encode())
		g := claim.GiveBack{Hold: o.hold}
		switch {
		case o.end == endOwnFault:
			g.Counted, g.Reason = true, clip(o.endErr.Error(), maxErrorBytes)
			g.Delay = backoff(c.run.cfg.RetryDelay, o.attempt-1)
		case o.endErr != nil && o.end != endVanished, o.fates[returned].Load() > 0 && c.run.workCtx.Err() == nil:
			g.Delay = c.run.cfg.RetryDelay // do not come back to it at once
		}
		back, claimed = append(back, g), append(claimed, o)
		if o.end != endVanished {
			c.left++
			if c.due == 0 || g.Delay < c.due {
				c.due = g.Delay
			}
		}
	}
	if len(back) == 0 {
		return
	}
	errs := c.batched("release claims", len(back), func(ctx context.Context) error {
		return c.run.keeper.Release(ctx, back)
	})
	for i, o := range claimed {
		switch err := errs[i]; {
		case err == nil:
			if o.end != endVanished {
				c.totals.released++
			}
		case errors.Is(err, claim.ErrLost):
			c.totals.lost++
		default:
			c.run.errs.add(fmt.Errorf("release %s: %w", o.src.Key, err))
		}
	}
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

// account adds the object to the totals.
func (c *closer) account(o *object) {
	for i := range o.fates {
		c.totals.fates[i] += o.fates[i].Load()
	}
	c.totals.loaded += o.loaded.Load()
}

// passOver reports how many objects were given back since the last call, and
// the shortest time to wait for one of them.
func (c *closer) passOver() (left int, due time.Duration) {
	left, due = c.left, c.due
	c.left, c.due = 0, 0
	return left, due
}

// backoff is the delay before try number n+1.
func backoff(first time.Duration, n int) time.Duration {
	d := first
	for ; n > 0 && d < maxBackoff; n-- {
		d *= 2
	}
	return min(d, maxBackoff)
}
