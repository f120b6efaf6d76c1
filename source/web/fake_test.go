package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source/web"
)

// pipes is a network in memory, for bubbles of testing/synctest: its own
// listener and dialer.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{made: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.made <- server:
		return client, nil
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.made:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// transport is one like that of the source, over the pipes.
func (p *pipes) transport() *http.Transport {
	return &http.Transport{DialContext: p.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 100, MaxResponseHeaderBytes: 64 << 10}
}

// reply is what a fake sends: bytes as they stand, and what comes then.
type reply struct {
	raw  string
	then end
}

type end int

const (
	goOn   end = iota // the connection serves the next request
	cutOff            // the connection ends
	silent            // nothing comes any more
)

// ok is an answer of status 200 with headers, a length and a body.
func ok(body string, headers ...string) reply { return answer("200 OK", body, headers...) }

func answer(status, body string, headers ...string) reply {
	h := strings.Join(append(headers, "Date: "+at(day), "Content-Length: "+strconv.Itoa(len(body))), "\r\n")
	return reply{raw: "HTTP/1.1 " + status + "\r\n" + h + "\r\n\r\n" + body}
}

// day is when the fake answers.
var day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(t time.Time) string { return t.Format(http.TimeFormat) }

// fake is a server of which a test decides every byte.
type fake struct {
	mu       sync.Mutex
	requests []*http.Request
	answer   func(n int, r *http.Request) reply // n counts requests from 0
}

// transports are those by which a source reads: its own, and net/http, for what
// that does not reach and as a Config.Transport.
func (p *pipes) transports(timeout time.Duration) map[string]http.RoundTripper {
	return map[string]http.RoundTripper{own: web.NewPlain(p.DialContext, timeout), "net/http": p.transport()}
}

// own is the transport of a source without Config.Transport.
const own = "plain"

// bubble runs a test with a fake server in a bubble where waiting takes no time,
// over each transport.
func bubble(t *testing.T, answer func(n int, r *http.Request) reply, cfg web.Config, test func(t *testing.T, s *web.Source, f *fake)) {
	t.Helper()
	for transport := range newPipes().transports(0) {
		t.Run(transport, func(t *testing.T) { over(t, transport, answer, cfg, test) })
	}
}

// over is bubble over one transport, for a test that is not to be run twice.
func over(t *testing.T, transport string, answer func(n int, r *http.Request) reply, cfg web.Config, test func(t *testing.T, s *web.Source, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := newPipes()
		f := &fake{answer: answer}
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				c, err := net.Accept()
				if err != nil {
					return
				}
				serving.Go(func() { f.serve(c) })
			}
		})
		transport := net.transports(cfg.Timeout)[transport]
		cfg.Transport = transport
		s, err := web.New("http://files.example/feed", cfg)
		require.NoError(t, err)
		defer serving.Wait()
		defer net.Close()
		defer transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		test(t, s, f)
		require.NoError(t, s.Close())
	})
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		f.mu.Lock()
		n := len(f.requests)
		f.requests = append(f.requests, r)
		f.mu.Unlock()
		to := f.answer(n, r)
		if _, err := io.WriteString(c, to.raw); err != nil || to.then == cutOff {
			return
		}
		if to.then == silent {
			_, _ = io.Copy(io.Discard, in) // until the client gives up
			return
		}
	}
}

// paths returns what was asked for, in order.
func (f *fake) paths() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	paths := make([]string, len(f.requests))
	for i, r := range f.requests {
		paths[i] = r.Method + " " + r.RequestURI
	}
	return paths
}

// last returns the last request.
func (f *fake) last() *http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[len(f.requests)-1]
}
