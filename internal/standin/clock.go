package standin

import (
	"sync"
	"time"
)

// Clock is the time of a stand-in: that of the machine, and how far a test has
// moved it forward. The zero value is not moved. All methods are safe for
// concurrent use.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
	moved  chan struct{} // closed at the next Advance; nil until somebody asks for it
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}

// Moved returns a channel that is closed at the next Advance. Who waits for a time
// asks for it first and for the time after: an Advance between the two is then seen
// in one of them at least.
func (c *Clock) Moved() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved == nil {
		c.moved = make(chan struct{})
	}
	return c.moved
}
