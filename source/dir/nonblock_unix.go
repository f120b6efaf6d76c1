//go:build unix && !linux

package dir

import "golang.org/x/sys/unix"

// nonBlock keeps open from waiting for the other end of a FIFO.
const nonBlock = unix.O_NONBLOCK
