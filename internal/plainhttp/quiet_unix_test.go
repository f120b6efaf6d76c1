//go:build unix

package plainhttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/plainhttp"
)

// readable waits until something has come on a connection, and leaves it there.
func readable(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n := 0
		require.NoError(t, raw.Control(func(fd uintptr) {
			n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		}))
		if n > 0 && err == nil {
			return
		}
		require.True(t, time.Now().Before(end), "nothing came: %v", err)
	}
}

// What a server says without being asked is no answer to the next request.
func TestWhatComesUnaskedIsNoAnswer(t *testing.T) {
	idle := make(chan struct{})
	s, _ := serve(t, func(s *server, n int, c net.Conn, in *bufio.Reader) {
		s.next(in)
		_, _ = io.WriteString(c, abc)
		if n == 1 {
			<-idle
			_, _ = io.WriteString(c, okay+"Content-Length: 6\r\n\r\nsecret")
		}
		s.next(in)
	})
	var mu sync.Mutex
	var made []net.Conn
	var dialer net.Dialer
	rt := plainhttp.New(plainhttp.Config{Host: s.Addr().String(), DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		made = append(made, c)
		return c, err
	}})
	t.Cleanup(rt.CloseIdleConnections)
	body, err := s.get(t.Context(), rt, "/")
	require.NoError(t, err)
	require.Equal(t, "abc", body)
	close(idle)
	mu.Lock()
	first := made[0]
	mu.Unlock()
	readable(t, first)
	body, err = s.get(t.Context(), rt, "/")
	require.NoError(t, err)
	require.Equal(t, "abc", body)
	assert.Equal(t, 2, s.made())
}
