package gsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
)

// ErrUndecided is wrapped by the error of [Upload.Commit] where the object may
// have been created or may not, and Commit can be called again to find out or
// to create it.
var ErrUndecided = destination.ErrUndecided

// ErrorCode returns the HTTP status of an error of the manager, or 0 where
// there is none: afs asks for it.
func (m *Manager) ErrorCode(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrExist):
		return http.StatusPreconditionFailed
	}
	return gcpclient.Status(err)
}

// callError names what failed and classifies it.
func callError(ctx context.Context, op string, l location, err error) error {
	wrapped := fmt.Errorf("gsstore: %s %s: %w", op, l, err)
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		wrapped = fmt.Errorf("gsstore: %s %s: %w: %w", op, l, end, err)
	}
	switch gcpclient.Judge(ctx, err) {
	case gcpclient.Away:
		return fault.Interrupted(wrapped)
	case gcpclient.Missing, gcpclient.Unmet, gcpclient.OutOfRange:
		return wrapped
	case gcpclient.Refused, gcpclient.Hopeless:
	}
	// 400, 401, 403, 501: bucket, permission, credentials or the request itself are
	// wrong, and no other object will fare better.
	return fault.Fatal(wrapped)
}

// lookError is callError for what is read: that there is no such object wraps
// [fs.ErrNotExist].
func lookError(ctx context.Context, op string, l location, err error) error {
	if gcpclient.Judge(ctx, err) == gcpclient.Missing {
		return fmt.Errorf("gsstore: %s %s: %w: %w", op, l, fs.ErrNotExist, err)
	}
	return callError(ctx, op, l, err)
}

// listError is callError for a listing: that there is no such bucket is fatal.
func listError(ctx context.Context, l location, err error) error {
	if gcpclient.Judge(ctx, err) == gcpclient.Missing {
		return fault.Fatal(fmt.Errorf("gsstore: list %s: %w", l, err))
	}
	return callError(ctx, "list", l, err)
}
