package standin

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// connections counts those that are open.
type connections struct {
	mu   sync.Mutex
	open int
	none chan struct{} // closed when open falls to zero; nil if nobody waits
}

// state is what http.Server calls as ConnState. A connection is closed, or taken
// over by [Cut], after the last request on it was dealt with.
func (c *connections) state(_ net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		c.open++
	case http.StateActive, http.StateIdle:
	case http.StateClosed, http.StateHijacked:
		c.open--
		if c.open == 0 && c.none != nil {
			close(c.none)
			c.none = nil
		}
	}
}

// wait waits until none is open, or ctx ends.
func (c *connections) wait(ctx context.Context) error {
	c.mu.Lock()
	if c.open == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
