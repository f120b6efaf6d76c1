package dynamodb

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
// DynamoDB developer guide, "Error handling", and the reference of
// TransactWriteItems, whose reasons for cancellation have codes of their own.
var classes = map[string]fault.Class{
	"ProvisionedThroughputExceeded": fault.ClassInterrupted,
	"RequestLimitExceeded":          fault.ClassInterrupted,
	"Throttling":                    fault.ClassInterrupted,
	"ThrottlingError":               fault.ClassInterrupted,
	"TransactionConflict":           fault.ClassInterrupted,
	"TransactionInProgress":         fault.ClassInterrupted,
	"ReplicatedWriteConflict":       fault.ClassInterrupted,
	"InternalServerError":           fault.ClassInterrupted,
	"ServiceUnavailable":            fault.ClassInterrupted,
	"RequestTimeTooSkewed":          fault.ClassInterrupted,
	"RequestExpired":                fault.ClassInterrupted,

	"ResourceNotFound":                fault.ClassFatal,
	"Validation":                      fault.ClassFatal, // names and keys are checked before, so the table is another
	"ValidationError":                 fault.ClassFatal,
	"IdempotentParameterMismatch":     fault.ClassFatal,
	"ItemCollectionSizeLimitExceeded": fault.ClassFatal,
	"AccessDenied":                    fault.ClassFatal,
	"UnrecognizedClient":              fault.ClassFatal,
	"InvalidSignature":                fault.ClassFatal,
	"IncompleteSignature":             fault.ClassFatal,
	"MissingAuthenticationToken":      fault.ClassFatal,
	"ExpiredToken":                    fault.ClassFatal,
	"NotAuthorized":                   fault.ClassFatal,
}

// classOf finds the class of a code in any of its forms.
func classOf(code string) fault.Class {
	if _, name, ok := strings.Cut(code, "#"); ok {
		code = name
	}
	return classes[strings.TrimSuffix(code, "Exception")]
}

// callError classifies the error of one request. What is no answer of DynamoDB leaves
// open whether it was carried out.
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
	if class == fault.ClassFatal {
		return fault.Fatal(wrapped)
	}
	return fault.Interrupted(wrapped)
}

// byStatus classifies a code that nobody knows.
func byStatus(err error) fault.Class {
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		switch resp.HTTPStatusCode() {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fault.ClassFatal
		}
	}
	return fault.ClassInterrupted
}

// reasonError is the error of a transaction that was cancelled for another reason than
// a known arrival or a collision.
func reasonError(op, reason string, err error) error {
	wrapped := fmt.Errorf("dynamodb: %s: %s: %w", op, reason, err)
	if classOf(reason) == fault.ClassFatal {
		return fault.Fatal(wrapped)
	}
	return fault.Interrupted(wrapped)
}
