package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	if err != nil {
		r.closeBody()
		if err != io.EOF {
			err = fmt.Errorf("web: read %q: %w", r.key, err)
		}
	}
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.at == r.end {
			return 0, r.finish()
		}
		if r.end >= 0 {
			p = p[:min(int64(len(p)), r.end-r.at)]
		}
		n, err := r.body.Read(p)
		r.at += int64(n)
		r.again.progress(n)
		switch {
		case err == io.EOF && r.end < 0: // and the end is marked
			r.end = r.at
			err = nil
		case err == io.EOF && r.at == r.end:
			err = nil
		case err == io.EOF:
			err = cut(r.at, r.end)
		}
		if err != nil {
			err = r.resume(err)
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// resume asks for the rest of the range after cause, or returns why not.
func (r *reader) resume(cause error) error {
	r.closeBody()
	if fault.Is(cause, fault.ClassInterrupted) && r.marks.ifRange == "" {
		return fmt.Errorf("%w (not resumed: the server gives no mark that stands for these very bytes)", cause)
	}
	return r.again.retry(r.ctx, cause, r.reopen)
}

// reopen asks for the rest of the range, and makes sure that it is one of the
// object that was opened.
func (r *reader) reopen() error {
	r.closeBody()
	resp, err := r.get(time.Time{}, r.marks.ifRange) //nolint:bodyclose // the body is r.body
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		part, err := r.part(resp)
		if err != nil {
			return err
		}
		return r.same(resp, part.total)
	case http.StatusOK: // it changed, or the server knows no ranges
		if err := r.same(resp, resp.ContentLength); err != nil {
			return err
		}
		r.more = r.end != r.marks.object.Size
		_, err := io.CopyN(io.Discard, r.body, r.at)
		if err == io.EOF {
			return source.ErrChanged
		}
		return err
	case http.StatusRequestedRangeNotSatisfiable:
		return source.ErrChanged
	}
	return statusError(resp)
}

// same checks that an answer is about the object that was opened.
func (r *reader) same(resp *http.Response, size int64) error {
	if !r.marks.object.SameAs(marksOf(r.key, resp.Header, size).object) {
		return source.ErrChanged
	}
	return nil
}

// finish returns io.EOF if the object is still what it was when it was opened.
func (r *reader) finish() error {
	if r.body != nil && !r.more {
		var one [1]byte
		if n, _ := r.body.Read(one[:]); n > 0 { // all bytes have come: an error does not matter any more
			return source.ErrChanged
		}
	}
	r.closeBody()
	check := func() error {
		switch now, err := r.s.look(r.ctx, r.key); {
		case errors.Is(err, fs.ErrNotExist): // removed since: what was open was read to its end
		case errors.Is(err, errNoHead):
		case err != nil:
			return err
		case !r.marks.object.SameAs(now):
			return source.ErrChanged
		}
		return nil
	}
	if err := r.again.retry(r.ctx, check(), check); err != nil {
		return err
	}
	return io.EOF
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.closeBody()
	if r.err == nil {
		r.err = fmt.Errorf("web: read %q: %w", r.key, fs.ErrClosed)
	}
	return nil
}

// backoff counts how often something was tried again after an outage.
type backoff struct {
	most  int // times in a row
	tried int
	since int // bytes since the last time
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
	// enough progress, in bytes, that the next outage is another.
	enough = 64 << 10
)

// progress notes that n bytes came.
func (b *backoff) progress(n int) {
	if b.tried == 0 {
		return
	}
	if b.since += n; b.since >= enough {
		b.tried, b.since = 0, 0
	}
}

// retry calls try until it succeeds, as long as the error, at first err, may
// pass. It returns the last error.
func (b *backoff) retry(ctx context.Context, err error, try func() error) error {
	for err != nil && fault.Is(err, fault.ClassInterrupted) && b.tried < b.most {
		pause := min(firstPause<<b.tried, longPause)
		b.tried++
		b.since = 0
		if ended := sleep.For(ctx, pause); ended != nil {
			return ended
		}
		err = try()
	}
	return err
}
