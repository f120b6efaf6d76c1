package sorted

import (
	"bytes"
	"context"
	"io"
)

// merge gives the lines of several runs in order.
type merge struct {
	heap []*cursor // the first is the next line
}

// newMerge opens runs of a file.
func newMerge(file io.ReaderAt, runs []run) (*merge, error) {
	m := &merge{}
	for i, r := range runs {
		c := openRun(file, r, i)
		switch err := c.next(); err {
		case nil:
			m.heap = append(m.heap, c)
		case io.EOF:
		default:
			return nil, err
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

// before reports whether the line of c comes before that of d.
func (c *cursor) before(d *cursor) bool {
	if c.prefix != d.prefix {
		return c.prefix < d.prefix
	}
	if order := bytes.Compare(c.key, d.key); order != 0 {
		return order < 0
	}
	return c.number < d.number
}

// down puts the heap right below i.
func (m *merge) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heap); child++ {
			if m.heap[child].before(m.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

// next goes on behind the first line, of which nothing is left.
func (m *merge) next() error {
	switch err := m.heap[0].next(); err {
	case nil:
	case io.EOF:
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap[last] = nil
		m.heap = m.heap[:last]
	default:
		return err
	}
	m.down(0)
	return nil
}

// Read implements [io.Reader]: it reads the lines.
func (m *merge) Read(p []byte) (n int, err error) {
	for n < len(p) && len(m.heap) > 0 {
		c := m.heap[0]
		if c.line == 0 {
			if err := m.next(); err != nil {
				return n, err
			}
			continue
		}
		k, err := c.Read(p[n:])
		n += k
		if err != nil {
			return n, err
		}
	}
	if n == 0 && len(m.heap) == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// writeTo writes what the runs hold as one.
func (m *merge) writeTo(ctx context.Context, file *tempFile) (run, error) {
	w := newRunWriter(file)
	for n := 0; len(m.heap) > 0; n++ {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return run{}, err
			}
		}
		c := m.heap[0]
		w.begin(c.key, c.line)
		for c.line > 0 {
			ahead, err := c.in.Peek(min(c.line, c.in.Size()))
			if len(ahead) == 0 {
				return run{}, &spillError{noEOF(err)}
			}
			w.write(ahead)
			_, _ = c.in.Discard(len(ahead)) // they are there
			c.line -= len(ahead)
		}
		if w.err != nil {
			break
		}
		if err := m.next(); err != nil {
			return run{}, err
		}
	}
	return w.end()
}
