package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes the bytes of f durable, and its size, but not its times.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
