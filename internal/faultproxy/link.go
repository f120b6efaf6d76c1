package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection of a client, and the one to the server behind it.
type link struct {
	proxy   *Proxy
	client  net.Conn
	target  string // the server
	planned Fault
	ctx     context.Context // ends when the connection is cut
	end     context.CancelFunc
}

// chunk is the most that is passed on at once, in bytes.
const chunk = 16 << 10

// run passes bytes on until both sides have ended or the connection is cut.
func (l *link) run() {
	defer l.proxy.remove(l)
	defer l.end()
	if f, _ := l.proxy.fault(l); f.Refuse {
		reset(l.client)
		return
	}
	var dialer net.Dialer
	server, err := dialer.DialContext(l.ctx, "tcp", l.target)
	if err != nil { // the server is away: so is the proxy
		reset(l.client)
		return
	}
	stop := context.AfterFunc(l.ctx, func() { // wakes those who read or write
		reset(l.client)
		reset(server)
	})
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(server, l.client, l.request) })
	pumps.Go(func() { l.pump(l.client, server, l.answer) })
	pumps.Wait()
	if stop() {
		_ = l.client.Close() // both have been told the end
		_ = server.Close()
	}
}

// pump passes bytes on until the end, which it passes on too. allow holds each
// chunk up, or fails where the connection is to be cut.
func (l *link) pump(dst, src net.Conn, allow func(total int64, f Fault) error) {
	buf := make([]byte, chunk)
	for total := int64(0); ; {
		n, err := src.Read(buf)
		total += int64(n)
		if n > 0 {
			if l.hold(n, func(f Fault) error { return allow(total, f) }) != nil {
				l.end()
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				l.end()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if l.hold(0, func(Fault) error { return nil }) != nil || dst.(*net.TCPConn).CloseWrite() != nil {
				l.end()
			}
			return
		case err != nil:
			l.end()
			return
		}
	}
}

func (l *link) request(total int64, f Fault) error {
	if f.Refuse || f.CutAfter > 0 && total >= f.CutAfter {
		return errCut
	}
	return nil
}

func (l *link) answer(_ int64, f Fault) error {
	if f.Refuse || f.LoseAnswers {
		return errCut
	}
	return nil
}

// hold waits as the fault in force says before n bytes may be passed on. It
// fails when the connection is to be cut.
func (l *link) hold(n int, allow func(Fault) error) error {
	for {
		f, changed := l.proxy.fault(l)
		if f.Hole {
			if err := l.wait(changed); err != nil {
				return err
			}
			continue
		}
		if err := allow(f); err != nil {
			return err
		}
		wait := f.Delay
		if f.BytesPerSecond > 0 {
			wait += time.Duration(n) * time.Second / time.Duration(f.BytesPerSecond)
		}
		if wait <= 0 {
			return l.ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			return l.ctx.Err()
		case <-changed: // healed, or worse: by the new rule from here on
		case <-l.ctx.Done():
		}
		timer.Stop()
		if err := l.ctx.Err(); err != nil {
			return err
		}
	}
}

// wait waits in a hole until another fault is in force.
func (l *link) wait(changed <-chan struct{}) error {
	l.proxy.addHeld(1)
	defer l.proxy.addHeld(-1)
	select {
	case <-changed:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}
