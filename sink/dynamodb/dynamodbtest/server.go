package dynamodbtest

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/unspool-go/unspool/internal/standin"
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
	front    standin.Front
	injector standin.Injector[Call, Fault]

	data    sync.RWMutex // guards what follows
	tables  map[string]*table
	streams []*stream         // of all tables, those that are gone included, oldest first
	tokens  map[string]*spent // of transactions
}

// New starts a server. The caller closes it.
func New(cfg Config) (*Server, error) {
	cfg.Region = cmp.Or(cfg.Region, "us-east-1")
	cfg.Account = cmp.Or(cfg.Account, "123456789012")
	cfg.Burst = cmp.Or(cfg.Burst, 5*time.Minute)
	cfg.Shards = max(1, cfg.Shards)
	s := &Server{
		cfg:    cfg,
		tables: map[string]*table{},
		tokens: map[string]*spent{},
	}
	if err := s.front.Listen(cfg.Addr, s.serve); err != nil {
		return nil, fmt.Errorf("dynamodbtest: %w", err)
	}
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
func (s *Server) URL() string { return s.front.URL() }

// Close stops listening, cuts every connection and waits for the calls that
// are under way. What [Server.Items] returns stays.
func (s *Server) Close() { s.front.Close() }

// WaitHangup waits until every client that was connected has hung up. What those
// had sent that were killed has then been dealt with, though nobody heard the
// answer. A client that keeps its connections keeps it waiting, until ctx ends.
func (s *Server) WaitHangup(ctx context.Context) error {
	if err := s.front.WaitHangup(ctx); err != nil {
		return fmt.Errorf("dynamodbtest: %w", err)
	}
	return nil
}

// Requests is the number of HTTP requests that reached the server, those that
// it failed or cut included.
func (s *Server) Requests() int { return s.front.Requests() }

// Calls is the number of requests for one operation, such as "BatchWriteItem".
// Requests that an outage cut are not among them.
func (s *Server) Calls(operation string) int { return s.front.Calls(operation) }

// Advance moves the server's clock forward: shards roll over, records are
// trimmed, iterators expire and capacity is saved up as if d had passed. The Date of
// answers is by this clock too.
func (s *Server) Advance(d time.Duration) { s.front.Advance(d) }

// Outage cuts every connection on which a request arrives during the next d of
// the server's clock, before the request is looked at. Zero ends an outage.
func (s *Server) Outage(d time.Duration) { s.front.Outage(d) }
