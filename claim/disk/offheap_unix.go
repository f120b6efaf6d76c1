//go:build unix

package disk

import "golang.org/x/sys/unix"

// allocate returns zeroed memory outside the Go heap, of which the collector
// would reserve as much again. It must be freed.
func allocate(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

func free(b []byte) {
	if b != nil {
		_ = unix.Munmap(b) // fails only for what Mmap did not return
	}
}
