package standin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Handler answers one request. number counts the requests of a [Front], from 1.
// The request's context ends with its connection: when the client leaves, and on
// [Front.Close].
type Handler func(w http.ResponseWriter, r *http.Request, number int)

// Front is the side of a stand-in that its clients see: it listens, hands requests
// on, counts them, and is unreachable in an outage. The zero value is ready to
// [Front.Listen]. All other methods are safe for concurrent use, after that.
type Front struct {
	Clock

	url     string
	handler Handler
	http    *http.Server
	serving sync.WaitGroup
	conns   connections
	within  gate

	requests atomic.Int64
	mu       sync.Mutex
	calls    map[string]int
	outage   time.Time
}

// Listen starts to serve requests with h at an address, "127.0.0.1:0" if it is
// empty. The caller closes the Front.
func (f *Front) Listen(addr string, h Handler) error {
	l, err := net.Listen("tcp", cmp.Or(addr, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	f.url = "http://" + l.Addr().String()
	f.handler = h
	f.calls = map[string]int{}
	f.http = &http.Server{Handler: f, ReadHeaderTimeout: time.Minute, ConnState: f.conns.state}
	f.serving.Go(func() { _ = f.http.Serve(l) }) // ends with http.ErrServerClosed
	return nil
}

// URL is where the Front listens: "http://127.0.0.1:port".
func (f *Front) URL() string { return f.url }

// Close stops listening, cuts every connection and waits for the requests that are
// under way. None is handed on after it. It may be called again.
func (f *Front) Close() {
	_ = f.http.Close()
	f.serving.Wait()
	f.within.shut()
}

// ServeHTTP implements [http.Handler].
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.within.enter() {
		Cut(w)
		return
	}
	defer f.within.leave()
	number := int(f.requests.Add(1))
	if f.away() {
		Cut(w)
		return
	}
	f.handler(w, r, number)
}

// WaitHangup waits until every client that was connected has hung up, or ctx ends.
// What those had sent that were killed has then been dealt with.
func (f *Front) WaitHangup(ctx context.Context) error {
	const what = "wait for clients to hang up: %w"
	// Connections are accepted in turn: when this one is, all before it are.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return fmt.Errorf(what, err)
	}
	own := http.Transport{DisableKeepAlives: true}
	if resp, err := own.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	} // else it is cut, as in an outage: accepted all the same, if there was time for it
	if err := errors.Join(ctx.Err(), f.conns.wait(ctx)); err != nil {
		return fmt.Errorf(what, err)
	}
	return nil
}

// Requests is the number of requests that came in, those that an outage cut
// included.
func (f *Front) Requests() int { return int(f.requests.Load()) }

// Count counts a call of an operation.
func (f *Front) Count(operation string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[operation]++
}

// Calls is how often an operation was counted.
func (f *Front) Calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

// Outage cuts every connection on which a request arrives during the next d of the
// clock. Zero ends an outage.
func (f *Front) Outage(d time.Duration) {
	until := f.Now().Add(d)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outage = until
}

// away reports whether an outage is under way.
func (f *Front) away() bool {
	f.mu.Lock()
	until := f.outage
	f.mu.Unlock()
	return f.Now().Before(until)
}
