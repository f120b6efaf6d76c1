// Package faultproxy is a TCP proxy on the loopback interface for tests: it
// stands between a client and a server and makes their connections go wrong, on
// demand or by a plan that a seed decides.
//
// A proxy knows no protocol. What it holds up it may deliver late, even after
// the client has given up, as a network does.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Fault is how a connection goes wrong. The zero value is not at all.
type Fault struct {
	// Refuse resets a connection as soon as it is made.
	Refuse bool
	// Hole holds everything back, in both directions, for as long as it is in
	// force. What was held back is passed on afterwards.
	Hole bool
	// LoseAnswers resets the connection when an answer comes: what was asked
	// took effect, and the client does not learn of it.
	LoseAnswers bool
	// Delay holds each chunk up, in both directions.
	Delay time.Duration
	// BytesPerSecond bounds each direction. 0 is no bound.
	BytesPerSecond int
	// CutAfter resets the connection once so many bytes of requests have been
	// read, and does not pass the last chunk on. 0 is never.
	CutAfter int64
}

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	plan     func(n int) Fault
	listener net.Listener
	ctx      context.Context // ends when the proxy is closed
	end      context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	target  string
	made    int
	held    int // chunks in a hole
	links   map[*link]struct{}
	forced  *Fault        // in place of the plan
	changed chan struct{} // closed when forced changes
}

// Start starts a proxy on a free port, in front of target, a TCP address. plan
// gives the fault of each connection, by its number from 0 in the order of
// arrival; nil plans none. plan is called from one goroutine. The caller closes
// the proxy.
func Start(target string, plan func(n int) Fault) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	if plan == nil {
		plan = func(int) Fault { return Fault{} }
	}
	p := &Proxy{target: target, plan: plan, listener: l, links: map[*link]struct{}{}, changed: make(chan struct{})}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where clients connect to: "127.0.0.1:port".
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set makes f the fault of all connections, present and future, until Heal.
func (p *Proxy) Set(f Fault) { p.force(&f) }

// Heal goes back to the plan.
func (p *Proxy) Heal() { p.force(nil) }

func (p *Proxy) force(f *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forced = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// Redirect makes target, a TCP address, the server of all connections to come,
// and resets those that are there: nothing that they hold is passed on.
func (p *Proxy) Redirect(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.Cut()
}

// Cut resets all present connections and returns how many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end()
	}
	return len(p.links)
}

// Made returns how many connections were made so far.
func (p *Proxy) Made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// Held returns how many chunks a hole holds back now.
func (p *Proxy) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

func (p *Proxy) addHeld(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held += n
}

// Close resets all connections, stops listening and waits until nothing of the
// proxy is running any more.
func (p *Proxy) Close() {
	p.end()
	_ = p.listener.Close() // it only listened
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if p.ctx.Err() != nil {
			if err == nil {
				reset(client)
			}
			return
		}
		if err != nil { // of one connection: gone before it was accepted, or no file left
			continue
		}
		l := p.add(client)
		p.running.Go(l.run)
	}
}

// add enters a connection.
func (p *Proxy) add(client net.Conn) *link {
	l := &link{proxy: p, client: client}
	l.ctx, l.end = context.WithCancel(p.ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	l.target = p.target
	l.planned = p.plan(p.made)
	p.made++
	p.links[l] = struct{}{}
	return l
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// fault returns what is in force for a connection, and a channel that is closed
// when that changes.
func (p *Proxy) fault(l *link) (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forced != nil {
		return *p.forced, p.changed
	}
	return l.planned, p.changed
}

// errCut ends a connection as a fault says.
var errCut = errors.New("cut")

// reset closes a connection so that the other side sees an error, and no end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // of a connection that is broken already
	}
	_ = c.Close()
}
