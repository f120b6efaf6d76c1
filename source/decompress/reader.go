package decompress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// reader reads the decoded bytes of one object.
type reader struct {
	ctx     context.Context
	source  *decoded
	key     string
	codec   codec
	body    io.ReadCloser
	stream  *stream // nil once closed
	started bool
	left    int64 // bytes to read; negative: to the end
	err     error // of the last read, io.EOF among them
}

// newReader returns a reader of the first n bytes (n < 0: of all) that come of
// what head and body hold.
func (s *decoded) newReader(ctx context.Context, key string, c codec, head []byte, body io.ReadCloser, n int64) *reader {
	return &reader{ctx: ctx, source: s, key: key, codec: c, body: body, stream: s.take(c, head, body), left: n}
}

// Read implements [io.Reader]. Of a defect it tells behind everything that can
// be decoded before it.
func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.stream == nil:
		return 0, fmt.Errorf("decompress %q: %w", r.key, fs.ErrClosed)
	case r.err != nil:
		return 0, r.err
	case r.left == 0:
		r.err = io.EOF
		return 0, r.err
	case len(p) == 0:
		return 0, nil
	}
	if err := r.ctx.Err(); err != nil { // much may come of what was read before
		r.err = fmt.Errorf("decompress %q: %w", r.key, err)
		return 0, r.err
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.read(p)
	if r.left > 0 {
		r.left -= int64(n)
	}
	r.err = err
	return n, err
}

var errShort = errors.New("it is shorter than was asked for")

func (r *reader) read(p []byte) (n int, err error) {
	if !r.started {
		r.started = true
		err = r.stream.begin()
	}
	if err == nil {
		n, err = r.stream.decode(p)
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF || r.stream.in.err != io.EOF:
		return n, r.stream.verdict(r.codec, r.key, err)
	case r.left > int64(n):
		return n, fmt.Errorf("decompress %q: %w", r.key, errShort)
	}
	return n, io.EOF
}

// Close implements [io.Closer]. It must not be called during a Read.
func (r *reader) Close() error {
	if r.stream == nil {
		return nil
	}
	r.source.give(r.codec, r.stream)
	r.stream = nil
	return r.body.Close()
}
