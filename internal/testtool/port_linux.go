package testtool

import (
	"errors"
	"fmt"
	"syscall"
)

// reserve binds a socket to a port and does not listen. Linux lets others bind
// it who name it and set SO_REUSEADDR, as servers do, but gives it to none who
// asks for any: ip(7), socket(7).
func reserve() (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}
	release = func() { _ = syscall.Close(fd) } // it was only bound
	loopback := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, loopback),
	)
	if err == nil {
		var at syscall.Sockaddr
		if at, err = syscall.Getsockname(fd); err == nil {
			return at.(*syscall.SockaddrInet4).Port, release, nil
		}
	}
	release()
	return 0, nil, fmt.Errorf("reserve a port: %w", err)
}
