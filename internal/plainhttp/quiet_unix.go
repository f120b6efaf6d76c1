//go:build unix

package plainhttp

import "syscall"

// nothingOn reports whether there is nothing to be read from a socket, not even its
// end. What it reads is lost.
func nothingOn(fd uintptr) bool {
	var one [1]byte
	n, err := syscall.Read(int(fd), one[:])
	return n <= 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
}
