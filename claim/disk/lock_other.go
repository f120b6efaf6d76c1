//go:build !unix

package disk

import (
	"errors"
	"os"
)

// lockDir fails: without a lock of the kernel two processes could claim the
// same keys.
func lockDir(string) (*os.File, error) {
	return nil, errors.New("file locks are not implemented on this operating system")
}
