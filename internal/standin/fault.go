package standin

import (
	"context"
	"sync/atomic"
	"time"
)

// Injector holds the function that says which fault F happens to a call C. The zero
// value holds none. All methods are safe for concurrent use.
type Injector[C, F any] struct{ ask atomic.Pointer[func(*C) F] }

// Set puts f in the place of an earlier function; nil takes it away.
func (i *Injector[C, F]) Set(f func(*C) F) {
	if f == nil {
		i.ask.Store(nil)
		return
	}
	i.ask.Store(&f)
}

// Fault asks what is to happen to a call: the zero F where nothing is set.
func (i *Injector[C, F]) Fault(call *C) (none F) {
	if f := i.ask.Load(); f != nil {
		return (*f)(call)
	}
	return none
}

// Stall waits for d, or until ctx ends.
func Stall(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
