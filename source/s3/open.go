package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Open implements [source.Source]. A body that is cut is resumed where it was,
// as long as something comes at all; every further request is for the ETag of
// the first, so that what is read is never a mix. An object of more than
// Config.PartBytes whose size was listed is read in parts side by side.
func (s *Source) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	r, found, err := s.open(ctx, o, off, n)
	if err != nil {
		return nil, found, fmt.Errorf("s3: open %q: %w", o.Key, err)
	}
	return r, found, nil
}

func (s *Source) open(ctx context.Context, o source.Object, off, n int64) (*reader, source.Object, error) {
	want := part{off, -1}
	if n >= 0 {
		want.end = off + min(n, maxObjectBytes)
	} else if o.Size >= 0 {
		want.end = o.Size
	}
	switch {
	case off < 0, o.Size >= 0 && max(off, want.end) > o.Size:
		return nil, source.Object{}, outside(want, o.Size)
	case want.off == want.end:
		return s.openEmpty(ctx, o, want)
	}
	first := want
	if size := s.chunk(); want.end-want.off > size {
		first.end = want.off + size
	}
	if first.off == 0 && first.end == o.Size {
		first.end = -1 // no range: checksums are of whole objects
	}
	reading, cancel := context.WithCancel(ctx)
	a, err := s.get(reading, o, s.ifMatch(o), first)
	if err != nil {
		cancel()
		if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
			return s.openEmpty(ctx, o, want)
		}
		return nil, source.Object{}, err
	}
	if want.end < 0 {
		want.end = a.found.Size
	}
	r := &reader{
		s: s, ctx: reading, cancel: cancel, found: a.found, etag: a.etag,
		next: min(a.part.end, want.end), end: want.end,
	}
	r.direct = r.stretch(part{want.off, r.next})
	r.direct.a = a
	r.readAhead()
	return r, a.found, nil
}

// openEmpty opens no bytes of an object: a range of none cannot be asked for.
func (s *Source) openEmpty(ctx context.Context, o source.Object, want part) (*reader, source.Object, error) {
	found, _, err := s.head(ctx, o.Key, s.ifMatch(o))
	switch {
	case err != nil:
		return nil, source.Object{}, err
	case !o.SameAs(found):
		return nil, found, source.ErrChanged
	case max(want.off, want.end) > found.Size, want.end < 0 && want.off != found.Size:
		return nil, found, outside(want, found.Size)
	}
	ctx, cancel := context.WithCancel(ctx)
	return &reader{s: s, ctx: ctx, cancel: cancel, found: found}, found, nil
}

// chunk is the size of the parts in which an object is read.
func (s *Source) chunk() int64 {
	if s.cfg.AheadBytes < s.cfg.PartBytes || s.cfg.Parallel < 2 {
		return maxObjectBytes // nothing is read ahead: one request
	}
	return s.cfg.PartBytes
}

// maxObjectBytes is more than an object of S3 can have (50 TB).
const maxObjectBytes = 1 << 46

// reader reads a stretch of an object, in order: the part whose turn it is
// straight from the connection or, if that was read ahead, from memory.
type reader struct {
	s      *Source
	ctx    context.Context
	cancel context.CancelFunc
	found  source.Object
	etag   string
	next   int64 // where the first part begins that nobody has asked for
	end    int64

	direct  *stretch
	ahead   *aheadPart   // whose turn it is
	queue   []*aheadPart // whose turn comes
	running sync.WaitGroup

	err error // of the last read, io.EOF among them
}

func (r *reader) stretch(p part) *stretch {
	return &stretch{s: r.s, ctx: r.ctx, found: r.found, etag: r.etag, part: p}
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("s3: read %q: %w", r.found.Key, err)
	}
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, fault.Interrupted(err)
		}
		switch {
		case r.direct != nil:
			n, err := r.direct.read(p)
			if err == io.EOF {
				r.direct.close()
				r.direct, err = nil, nil
			}
			if n > 0 || err != nil {
				return n, err
			}
		case r.ahead != nil:
			n := copy(p, r.ahead.rest)
			r.ahead.rest = r.ahead.rest[n:]
			if len(r.ahead.rest) == 0 {
				r.ahead.release(r.s)
				r.ahead = nil
			}
			return n, nil
		default:
			if err := r.turn(); err != nil {
				return 0, err
			}
		}
	}
}

// turn goes on to the next part, or returns io.EOF if there is none.
func (r *reader) turn() error {
	switch {
	case len(r.queue) > 0:
		part := r.queue[0]
		select {
		case <-part.done:
		case <-r.ctx.Done():
			return nil // read tells
		}
		if part.err != nil {
			return part.err
		}
		r.ahead, r.queue = part, r.queue[1:]
	case r.next < r.end:
		from := r.next
		r.next = min(from+r.s.chunk(), r.end)
		r.direct = r.stretch(part{from, r.next})
	default:
		return io.EOF
	}
	r.readAhead()
	return nil
}

// readAhead has as many parts fetched as may be under way.
func (r *reader) readAhead() {
	for size := r.s.chunk(); r.next < r.end && len(r.queue) < r.s.cfg.Parallel-1 && r.s.ahead.take(size); {
		a := &aheadPart{size: size, done: make(chan struct{})}
		t := r.stretch(part{r.next, min(r.next+size, r.end)})
		r.next = t.part.end
		r.queue = append(r.queue, a)
		r.running.Go(func() { a.fetch(t) })
	}
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.cancel()
	r.running.Wait()
	if r.direct != nil {
		r.direct.close()
		r.direct = nil
	}
	if r.ahead != nil {
		r.ahead.release(r.s)
		r.ahead = nil
	}
	for _, part := range r.queue {
		part.release(r.s)
	}
	r.queue = nil
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}

var errClosed = errors.New("s3: the reader is closed")
