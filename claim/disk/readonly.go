package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// ReadOnly is what a store held at one moment, for commands that look at a
// store which another process may have open: it takes no lock, and changes
// nothing. Leases are shown as they were last logged, with the expiry that
// they had then; whether their process still lives is not known. It is safe
// for concurrent use.
type ReadOnly struct{ *contents }

var _ claim.Inspector = (*ReadOnly)(nil)

// openTries is how often files may be replaced by a running process while they
// are being opened. Each time takes tens of thousands of finished keys.
const openTries = 20

// OpenReadOnly reads the store in the folder path. The error wraps
// fs.ErrNotExist where there is none. The caller closes it.
func OpenReadOnly(path string) (*ReadOnly, error) {
	var err error
	for range openTries {
		var st *loaded
		if st, err = load(path); err == nil {
			return &ReadOnly{st.contents}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, fault.Fatal(fmt.Errorf("read claim store %s: %w", path, err))
}

// Forget returns an error that wraps [ErrReadOnly].
func (r *ReadOnly) Forget(context.Context, []string) error {
	return fault.Fatal(fmt.Errorf("forget: %w", ErrReadOnly))
}

// Close closes the files. Every later call returns claim.ErrClosed.
func (r *ReadOnly) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return claim.ErrClosed
	}
	r.closed = true
	view{r.shape}.release()
	return nil
}
