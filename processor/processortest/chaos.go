package processortest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// chaos decides what goes wrong. There is a limited number of faults, so that
// in the end everything works.
type chaos struct {
	mu       sync.Mutex
	rand     *rand.Rand
	left     int
	deaf     time.Time // until then leases are not extended
	downTill time.Time // until then the sink is away
}

// end ends all faults.
func (c *chaos) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.deaf, c.downTill = 0, time.Time{}, time.Time{}
}

// roll reports true with a probability of one in n, while there are faults left.
func (c *chaos) roll(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 || c.rand.IntN(n) > 0 {
		return false
	}
	c.left--
	return true
}

func (c *chaos) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

var errOwn = errors.New("input/output error")

func (c *chaos) list(context.Context, int) error {
	if c.roll(100) {
		return ErrAway
	}
	return nil
}

func (c *chaos) open(_ context.Context, _ source.Object, off int64) ReadFault {
	f := ReadFault{Chunk: 1 + c.below(1<<20)}
	if off > 0 && c.roll(3) {
		return ReadFault{Open: source.ErrNoRange}
	}
	if !c.roll(4) {
		return f
	}
	switch c.below(7) {
	case 0:
		f.Open = fs.ErrNotExist
	case 1:
		f.Open = source.ErrChanged
	case 2:
		f.Open = ErrAway
	case 3:
		f.Open = errOwn
	case 4:
		f.Cut, f.After = ErrAway, int64(c.below(1<<20))
	case 5:
		f.Cut, f.After = errOwn, int64(c.below(1<<20))
	case 6:
		f.Before = slowly
	}
	return f
}

// slowly makes each Read take its time.
func slowly(ctx context.Context) {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-ctx.Done():
	}
}

// claims is what becomes of a call to the claim store.
//
//nolint:revive // in the order of the wrappers that ask
func (c *chaos) claims(call Call, storm bool) (err error, lost bool) {
	if storm && call == CallExtend {
		if c.roll(4) {
			c.mu.Lock()
			c.deaf = time.Now().Add(10 * time.Second) // longer than the lease
			c.mu.Unlock()
		}
		c.mu.Lock()
		deaf := time.Now().Before(c.deaf)
		c.mu.Unlock()
		if deaf {
			return ErrAway, false
		}
	}
	// What cannot be given back before a deadline runs out, and is repeated as
	// after a crash.
	if (storm || call == CallClaim || call == CallExtend) && c.roll(8) {
		return ErrAway, c.below(2) == 0
	}
	return nil, false
}

// sends is what becomes of a call to the sink as a whole.
//
//nolint:revive // in the order of the wrappers that ask
func (c *chaos) sends(storm bool) (err error, lost bool) {
	if c.roll(40) {
		c.mu.Lock()
		c.downTill = time.Now().Add(time.Duration(c.rand.IntN(2000)) * time.Millisecond)
		c.mu.Unlock()
	}
	c.mu.Lock()
	away := time.Now().Before(c.downTill)
	c.mu.Unlock()
	switch {
	case away, c.roll(10):
		return ErrAway, false
	case storm && c.roll(10):
		return ErrAway, true
	}
	return nil, false
}

// entry is what becomes of one message, unless it is poison.
func (c *chaos) entry() error {
	if !c.roll(10) {
		return nil
	}
	if c.below(2) == 0 {
		return fault.Interrupted(errors.New("throttled"))
	}
	return errors.New("internal error")
}

// cutShort is a context that ends soon, by a deadline or by a cancellation.
func (c *chaos) cutShort(ctx context.Context) context.Context {
	d := time.Duration(400+c.below(2600)) * time.Millisecond
	if c.below(2) == 0 {
		ctx, cancel := context.WithTimeout(ctx, d)
		context.AfterFunc(ctx, cancel)
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	time.AfterFunc(d, func() { cancel(fmt.Errorf("cancelled after %v", d)) })
	return ctx
}
