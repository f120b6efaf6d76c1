package standin

import "sync"

// gate lets requests in until it is shut. A sync.WaitGroup alone would not do: a
// request may come in while it waits for those before.
type gate struct {
	mu     sync.Mutex
	isShut bool
	inside sync.WaitGroup
}

// enter reports whether the gate is open. If it is, the caller leaves later.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isShut {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

// shut lets nobody in any more, and waits until all who were in have left.
func (g *gate) shut() {
	g.mu.Lock()
	g.isShut = true
	g.mu.Unlock()
	g.inside.Wait()
}
