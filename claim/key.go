package claim

import (
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/processor/fault"
)

// ErrInvalid is wrapped by the error of an entry that no store takes: an empty
// or overlong key, or overlong progress.
var ErrInvalid = errors.New("invalid claim")

// CheckKey returns nil for a key that every store must take, else an error
// that wraps [ErrInvalid] and names the key. Drivers call it for each key, and
// fail just that entry.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fault.Corrupt(fmt.Errorf("%w: key \"\" is empty", ErrInvalid))
	case len(key) > MaxKeyBytes:
		return fault.Corrupt(fmt.Errorf("%w: key %.64q… has %d bytes, over %d", ErrInvalid, key, len(key), MaxKeyBytes))
	}
	return nil
}

// CheckProgress returns nil for a progress that every store must take, else an
// error that wraps [ErrInvalid] and names the key of the lease.
func CheckProgress(l Lease) error {
	if len(l.Progress) > MaxProgressBytes {
		return fmt.Errorf("%w: progress of %q has %d bytes, over %d", ErrInvalid, l.Key, len(l.Progress), MaxProgressBytes)
	}
	return nil
}
