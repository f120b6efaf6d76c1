package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// target is the URL of what stands under a path below the root.
func (s *Source) target(path string) *url.URL { return belowURL(&s.root, path) }

// send sends a request for a path below the root over t and returns the answer, of
// whatever status. Redirects are not followed. The caller closes the body, which
// is a *body. An error is marked.
func (s *Source) send(ctx context.Context, t http.RoundTripper, method, path string, header http.Header) (*http.Response, error) {
	return s.sendTo(ctx, t, method, s.target(path), header, "")
}

// sendTo is send to any URL, with a content.
func (s *Source) sendTo(ctx context.Context, t http.RoundTripper, method string, to *url.URL, header http.Header, content string) (*http.Response, error) {
	b := &body{ctx: ctx, timeout: s.cfg.Timeout}
	req := s.request.WithContext(ctx) // a copy
	req.Method, req.URL, req.Header = method, to, header
	if content != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(content)), int64(len(content))
	}
	if own, ok := t.(*transport); !ok || !own.plainly(req) {
		b.watch()
		req = req.WithContext(b.ctx)
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		err = b.explain(err)
		b.unwatch()
		return nil, err
	}
	b.pause()
	b.in, resp.Body = resp.Body, b
	return resp, nil
}

// sendInSlot is send on one of the connections that read objects. It waits for
// one. Closing the body gives it back.
func (s *Source) sendInSlot(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	return s.inSlot(ctx, func() (*http.Response, error) { return s.send(ctx, s.reads, method, path, header) })
}

func (s *Source) inSlot(ctx context.Context, send func() (*http.Response, error)) (*http.Response, error) {
	select {
	case s.slots <- struct{}{}:
	default:
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	resp, err := send()
	if err != nil {
		<-s.slots
		return nil, err
	}
	resp.Body.(*body).slots = s.slots
	return resp, nil
}

var errSilent = errors.New("the server keeps silent")

// body is the body of an answer. A server that keeps silent while it is read
// fails it; the time between reads is not the server's.
type body struct {
	in      io.ReadCloser
	ctx     context.Context // of the request
	timeout time.Duration
	slots   chan struct{} // where the connection is given back to; nil for nowhere

	// Where the transport does not look to it that the server does not keep silent:
	cancel context.CancelCauseFunc
	timer  *time.Timer // cancels ctx
}

// watch begins to wait for the server.
func (b *body) watch() {
	b.ctx, b.cancel = context.WithCancelCause(b.ctx)
	b.timer = time.AfterFunc(b.timeout, func() { b.cancel(errSilent) })
}

// pause says that nobody waits for the server.
func (b *body) pause() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// unwatch says that nobody will any more.
func (b *body) unwatch() {
	if b.timer != nil {
		b.timer.Stop()
		b.cancel(nil)
	}
}

// Read implements [io.Reader]. Its errors, but io.EOF, are marked.
func (b *body) Read(p []byte) (int, error) {
	if b.timer != nil {
		b.timer.Reset(b.timeout)
	}
	n, err := b.in.Read(p)
	b.pause()
	if err != nil && err != io.EOF {
		err = b.explain(err)
	}
	return n, err
}

// Close implements [io.Closer]. It may be called again.
func (b *body) Close() error {
	if b.in == nil {
		return nil
	}
	err := b.in.Close()
	b.in = nil
	b.unwatch()
	if b.slots != nil {
		<-b.slots
	}
	return err
}

// maxDrained is how much of an answer that nobody wants is read, so that its
// connection can be used again.
const maxDrained = 16 << 10

// discard closes the body of an answer that nobody wants.
func discard(resp *http.Response) {
	if resp.ContentLength <= maxDrained {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrained) // no error matters any more
	}
	_ = resp.Body.Close()
}

// explain says what an error of the transport means.
func (b *body) explain(err error) error {
	switch {
	case context.Cause(b.ctx) == errSilent, b.ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Interrupted(fmt.Errorf("%w for %v", errSilent, b.timeout))
	case b.ctx.Err() != nil:
		return b.ctx.Err() // of the caller's context
	}
	return transportError(err)
}
