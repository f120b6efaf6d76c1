package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

var (
	// ErrArchived is wrapped by the error of an object whose storage class
	// (Glacier Flexible Retrieval, Deep Archive, an archive tier of
	// Intelligent-Tiering) cannot be read from. It has to be restored first. The
	// error is that object's own.
	ErrArchived = errors.New("object is archived by S3 and has to be restored before it can be read")

	// ErrIgnoresConditions is wrapped by the error of Remove and Move where the
	// store carries out requests though their condition does not hold: objects
	// that were never processed would be lost in it.
	ErrIgnoresConditions = errors.New("the store ignores conditions")

	// errStalled is the cause of a request's end when nothing came for
	// Config.Timeout.
	errStalled = errors.New("nothing came for the time allowed")

	// errNoListing means that an answer to a listing request was none: the SDK
	// takes a body of no bytes for a listing of no objects.
	errNoListing = errors.New("the answer is no listing")
)

// scope is what a request is about, and so whose fault its failure is.
type scope uint8

const (
	ofObject scope = iota // one object
	ofBucket              // a listing
)

// classify gives the error of one request its meaning. From the S3 API
// reference, "Error responses". What is no answer of S3 (a cut connection, a
// time-out) leaves nobody to blame.
func classify(ctx context.Context, sc scope, err error) error {
	if end := ctx.Err(); end != nil {
		if !errors.Is(err, end) {
			err = fmt.Errorf("%w: %w", end, err)
		}
		return fault.Interrupted(err)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		if fault.Of(err) != fault.ClassRetryable {
			return err // of what was not as it should be in an answer
		}
		if _, unsent := errors.AsType[*smithy.SerializationError](err); unsent {
			return err // as for a key that is none
		}
		return fault.Interrupted(err)
	}
	switch api.ErrorCode() {
	case "NoSuchBucket", "InvalidBucketName", "AllAccessDisabled", "AccountProblem", "NotSignedUp",
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fault.Fatal(err) // no other object fares better
	case "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "Throttling", "ThrottlingException",
		"RequestLimitExceeded", "OperationAborted", "ConditionalRequestConflict":
		return fault.Interrupted(err) // 400, 403 or 409 though nobody is to blame
	case "InvalidObjectState":
		return fmt.Errorf("%w: %w", ErrArchived, err)
	}
	switch status := statusOf(err); {
	case status == http.StatusNotImplemented:
		return fault.Fatal(err)
	case status == 0, status >= http.StatusInternalServerError, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fault.Interrupted(err)
	case sc == ofBucket:
		return fault.Fatal(err) // permissions, region, the request itself
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case status == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", source.ErrChanged, err)
	}
	return err
}

// statusOf is the HTTP status of an error, or 0 for what is no answer of S3.
func statusOf(err error) int {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || resp.Response == nil {
		return 0
	}
	return resp.HTTPStatusCode()
}

// isAnswer reports whether err is an answer of S3, as opposed to the lack of a
// whole one.
func isAnswer(err error) bool {
	_, ok := errors.AsType[smithy.APIError](err)
	return ok
}
