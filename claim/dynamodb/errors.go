package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/unspool-go/unspool/processor/fault"
)

// classes are keyed by code without namespace and without "Exception". From the
// DynamoDB developer guide, "Error handling", and the common errors of AWS.
var classes = map[string]fault.Class{
	// DynamoDB is busy or broken, or wants less.
	"ProvisionedThroughputExceeded": fault.ClassInterrupted,
	"RequestLimitExceeded":          fault.ClassInterrupted,
	"Throttling":                    fault.ClassInterrupted,
	"ThrottlingError":               fault.ClassInterrupted,
	"Throttled":                     fault.ClassInterrupted,
	"TooManyRequests":               fault.ClassInterrupted,
	"TransactionConflict":           fault.ClassInterrupted,
	"ReplicatedWriteConflict":       fault.ClassInterrupted, // of a global table
	"InternalServerError":           fault.ClassInterrupted,
	"InternalFailure":               fault.ClassInterrupted,
	"ServiceUnavailable":            fault.ClassInterrupted,
	"RequestTimeout":                fault.ClassInterrupted,
	"RequestTimeTooSkewed":          fault.ClassInterrupted, // the SDK corrects its clock for the next
	"RequestExpired":                fault.ClassInterrupted,

	// Nothing that is sent will be taken.
	"ResourceNotFound":           fault.ClassFatal,
	"TableNotFound":              fault.ClassFatal,
	"Validation":                 fault.ClassFatal, // keys are checked before, so the table is another
	"AccessDenied":               fault.ClassFatal,
	"UnrecognizedClient":         fault.ClassFatal,
	"InvalidClientTokenId":       fault.ClassFatal,
	"InvalidSignature":           fault.ClassFatal,
	"IncompleteSignature":        fault.ClassFatal,
	"SignatureDoesNotMatch":      fault.ClassFatal,
	"MissingAuthenticationToken": fault.ClassFatal,
	"ExpiredToken":               fault.ClassFatal,
	"OptInRequired":              fault.ClassFatal,
	"NotAuthorized":              fault.ClassFatal,
}

// callError classifies the error of one request. What is no answer of DynamoDB
// (a transport that failed, an answer that cannot be read) leaves open whether
// it was carried out.
func callError(ctx context.Context, op string, err error) error {
	wrapped := fmt.Errorf("dynamodb: %s: %w", op, err)
	if end := ctx.Err(); end != nil {
		if !errors.Is(err, end) {
			wrapped = fmt.Errorf("dynamodb: %s: %w: %w", op, end, err)
		}
		return fault.Interrupted(wrapped)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.Interrupted(wrapped)
	}
	class := classOf(api.ErrorCode())
	if class == fault.ClassNone {
		class = byStatus(err)
	}
	switch class {
	case fault.ClassInterrupted:
		return fault.Interrupted(wrapped)
	case fault.ClassFatal:
		return fault.Fatal(wrapped)
	default:
		return wrapped
	}
}

// classOf finds the class of a code in any of its forms.
func classOf(code string) fault.Class {
	if _, name, ok := strings.Cut(code, "#"); ok {
		code = name
	}
	return classes[strings.TrimSuffix(code, "Exception")]
}

// byStatus classifies a code that nobody knows.
func byStatus(err error) fault.Class {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok {
		return fault.ClassInterrupted
	}
	switch status := resp.HTTPStatusCode(); {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return fault.ClassInterrupted
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.ClassFatal
	}
	return fault.ClassRetryable
}

// refused returns the item that made a condition fail: nil attributes where
// there is none.
func refused(err error) (attributes, bool) {
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok {
		return nil, false
	}
	return failed.Item, true
}

// errUnsteady is the error of a lease that could not be written by a time that
// held until the answer.
func errUnsteady(op, key string) error {
	return fault.Interrupted(fmt.Errorf("dynamodb: %s %.64q: the dates of answers contradict each other", op, key))
}
