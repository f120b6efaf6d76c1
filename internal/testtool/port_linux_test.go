package testtool

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server binds it, leaves it and binds it again, beside the reservation.
func TestAReservedPortIsThereForWhoNamesIt(t *testing.T) {
	addr := Addr(t)
	require.Error(t, Listening(addr)(), "nobody listens")
	for range 2 {
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		require.NoError(t, Listening(addr)())
		require.NoError(t, l.Close())
	}
}

// With all other ports of a small range taken, neither listening on any port nor
// connecting from any is given the reserved one.
func TestAReservedPortIsGivenToNobodyElse(t *testing.T) {
	port := Port(t)
	ask := func(reuse int) error {
		listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				const ipLocalPortRange = 51 // IP_LOCAL_PORT_RANGE of linux/in.h: highest<<16 | lowest
				failed = errors.Join(
					syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, reuse),
					syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipLocalPortRange, port<<16|port),
				)
			})
			return errors.Join(err, failed)
		}}
		l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err == nil {
			err = l.Close()
		}
		return err
	}
	if errors.Is(ask(0), syscall.ENOPROTOOPT) {
		t.Skip("this Linux is older than 6.3")
	}
	require.ErrorIs(t, ask(0), syscall.EADDRINUSE)
	require.ErrorIs(t, ask(1), syscall.EADDRINUSE, "as servers do that reuse addresses")
}
