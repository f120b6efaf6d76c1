package dynamodbtest

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
	// Region and Account appear in ARNs. They default to "us-east-1" and
	// "123456789012". Requests signed for another region are refused.
	Region, Account string
	// Shards is how many open shards a new stream has. Defaults to 1.
	Shards int
	// Creating is how long a table that CreateTable made is CREATING, by the
	// server's clock. The answer of CreateTable says CREATING in any case.
	Creating time.Duration
	// Burst is for how long a provisioned table saves up units that are not used.
	// Defaults to 5 minutes, as on AWS. New tables have saved up all of it.
	Burst time.Duration
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

	mu     sync.Mutex
	offset time.Duration
	outage time.Time
	calls  map[string]int

	data    sync.RWMutex // taken before mu
	tables  map[string]*table
	streams []*stream         // of all tables, those that are gone included, oldest first
	tokens  map[string]*spent // of transactions
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
	if cfg.Burst == 0 {
		cfg.Burst = 5 * time.Minute
	}
	cfg.Shards = max(1, cfg.Shards)
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("dynamodbtest: %w", err)
	}
	s := &Server{
		cfg:      cfg,
		listener: l,
		url:      "http://" + l.Addr().String(),
		calls:    map[string]int{},
		tables:   map[string]*table{},
		tokens:   map[string]*spent{},
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

// URL is the endpoint, as the SDK's BaseEndpoint, AWS_ENDPOINT_URL_DYNAMODB and
// AWS_ENDPOINT_URL_DYNAMODB_STREAMS take it: "http://127.0.0.1:port".
func (s *Server) URL() string { return s.url }

// Close stops listening, cuts every connection and waits for the calls that
// are under way. What [Server.Items] returns stays.
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
		return fmt.Errorf("dynamodbtest: wait for clients to hang up: %w", err)
	}
	own := http.Transport{DisableKeepAlives: true}
	if resp, err := own.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	} // else it is cut, as in an outage: accepted all the same, if there was time for it
	if err := errors.Join(ctx.Err(), s.conns.wait(ctx)); err != nil {
		return fmt.Errorf("dynamodbtest: wait for clients to hang up: %w", err)
	}
	return nil
}

// Requests is the number of HTTP requests that reached the server, those that
// it failed or cut included.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Calls is the number of requests for one operation, such as "BatchWriteItem".
// Requests that an outage cut are not among them.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

func (s *Server) count(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
}

// Advance moves the server's clock forward: shards roll over, records are
// trimmed, iterators expire and capacity is saved up as if d had passed. The Date of
// answers is by this clock too.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
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
