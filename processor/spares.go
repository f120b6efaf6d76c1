package processor

import "sync"

// spares are the buffers of one kind that nobody uses: no more than there are
// permits, so that their number is fixed. The one given back last is taken first,
// while its memory is still in the caches.
type spares[T any] struct {
	permits chan struct{}
	mu      sync.Mutex
	stack   []*T
}

// fill allows n of them.
func (s *spares[T]) fill(n int) {
	s.permits = make(chan struct{}, n)
	for range n {
		s.permits <- struct{}{}
	}
}

// take is called with a permit. It returns nil where a new one is to be made.
func (s *spares[T]) take() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.stack)
	if n == 0 {
		return nil
	}
	last := s.stack[n-1]
	s.stack = s.stack[:n-1]
	return last
}

func (s *spares[T]) give(v *T) {
	s.mu.Lock()
	s.stack = append(s.stack, v)
	s.mu.Unlock()
	s.replace()
}

// replace allows a new one in the place of one that never comes back.
func (s *spares[T]) replace() {
	select {
	case s.permits <- struct{}{}:
	default: // one too many, made at the very end
	}
}
