//go:build !linux

package testtool

import (
	"fmt"
	"net"
)

// reserve finds a port that is free now.
func reserve() (port int, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is at once
	if err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	return port, func() {}, l.Close()
}
