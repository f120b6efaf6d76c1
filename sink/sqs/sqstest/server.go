package sqstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes a [Server]. The zero value works.
type Config struct {
	// Addr is the address to listen on. Defaults to "127.0.0.1:0", a free port.
	Addr string
	// Region and Account appear in ARNs and queue URLs. They default to
	// "us-east-1" and "123456789012". Requests signed for another region are
	// refused.
	Region, Account string
	// OnMessage, if set, is called once for every message accepted, before the
	// sender gets its answer. Calls come from several goroutines at once.
	OnMessage func(queue string, m Message)
	// DiscardBodies keeps no bodies: [Server.Messages] has them empty, and so
	// has ReceiveMessage. Sizes and checksums stay. It is for benchmarks.
	DiscardBodies bool
	// DiscardDeleted keeps no bodies and attributes of messages that were deleted,
	// so that what a run needs does not grow with what went through.
	DiscardDeleted bool
}

// Server is a running stand-in. All methods are safe for concurrent use.
type Server struct {
	cfg      Config
	listener net.Listener
	http     *http.Server
	url      string
	serving  sync.WaitGroup
	handling sync.WaitGroup

	requests atomic.Int64
	conns    connections
	injector atomic.Pointer[func(*Call) Fault]

	mu      sync.Mutex
	offset  time.Duration
	outage  time.Time
	moved   chan struct{} // closed when the clock moves
	calls   map[string]int
	queues  map[string]*queue
	deleted map[string]time.Time
}

// New starts a server. The caller closes it.
func New(cfg Config) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Account == "" {
		cfg.Account = "123456789012"
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("sqstest: %w", err)
	}
	s := &Server{
		cfg:      cfg,
		listener: l,
		url:      "http://" + l.Addr().String(),
		moved:    make(chan struct{}),
		calls:    map[string]int{},
		queues:   map[string]*queue{},
		deleted:  map[string]time.Time{},
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ConnState: s.conns.state}
	s.serving.Go(func() { _ = s.http.Serve(l) }) // ends with http.ErrServerClosed
	return s, nil
}

// TB is the part of testing.TB that [Start] needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatal(args ...any)
}

// Start starts a server that is closed at the end of the test.
func Start(t TB, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// URL is the endpoint, as the SDK's BaseEndpoint and AWS_ENDPOINT_URL_SQS take
// it: "http://127.0.0.1:port".
func (s *Server) URL() string { return s.url }

// Close stops listening, cuts every connection and waits for the calls that
// are under way. What [Server.Messages] returns stays.
func (s *Server) Close() {
	_ = s.http.Close()
	s.serving.Wait()
	s.handling.Wait()
}

// WaitHangup waits until every client that was connected has hung up. What those
// had sent that were killed has then been dealt with, though nobody heard the
// answer. A client that keeps its connections keeps it waiting, until ctx ends.
func (s *Server) WaitHangup(ctx context.Context) error {
	// Connections are accepted in turn: when this one is, all before it are.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return fmt.Errorf("sqstest: wait for clients to hang up: %w", err)
	}
	own := http.Transport{DisableKeepAlives: true}
	if resp, err := own.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	} // else it is cut, as in an outage: accepted all the same, if there was time for it
	if err := errors.Join(ctx.Err(), s.conns.wait(ctx)); err != nil {
		return fmt.Errorf("sqstest: wait for clients to hang up: %w", err)
	}
	return nil
}

// connections counts those that are open.
type connections struct {
	mu   sync.Mutex
	open int
	none chan struct{} // closed when open falls to zero; nil if nobody waits
}

func (c *connections) state(_ net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		c.open++
	case http.StateActive, http.StateIdle:
	case http.StateClosed, http.StateHijacked:
		c.open--
		if c.open == 0 && c.none != nil {
			close(c.none)
			c.none = nil
		}
	}
}

func (c *connections) wait(ctx context.Context) error {
	c.mu.Lock()
	if c.open == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Requests is the number of HTTP requests that reached the server, those that
// it failed or cut included.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Calls is the number of requests for one operation, such as
// "SendMessageBatch". Requests that an outage cut are not among them.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// Advance moves the server's clock forward. Messages become visible, delays and
// deduplication windows end and long polls return as if d had passed.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
	close(s.moved)
	s.moved = make(chan struct{})
}

// Outage cuts every connection on which a request arrives during the next d of
// the server's clock, before the request is looked at. Zero ends an outage.
func (s *Server) Outage(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = s.nowLocked().Add(d)
}

func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

func (s *Server) nowLocked() time.Time { return time.Now().Add(s.offset) }

// away reports whether an outage is under way.
func (s *Server) away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked().Before(s.outage)
}

// clockMoved returns a channel that is closed at the next Advance.
func (s *Server) clockMoved() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// queueNamed finds a queue by name, nil where there is none.
func (s *Server) queueNamed(name string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[name]
}
