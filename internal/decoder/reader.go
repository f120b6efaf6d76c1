package decoder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Rows decodes the rows of one object.
type Rows interface {
	// Append appends the lines of some further rows to dst. An error, io.EOF
	// among them, comes behind every row before it, and is the last.
	Append(dst []byte) ([]byte, error)
	// Close releases everything.
	Close() error
}

// Reader reads the lines of one object.
type Reader struct {
	ctx  context.Context
	name string // of the format and the object, for errors
	rows Rows   // nil once closed
	buf  []byte // lines; buf[at:] is not read yet
	at   int
	left int64 // bytes to read; negative: to the end
	err  error // behind what is in buf
	over error // of the last Read, io.EOF among them
}

// NewReader returns a reader of the first n bytes (n < 0: of all) of the lines
// of rows, which it closes. ctx governs it. name says, in errors, what is read.
func NewReader(ctx context.Context, name string, rows Rows, n int64) *Reader {
	return &Reader{ctx: ctx, name: name, rows: rows, left: n}
}

var errShort = errors.New("it is shorter than was asked for")

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	switch {
	case r.rows == nil:
		return 0, fmt.Errorf("%s: %w", r.name, fs.ErrClosed)
	case r.over != nil:
		return 0, r.over
	case r.left == 0:
		r.over = io.EOF
		return 0, r.over
	case len(p) == 0:
		return 0, nil
	}
	if err := r.ctx.Err(); err != nil {
		r.over = fmt.Errorf("%s: %w", r.name, err)
		return 0, r.over
	}
	for r.at == len(r.buf) && r.err == nil {
		r.at = 0
		r.buf, r.err = r.rows.Append(r.buf[:0])
	}
	if r.at == len(r.buf) {
		if r.over = r.err; r.err == io.EOF && r.left > 0 {
			r.over = fmt.Errorf("%s: %w", r.name, errShort)
		}
		return 0, r.over
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n := copy(p, r.buf[r.at:])
	r.at += n
	if r.left > 0 {
		r.left -= int64(n)
	}
	return n, nil
}

// Close implements [io.Closer]. It must not be called during a Read.
func (r *Reader) Close() error {
	if r.rows == nil {
		return nil
	}
	rows := r.rows
	r.rows, r.buf = nil, nil
	return rows.Close()
}
