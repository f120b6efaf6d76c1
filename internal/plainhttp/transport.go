// Package plainhttp reads small files from one server over HTTP/1.1 at half of what
// net/http takes for it.
//
// It is for GET and HEAD without a content, over connections that are not
// encrypted, to a server that is known: no proxies, no redirects, no other
// versions. A connection is written to and read from by the goroutine that asks,
// where net/http has two more for each and hands everything over twice.
//
// It takes less than net/http does: whatever RFC 9112 calls malformed is an error,
// never a guess (see [Transport.RoundTrip]). What it takes it reads as net/http
// does; tests hold the two side by side. docs/decisions/0017 says why it is not
// fasthttp.
package plainhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Config says how the server is reached.
type Config struct {
	// Host is the server, as it stands in its URLs: with the port where that is not
	// 80. Required, and one that is reached (see [Reaches]).
	Host string
	// DialContext makes a connection. Required.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxHeaderBytes is how long the header of an answer may be, those of
	// provisional answers and the trailer included. Defaults to 64 KiB.
	MaxHeaderBytes int
	// MaxIdle is how many connections are kept that nobody uses. Defaults to 2.
	MaxIdle int
	// IdleTimeout is how long they are, at most as long as Silence. Defaults to a
	// minute.
	IdleTimeout time.Duration
	// Silence is how long the server may take to be connected to, then to answer
	// with a whole header, and how long it may keep silent while the body is read.
	// Time in which nobody reads does not count. Defaults to a minute.
	Silence time.Duration
}

// Transport is an [http.RoundTripper]. It is safe for concurrent use; the body of
// an answer belongs to one goroutine at a time.
type Transport struct {
	cfg  Config
	addr string

	mu    sync.Mutex
	idle  []*conn // the one that was used last comes last
	sweep *time.Timer
	none  bool // nobody wants idle connections any more
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns the Transport to a server. It connects to nothing yet.
func New(cfg Config) *Transport {
	def(&cfg.MaxHeaderBytes, 64<<10)
	def(&cfg.MaxIdle, 2)
	def(&cfg.IdleTimeout, time.Minute)
	def(&cfg.Silence, time.Minute)
	cfg.IdleTimeout = min(cfg.IdleTimeout, cfg.Silence)
	addr := cfg.Host
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr += ":80"
	}
	return &Transport{cfg: cfg, addr: addr}
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Reaches reports whether a Transport can be made for a host: one that stands in a
// header as it is written in a URL, which names in Unicode and zones do not.
func Reaches(host string) bool {
	if host == "" || host[len(host)-1] == ':' || !httpguts.ValidHostHeader(host) {
		return false
	}
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7f || c == '%' {
			return false
		}
	}
	return true
}

// RoundTrip implements [http.RoundTripper] for GET and HEAD without a content to
// the one server; other requests are errors.
//
// The end of the request's context ends whatever goes on, the reading of the body
// included. A server that keeps silent for too long is os.ErrDeadlineExceeded. A
// connection that the server closed before it began to answer is replaced by a new
// one, once.
//
// These are errors, of the class of malformed answers: headers that are too long;
// lines folded into another; control characters; lengths that are no number, or
// more than one; a length and chunks; other codings than chunks; switching protocols. A
// body that ends before its length, or without its last chunk, is
// io.ErrUnexpectedEOF. Errors quote nothing of an answer.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.Takes(req) {
		return nil, errors.New("plainhttp: no request for this transport")
	}
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if c := t.take(); c != nil {
		resp, err := c.do(ctx, req)
		if err == nil || !errors.Is(err, errNoAnswer) || errors.Is(err, os.ErrDeadlineExceeded) {
			return resp, err
		}
	}
	c, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, req)
}

// cancelled returns why a context ended, if it did, in place of an error.
func cancelled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Takes reports whether RoundTrip does for a request.
func (t *Transport) Takes(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == http.MethodHead) && (req.Body == nil || req.Body == http.NoBody) &&
		req.URL.Scheme == "http" && req.URL.Host == t.cfg.Host
}

func (t *Transport) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.cfg.Silence, os.ErrDeadlineExceeded)
	defer cancel()
	raw, err := t.cfg.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, cancelled(ctx, err)
	}
	return newConn(t, raw), nil
}

// take returns an idle connection on which the server has said nothing, or nil.
func (t *Transport) take() *conn {
	for {
		t.mu.Lock()
		t.none = false
		last := len(t.idle) - 1
		if last < 0 {
			t.mu.Unlock()
			return nil
		}
		c := t.idle[last]
		t.idle[last] = nil
		t.idle = t.idle[:last]
		t.mu.Unlock()
		if c.silent() {
			return c
		}
		c.close()
	}
}

// put keeps a connection for the next request.
func (t *Transport) put(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.none || len(t.idle) >= t.cfg.MaxIdle {
		c.close()
		return
	}
	c.since = time.Now()
	t.idle = append(t.idle, c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.cfg.IdleTimeout, t.closeOld)
	}
}

// closeOld closes connections that nobody has used for a while, and comes back for
// the others.
func (t *Transport) closeOld() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, old := time.Now(), 0
	for old < len(t.idle) && now.Sub(t.idle[old].since) >= t.cfg.IdleTimeout {
		t.idle[old].close()
		old++
	}
	n := copy(t.idle, t.idle[old:])
	clear(t.idle[n:])
	t.idle = t.idle[:n]
	t.sweep = nil
	if n > 0 {
		t.sweep = time.AfterFunc(t.cfg.IdleTimeout-now.Sub(t.idle[0].since), t.closeOld)
	}
}

// CloseIdleConnections closes the connections that nobody uses, and until the next
// request those that come back.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		c.close()
	}
	t.idle, t.none = nil, true
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}
