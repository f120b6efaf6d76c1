package plainhttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"
)

// readBuffer is how much is read from a connection at once, in bytes: a small file
// with its header comes by one call. What is more goes past it.
const readBuffer = 16 << 10

// errNoAnswer marks that a connection ended before the first byte of an answer.
var errNoAnswer = errors.New("the connection ended before the answer")

// conn is a connection. One request is on it at a time.
type conn struct {
	t     *Transport
	net   net.Conn
	ctx   context.Context // of the request
	body  bool            // the header has been read
	raw   syscall.RawConn // of net; nil where that has none
	in    *bufio.Reader
	out   []byte    // the request
	text  []byte    // the header
	since time.Time // when it became idle

	expire func() // makes calls that block return
	look   func(fd uintptr) bool
	quiet  bool // what look found
}

func newConn(t *Transport, raw net.Conn) *conn {
	c := &conn{t: t, net: raw}
	c.in = bufio.NewReaderSize(patient{c}, readBuffer)
	if sys, ok := raw.(syscall.Conn); ok {
		c.raw, _ = sys.SyscallConn() // an error is one of the next request, too
	}
	c.expire = func() { _ = raw.SetDeadline(past) }
	c.look = func(fd uintptr) bool {
		c.quiet = nothingOn(fd)
		return true
	}
	return c
}

func (c *conn) close() { _ = c.net.Close() } // whatever mattered has been read

// silent reports whether nothing has come since the last answer, not even the end.
// What came would otherwise count as the answer to the next request.
func (c *conn) silent() bool {
	if c.in.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	c.quiet = false
	return c.raw.Read(c.look) == nil && c.quiet
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// patient reads from a connection, as long as the server says something. For the
// header there is but one time: it could come byte by byte.
type patient struct{ *conn }

// Read implements [io.Reader].
func (p patient) Read(buf []byte) (int, error) {
	if p.body {
		if err := p.wait(); err != nil {
			return 0, err
		}
	}
	n, err := p.net.Read(buf)
	if err != nil && err != io.EOF {
		err = cancelled(p.ctx, err)
	}
	return n, err
}

// wait gives the server time anew. The end of the context sets a deadline that is
// over: one that comes in between is seen afterwards.
func (c *conn) wait() error {
	_ = c.net.SetDeadline(time.Now().Add(c.t.cfg.Silence)) // it fails where the next call does
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

// do sends a request and reads the header of the answer. Its body, or an error,
// ends the use of the connection.
func (c *conn) do(ctx context.Context, req *http.Request) (*http.Response, error) {
	c.ctx, c.body = ctx, false
	stop := context.AfterFunc(ctx, c.expire)
	resp, h, err := c.exchange(req)
	if err != nil {
		stop()
		c.close()
		return nil, cancelled(ctx, err)
	}
	c.body = true
	b := &body{c: c, stop: stop, keep: h.keep, left: h.length}
	switch {
	case h.empty:
		b.end(nil)
		resp.Body = http.NoBody
		return resp, nil
	case h.chunked:
		b.chunks = newChunks(c.in, c.t.cfg.MaxHeaderBytes-len(c.text))
	case h.length < 0:
		b.keep = false // the end of the connection is that of the body
	}
	resp.Body = b
	return resp, nil
}

func (c *conn) exchange(req *http.Request) (*http.Response, head, error) {
	var err error
	if c.out, err = appendRequest(c.out[:0], req); err != nil {
		return nil, head{}, err
	}
	if err := c.wait(); err != nil {
		return nil, head{}, err
	}
	if _, err := c.net.Write(c.out); err != nil {
		return nil, head{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if _, err := c.in.Peek(1); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, head{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	c.text = c.text[:0]
	for range maxProvisional + 1 {
		h, err := c.readHead(req.Method)
		if err != nil {
			return nil, head{}, err
		}
		if h.code >= 200 {
			return h.response(req), h, nil
		}
	}
	return nil, head{}, malformed("provisional answers and no other")
}

// appendRequest appends a request as it is sent.
func appendRequest(dst []byte, req *http.Request) ([]byte, error) {
	uri := req.URL.RequestURI()
	for _, c := range []byte(uri) {
		if c <= ' ' || c >= 0x7f {
			return dst, errors.New("plainhttp: the URL holds what cannot be sent")
		}
	}
	dst = append(dst, req.Method...)
	dst = append(dst, ' ')
	dst = append(dst, uri...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, req.URL.Host...)
	dst = append(dst, "\r\n"...)
	for name, values := range req.Header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				return dst, errors.New("plainhttp: a header cannot be sent")
			}
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			dst = append(dst, value...)
			dst = append(dst, "\r\n"...)
		}
	}
	return append(dst, "\r\n"...), nil
}
