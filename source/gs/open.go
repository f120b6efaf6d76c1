package gs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Open implements [source.Source], with one request, on condition of the
// generation. A body that is cut is resumed where it was.
func (s *Source) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	r, found, err := s.open(ctx, o, off, n)
	if err != nil {
		return nil, found, fmt.Errorf("gs: open %q: %w", o.Key, err)
	}
	return r, found, nil
}

func (s *Source) open(ctx context.Context, o source.Object, off, n int64) (*reader, source.Object, error) {
	h, err := s.handle(o.Key)
	if err != nil {
		return nil, source.Object{}, err
	}
	found, gen, err := s.find(ctx, o)
	if err != nil {
		return nil, found, err
	}
	end := found.Size
	if n >= 0 && n < found.Size-off {
		end = off + n
	}
	switch {
	case off < 0 || off > found.Size || n > found.Size-off:
		return nil, found, fmt.Errorf("%d bytes from %d on are outside of %d bytes", n, off, found.Size)
	case off == end:
		return s.openEmpty(ctx, o)
	}
	body, err := gcpclient.Open(ctx, gcpclient.Stretch{
		Object: h, Generation: gen, Size: found.Size, Off: off, End: end, Idle: s.cfg.Timeout,
	})
	if err != nil {
		return nil, source.Object{}, ofObject(ctx, err)
	}
	return &reader{s: s, ctx: ctx, key: o.Key, body: body}, found, nil
}

// openEmpty opens no bytes of an object: a range of none cannot be asked for.
func (s *Source) openEmpty(ctx context.Context, o source.Object) (*reader, source.Object, error) {
	a, err := s.stat(ctx, o.Key)
	if err != nil {
		return nil, source.Object{}, err
	}
	found := object(o.Key, a)
	if !same(o, found) {
		return nil, found, source.ErrChanged
	}
	return &reader{s: s, ctx: ctx, key: o.Key}, found, nil
}

// reader reads a stretch of an object, or nothing where there is no body.
type reader struct {
	s    *Source
	ctx  context.Context
	key  string
	body *gcpclient.Reader
	err  error // of the last read, io.EOF among them
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("gs: read %q: %w", r.key, err)
	}
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	switch end := r.ctx.Err(); {
	case end != nil:
		return 0, fault.Interrupted(end)
	case r.body == nil:
		return 0, io.EOF
	}
	n, err := r.body.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	err = ofObject(r.ctx, err)
	if errors.Is(err, fs.ErrNotExist) { // that generation is: another may be there
		if _, now := r.s.stat(r.ctx, r.key); now == nil {
			err = fmt.Errorf("%w: %w", source.ErrChanged, err)
		}
	}
	return n, err
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	if r.err == nil {
		r.err = errClosed
	}
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

var errClosed = errors.New("gs: the reader is closed")

// ReadObject implements [source.SmallReader]: one request. An object whose
// listed size is more than max is not asked for.
func (s *Source) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	out, found, err := s.readObject(ctx, o, dst, max)
	if err != nil {
		return dst, found, fmt.Errorf("gs: read %q: %w", o.Key, err)
	}
	return out, found, nil
}

func (s *Source) readObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if o.Size > int64(max) {
		return dst, o, source.ErrTooLarge
	}
	// What find looks up here, Open need not.
	found, _, err := s.find(ctx, o)
	if err != nil {
		return dst, found, err
	}
	if found.Size > int64(max) {
		return dst, found, source.ErrTooLarge
	}
	r, found, err := s.open(ctx, found, 0, -1)
	if err != nil {
		return dst, found, err
	}
	defer r.Close()
	// One byte more than there should be: the read that leaves it free meets the
	// end, and with it the comparison of checksums.
	want := int(found.Size)
	out := slices.Grow(dst, want+1)
	room := out[len(dst) : len(dst)+want+1]
	for got := 0; ; {
		n, err := r.read(room[got:])
		switch got += n; {
		case err == io.EOF:
			return out[:len(dst)+want], found, nil
		case err != nil:
			return dst, found, err
		}
	}
}
