package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/unspool-go/unspool/source"
)

// Open implements [source.Source]. A body that is cut is asked for again from
// where it was cut, with If-Range, if the server gave a strong ETag or else a
// time of modification that stands for one content; otherwise the cut is an
// error. At the end the object is looked at once more.
func (s *Source) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	r := &reader{s: s, ctx: ctx, key: o.Key, at: off, end: -1, again: backoff{most: s.cfg.Retries}}
	if n >= 0 {
		r.end = off + n
	}
	found, err := r.open(o)
	if err != nil {
		r.closeBody()
		return nil, found, fmt.Errorf("web: open %q: %w", o.Key, err)
	}
	return r, found, nil
}

// reader reads a range of an object.
type reader struct {
	s     *Source
	ctx   context.Context
	key   string
	marks marks // of the object as it was opened
	at    int64 // where the next read starts
	end   int64 // of the range; -1 where the end of the body tells it
	body  io.ReadCloser
	more  bool // the body goes on behind the range
	again backoff
	err   error // of the last read, io.EOF among them
}

func (r *reader) open(o source.Object) (source.Object, error) {
	if err := r.s.ready(r.ctx, o.Key); err != nil {
		return source.Object{}, err
	}
	if r.at < 0 || r.end >= 0 && r.end < r.at {
		return source.Object{}, fmt.Errorf("offset %d is negative, or too large", r.at)
	}
	if r.end == r.at {
		return r.openEmpty(o)
	}
	resp, err := r.get(o.ModTime, "")
	if err != nil {
		return source.Object{}, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return r.openWhole(o, resp)
	case http.StatusPartialContent:
		return r.openPart(o, resp)
	case http.StatusRequestedRangeNotSatisfiable:
		r.closeBody()
		return r.openEmpty(o) // or behind the end
	}
	discard(resp)
	return source.Object{}, statusError(resp)
}

// openWhole begins to read an answer that holds the whole object.
func (r *reader) openWhole(o source.Object, resp *http.Response) (source.Object, error) {
	r.marks = marksOf(o.Key, resp.Header, resp.ContentLength)
	found := r.marks.object
	size := found.Size
	switch {
	case !o.SameAs(found):
		return found, source.ErrChanged
	case r.at > 0:
		return found, source.ErrNoRange
	case size < 0 && o.Size < 0 && !endIsMarked(resp):
		return found, errNoLength
	case size < 0:
		size = o.Size // by the listing
	}
	r.more = r.end >= 0
	return found, r.bound(size)
}

// openPart begins to read an answer that holds a range of the object.
func (r *reader) openPart(o source.Object, resp *http.Response) (source.Object, error) {
	part, err := r.part(resp)
	if err != nil {
		return source.Object{}, err
	}
	r.marks = marksOf(o.Key, resp.Header, part.total)
	if !o.SameAs(r.marks.object) {
		return r.marks.object, source.ErrChanged
	}
	size := part.total
	if size < 0 {
		size = o.Size
	}
	if size < 0 && r.end < 0 {
		return r.marks.object, errNoLength
	}
	return r.marks.object, r.bound(size)
}

// part checks that a 206 holds bytes from r.at on.
func (r *reader) part(resp *http.Response) (contentRange, error) {
	part, ok := parseRange(first(resp.Header, "Content-Range"))
	if !ok || part.first != r.at {
		return contentRange{}, errors.New("the server sends another range than asked for")
	}
	r.more = r.end >= 0 && part.last >= r.end
	return part, nil
}

// bound settles where the range ends in an object of so many bytes, -1 for
// unknown.
func (r *reader) bound(size int64) error {
	switch {
	case size < 0:
	case r.at > size || r.end > size:
		return fmt.Errorf("range from %d to %d is outside of %d bytes", r.at, r.end, size)
	case r.end < 0:
		r.end = size
	}
	return nil
}

// openEmpty opens a range without a byte in it, or finds that it is outside.
func (r *reader) openEmpty(o source.Object) (source.Object, error) {
	found, err := r.s.look(r.ctx, o.Key)
	switch {
	case err != nil:
		return found, err
	case !o.SameAs(found):
		return found, source.ErrChanged
	case found.Size < 0:
		return found, errNoLength
	}
	r.marks.object = found
	if err := r.bound(found.Size); err != nil {
		return found, err
	}
	if r.at != r.end {
		return found, errors.New("the server refuses the range")
	}
	return found, nil
}

// get asks for what is left of the range, under the conditions given, and takes
// the body of the answer.
func (r *reader) get(unmodifiedSince time.Time, ifRange string) (*http.Response, error) {
	h := r.s.header.Clone()
	if r.at > 0 || r.end >= 0 {
		h["Range"] = []string{rangeHeader(r.at, r.end)}
	}
	if !unmodifiedSince.IsZero() {
		h["If-Unmodified-Since"] = []string{unmodifiedSince.UTC().Format(http.TimeFormat)}
	}
	if ifRange != "" {
		h["If-Range"] = []string{ifRange}
	}
	resp, err := r.s.sendInSlot(r.ctx, http.MethodGet, r.key, h)
	if err != nil {
		return nil, err
	}
	r.body = resp.Body
	return resp, checkCoding(r.key, resp)
}

// look asks for the marks of an object.
func (s *Source) look(ctx context.Context, key string) (source.Object, error) {
	resp, err := s.sendInSlot(ctx, http.MethodHead, key, s.header)
	if err != nil {
		return source.Object{}, err
	}
	_ = resp.Body.Close() // there is none
	switch resp.StatusCode {
	case http.StatusOK:
		return marksOf(key, resp.Header, resp.ContentLength).object, nil
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return source.Object{}, fmt.Errorf("%w: %w", statusError(resp), errNoHead)
	}
	return source.Object{}, statusError(resp)
}

// errNoHead says that a server does not answer HEAD.
var errNoHead = errors.New("HEAD is not allowed")

func (r *reader) closeBody() {
	if r.body != nil {
		_ = r.body.Close() // only read: what matters has come to light before
		r.body = nil
	}
}
