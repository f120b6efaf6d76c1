package sorted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/unspool-go/unspool/processor/fault"
)

// reader reads the lines of one object in order. The first Read sorts them.
type reader struct {
	ctx    context.Context
	source *ordered
	key    string
	body   io.ReadCloser // nil once it is read, or closed
	closed bool
	left   int64 // bytes to read; negative: to the end

	sorter *sorter
	out    io.Reader
	defect error // of the object, behind all that could be read of it
	err    error // of the last read, io.EOF among them
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, fmt.Errorf("sorted: read %q: %w", r.key, fs.ErrClosed)
	case r.err != nil:
		return 0, r.err
	case r.left == 0:
		r.err = io.EOF
		return 0, r.err
	case len(p) == 0:
		return 0, nil
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.read(p)
	if r.left > 0 {
		r.left -= int64(n)
	}
	if err == io.EOF && r.left > 0 {
		err = fmt.Errorf("sorted: read %q: it is shorter than was asked for", r.key)
	}
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (n int, err error) {
	if err = r.ctx.Err(); err == nil && r.out == nil {
		err = r.begin()
	}
	if err == nil {
		n, err = r.out.Read(p)
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.defect != nil:
		return n, r.defect
	case err == io.EOF:
		return n, io.EOF
	case isSpill(err):
		return n, fault.Interrupted(fmt.Errorf("sorted: sort %q: %w", r.key, err))
	case err == r.ctx.Err():
		return n, fmt.Errorf("sorted: sort %q: %w", r.key, err)
	}
	return n, err
}

// begin reads the object and puts it in order.
func (r *reader) begin() error {
	s := &sorter{cfg: &r.source.cfg, table: table{memory: &r.source.memory, sizes: r.source.sizes}, keys: newKeyer(&r.source.cfg)}
	r.sorter = s
	defect, err := s.load(r.ctx, r.body)
	if err == errNoPreamble {
		r.out = s.in // where all of it still is
		return nil
	}
	if err != nil {
		return err
	}
	_ = r.body.Close() // it was read to its end
	r.body = nil
	sorted, err := s.lines(r.ctx)
	if err != nil {
		return err
	}
	parts := []io.Reader{bytes.NewReader(s.head), sorted}
	if s.long != nil {
		parts = append(parts, io.NewSectionReader(s.long, 0, s.long.size))
	}
	r.out, r.defect = io.MultiReader(append(parts, bytes.NewReader(s.tail))...), defect
	return nil
}

// Close implements [io.Closer]. It must not be called during a Read.
func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	var errs []error
	if r.sorter != nil {
		errs = append(errs, r.sorter.close())
	}
	if r.body != nil {
		errs = append(errs, r.body.Close())
	}
	return errors.Join(errs...)
}
