package testtool

import (
	"net"
	"strconv"
	"testing"
)

// Port returns a loopback port for a server of another process. Until the test
// ends nobody is given it who asks for any port, nor is it used for a connection
// to somewhere: the server may start late, and again, on the same port. On
// systems other than Linux it is only free now: give it to a server at once.
func Port(t testing.TB) int {
	t.Helper()
	port, release, err := reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// Addr is [Port] as an address of the loopback interface.
func Addr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}
