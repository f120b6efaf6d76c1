package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/unspool-go/unspool/processor/fault"
)

// outcome is what an error of a conditional request means for its object. From
// the S3 user guide, "How to prevent object overwrites with conditional writes"
// and "Conditional deletes".
type outcome uint8

const (
	// failed is any other error.
	failed outcome = iota
	// otherwise: 412, the object is not as the condition says.
	otherwise
	// missing: 404, there is no object.
	missing
	// conflict: 409, somebody is at it; nothing was done.
	conflict
)

func outcomeOf(err error) outcome {
	switch statusOf(err) {
	case http.StatusPreconditionFailed:
		return otherwise
	case http.StatusNotFound:
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "NoSuchBucket" {
			return missing
		}
	case http.StatusConflict:
		return conflict
	}
	return failed
}

// statusOf is the HTTP status of an error, or 0 for what is no answer of S3.
func statusOf(err error) int {
	if _, ok := errors.AsType[smithy.APIError](err); !ok {
		return 0
	}
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok {
		return 0
	}
	return resp.HTTPStatusCode()
}

// callError classifies the error of one request. S3's codes are many and those
// of other stores more; the status says what matters. What is no answer of S3
// leaves open whether the request was carried out.
func callError(ctx context.Context, op string, err error) error {
	wrapped := fmt.Errorf("s3: %s: %w", op, err)
	if end := ctx.Err(); end != nil {
		if !errors.Is(err, end) {
			wrapped = fmt.Errorf("s3: %s: %w: %w", op, end, err)
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
	case status == http.StatusNotImplemented:
		return fault.Fatal(wrapped) // conditions, for one
	case status == 0, status >= http.StatusInternalServerError, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fault.Interrupted(wrapped)
	case status == http.StatusPreconditionFailed:
		return wrapped
	default:
		// 301, 400, 401, 403, 404, 405: bucket, region, permission or
		// credentials are wrong, and no other key will fare better.
		return fault.Fatal(wrapped)
	}
}

// errConflict is the error of an object that others changed again and again.
func errConflict(op, name string) error {
	return fault.Interrupted(fmt.Errorf("s3: %s: %s: others are at it, time and again", op, name))
}
