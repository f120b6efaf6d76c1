package claimtest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// Network is a way to a store that can fail. Clients use it by its
// DialContext. The zero value works, and has no faults. It is safe for
// concurrent use.
type Network struct {
	mu    sync.Mutex
	mute  bool
	away  map[string]bool // by address
	all   bool
	conns map[*conn]struct{}
}

// errAway is what clients see of a store that is away.
var errAway = errors.New("network is unreachable")

// DialContext connects to addr, unless it is away.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	cut := n.cut(addr)
	n.mu.Unlock()
	if cut {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errAway}
	}
	var d net.Dialer
	inner, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, network: n, addr: addr}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut(addr) {
		_ = inner.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: errAway}
	}
	if n.conns == nil {
		n.conns = make(map[*conn]struct{})
	}
	n.conns[c] = struct{}{}
	return c, nil
}

// cut reports whether addr is away. n.mu is held.
func (n *Network) cut(addr string) bool { return n.all || n.away[addr] }

// Mute loses answers, or no longer: a connection ends when the first answer
// comes, which is lost.
func (n *Network) Mute(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mute = on
}

// Away cuts all connections and refuses new ones, or no longer.
func (n *Network) Away(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = on
	n.sever()
}

// AwayFrom is [Network.Away] for one address.
func (n *Network) AwayFrom(addr string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away == nil {
		n.away = make(map[string]bool)
	}
	n.away[addr] = on
	n.sever()
}

// sever closes the connections to what is away. n.mu is held.
func (n *Network) sever() {
	for c := range n.conns {
		if n.cut(c.addr) {
			_ = c.Conn.Close()
		}
	}
}

// conn is a connection of a Network.
type conn struct {
	net.Conn
	network *Network
	addr    string
}

func (c *conn) Read(p []byte) (int, error) {
	k, err := c.Conn.Read(p)
	c.network.mu.Lock()
	mute := c.network.mute
	c.network.mu.Unlock()
	if mute && k > 0 {
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	return k, err
}

func (c *conn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}
