package quorum

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/unspool-go/unspool/source"
)

// Open implements [source.Source]. What is put together is read from its beginning
// only: any other offset gives [source.ErrNoRange].
func (s *merged) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if off != 0 {
		return nil, o, fmt.Errorf("quorum: open %q at offset %d: %w: it is put together", o.Key, off, source.ErrNoRange)
	}
	if err := ctx.Err(); err != nil {
		return nil, o, fmt.Errorf("quorum: open %q: %w", o.Key, err)
	}
	g, v, found, err := s.look(ctx, o)
	if err != nil {
		return nil, found, fmt.Errorf("quorum: open %q: %w", o.Key, err)
	}
	return &reader{ctx: ctx, source: s, key: o.Key, group: g, set: v, version: found.Version, left: n}, found, nil
}

// reader reads the objects of one group, one behind the other.
type reader struct {
	ctx     context.Context
	source  *merged
	key     string
	group   group
	set     survey
	version string // of the whole set
	left    int64  // bytes to read; negative: to the end

	member io.ReadCloser // that is being read; nil between two
	in     *bufio.Reader // of it
	after  string        // its key, or that of the last one
	first  bool          // nothing was given out of it yet
	skip   int           // lines of its header that are to be left out
	last   byte          // that was given out; 0 for none
	closed bool
	err    error // of the last read, io.EOF among them
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, fmt.Errorf("quorum: read %q: %w", r.key, fs.ErrClosed)
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
	switch {
	case err == io.EOF && r.left > 0:
		err = fmt.Errorf("quorum: read %q: it is shorter than was asked for", r.key)
	case err != nil && err != io.EOF:
		err = fmt.Errorf("quorum: read %q: %w", r.key, gone(err))
	}
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.member == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.readMember(p)
		if n > 0 {
			r.last = p[n-1]
			return n, nil // an error comes again
		}
		if err == io.EOF {
			err = r.member.Close()
			r.member = nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// readMember reads of the object that is open.
func (r *reader) readMember(p []byte) (int, error) {
	for r.skip > 0 {
		if _, err := r.in.ReadSlice('\n'); err == nil {
			r.skip--
		} else if err != bufio.ErrBufferFull {
			return 0, err
		}
	}
	if r.first {
		if _, err := r.in.Peek(1); err != nil {
			return 0, err
		}
		r.first = false
		if r.last != 0 && r.last != '\n' {
			p[0] = '\n' // or this row and the last one would be one
			return 1, nil
		}
	}
	return r.in.Read(p)
}

// next opens the next object. It returns io.EOF when all were read and the set is
// what it was when the reader was opened.
func (r *reader) next() error {
	if len(r.set.members) == 0 {
		set, err := r.source.survey(r.ctx, r.group, r.after)
		switch {
		case err != nil:
			return err
		case set.sum.version() != r.version:
			return source.ErrChanged
		case len(set.members) == 0:
			return io.EOF
		}
		r.set = set
	}
	o := r.set.members[0]
	r.set.members = r.set.members[1:]
	body, _, err := r.source.inner.Open(r.ctx, o, 0, -1)
	if err != nil {
		return err
	}
	if r.in == nil {
		r.in = bufio.NewReaderSize(nil, bufferBytes)
	}
	r.in.Reset(body)
	r.member, r.first, r.skip = body, true, r.source.cfg.Header
	if r.after == "" {
		r.skip = 0
	}
	r.after = o.Key
	return nil
}

// bufferBytes is what is read at once.
const bufferBytes = 64 << 10

// Close implements [io.Closer]. It must not be called during a Read.
func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.member == nil {
		return nil
	}
	return r.member.Close()
}
