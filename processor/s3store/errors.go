package s3store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// ErrUndecided is wrapped by the error of [Upload.Commit] where the object may
// have been created or may not, and Commit can be called again to find out or
// to create it.
var ErrUndecided = destination.ErrUndecided

// outcome is what an error means for the object that the request was about.
type outcome uint8

const (
	// failed is any other error.
	failed outcome = iota
	// exists: 412, there is an object, or it is another than was asked for.
	exists
	// missing: 404, there is no such object or upload.
	missing
	// conflict: 409, somebody is at it; nothing was done.
	conflict
)

// outcomeOf judges by the status: codes of S3 are many, and those of other
// stores more. From the S3 user guide, "How to prevent object overwrites with
// conditional writes".
func outcomeOf(err error) outcome {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return failed // no answer of a store
	}
	switch statusOf(err) {
	case http.StatusPreconditionFailed:
		return exists
	case http.StatusNotFound:
		if api.ErrorCode() != "NoSuchBucket" {
			return missing
		}
	case http.StatusConflict:
		return conflict
	}
	return failed
}

// statusOf is the HTTP status of an answer that is an error, or 0.
func statusOf(err error) int {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok {
		return 0
	}
	return resp.HTTPStatusCode()
}

// ErrorCode returns the HTTP status of an error of the manager, or 0 where
// there is none: afs asks for it.
func (m *Manager) ErrorCode(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrExist):
		return http.StatusPreconditionFailed
	}
	return statusOf(err)
}

// callError names what failed and classifies it.
func callError(ctx context.Context, op string, l location, err error) error {
	wrapped := fmt.Errorf("s3store: %s %s: %w", op, l, err)
	if end := ctx.Err(); end != nil {
		if !errors.Is(err, end) {
			wrapped = fmt.Errorf("s3store: %s %s: %w: %w", op, l, end, err)
		}
		return fault.Interrupted(wrapped)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.Interrupted(wrapped)
	}
	switch api.ErrorCode() { // 400 or 403 though nobody is to blame
	case "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded":
		return fault.Interrupted(wrapped)
	}
	switch status := statusOf(err); {
	case status == 0, status >= http.StatusInternalServerError && status != http.StatusNotImplemented,
		status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fault.Interrupted(wrapped)
	case outcomeOf(err) == exists, outcomeOf(err) == missing:
		return wrapped
	default:
		// 301, 400, 401, 403, 404, 501: bucket, region, permission, credentials
		// or the store itself are wrong, and no other object will fare better.
		return fault.Fatal(wrapped)
	}
}

// lookError is callError for what is read: that there is no such object wraps
// [fs.ErrNotExist].
func lookError(ctx context.Context, op string, l location, err error) error {
	if ctx.Err() == nil && outcomeOf(err) == missing {
		return fmt.Errorf("s3store: %s %s: %w: %w", op, l, fs.ErrNotExist, err)
	}
	return callError(ctx, op, l, err)
}
