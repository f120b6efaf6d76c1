package sqstest

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
	front    standin.Front
	injector standin.Injector[Call, Fault]

	mu      sync.Mutex // guards what follows
	queues  map[string]*queue
	deleted map[string]time.Time
}

// New starts a server. The caller closes it.
func New(cfg Config) (*Server, error) {
	cfg.Region = cmp.Or(cfg.Region, "us-east-1")
	cfg.Account = cmp.Or(cfg.Account, "123456789012")
	s := &Server{
		cfg:     cfg,
		queues:  map[string]*queue{},
		deleted: map[string]time.Time{},
	}
	if err := s.front.Listen(cfg.Addr, s.serve); err != nil {
		return nil, fmt.Errorf("sqstest: %w", err)
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

// URL is the endpoint, as the SDK's BaseEndpoint and AWS_ENDPOINT_URL_SQS take
// it: "http://127.0.0.1:port".
func (s *Server) URL() string { return s.front.URL() }

// Close stops listening, cuts every connection and waits for the calls that
// are under way. What [Server.Messages] returns stays.
func (s *Server) Close() { s.front.Close() }

// WaitHangup waits until every client that was connected has hung up. What those
// had sent that were killed has then been dealt with, though nobody heard the
// answer. A client that keeps its connections keeps it waiting, until ctx ends.
func (s *Server) WaitHangup(ctx context.Context) error {
	if err := s.front.WaitHangup(ctx); err != nil {
		return fmt.Errorf("sqstest: %w", err)
	}
	return nil
}

// Requests is the number of HTTP requests that reached the server, those that
// it failed or cut included.
func (s *Server) Requests() int { return s.front.Requests() }

// Calls is the number of requests for one operation, such as
// "SendMessageBatch". Requests that an outage cut are not among them.
func (s *Server) Calls(operation string) int { return s.front.Calls(operation) }

// Advance moves the server's clock forward. Messages become visible, delays and
// deduplication windows end and long polls return as if d had passed.
func (s *Server) Advance(d time.Duration) { s.front.Advance(d) }

// Outage cuts every connection on which a request arrives during the next d of
// the server's clock, before the request is looked at. Zero ends an outage.
func (s *Server) Outage(d time.Duration) { s.front.Outage(d) }

// queueNamed finds a queue by name, nil where there is none.
func (s *Server) queueNamed(name string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[name]
}
