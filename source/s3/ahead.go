package s3

import (
	"io"
	"sync"
)

// budget is what readers may hold of parts whose turn has not come, in bytes.
type budget struct {
	mu   sync.Mutex
	free int64
	pool sync.Pool // of *[]byte
}

// take reserves n bytes, if there are so many left.
func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free < n {
		return false
	}
	b.free -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
}

// buffer returns one of n bytes.
func (b *budget) buffer(n int64) *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok && int64(cap(*buf)) >= n {
		*buf = (*buf)[:n]
		return buf
	}
	buf := make([]byte, n)
	return &buf
}

// aheadPart is a part of an object that is read before it is its turn.
type aheadPart struct {
	size int64 // taken from the budget
	buf  *[]byte
	rest []byte // not handed out yet
	err  error
	done chan struct{} // closed when the rest is there, or the error
}

// fetch reads the whole of a stretch.
func (a *aheadPart) fetch(t *stretch) {
	defer close(a.done)
	defer t.close()
	a.buf = t.s.ahead.buffer(t.part.end - t.part.off)
	a.rest = *a.buf
	for got := 0; ; {
		n, err := t.read((*a.buf)[got:cap(*a.buf)])
		switch got += n; {
		case err == io.EOF:
			return
		case err != nil:
			a.err = err
			return
		}
	}
}

// release gives back what the part holds. It must not be fetching any more.
func (a *aheadPart) release(s *Source) {
	if a.buf != nil {
		s.ahead.pool.Put(a.buf)
	}
	s.ahead.give(a.size)
}
