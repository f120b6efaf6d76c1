// Package dynamofault classifies the errors of the SDK's client of DynamoDB.
package dynamofault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

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
	"Validation":                 fault.ClassFatal, // where keys are checked before: the table is another
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

// Call wraps and classifies the error of one request, op. What is no answer of
// DynamoDB (a transport that failed, an answer that cannot be read) leaves open
// whether it was carried out.
func Call(ctx context.Context, op string, err error) error {
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
	class := classes[plain(api.ErrorCode())]
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

// Code returns the code of an error of DynamoDB, without namespace and without
// "Exception", such as "Validation". It is empty where there is no answer.
func Code(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	return plain(api.ErrorCode())
}

// plain returns a code that may come in any of its forms.
func plain(code string) string {
	if _, name, ok := strings.Cut(code, "#"); ok {
		code = name
	}
	return strings.TrimSuffix(code, "Exception")
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
