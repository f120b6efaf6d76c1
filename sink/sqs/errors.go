package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// verdict is what a code means for the message or call that got it.
type verdict uint8

const (
	// unknown codes are judged by the HTTP status.
	unknown verdict = iota
	// throttled: SQS, or the KMS behind it, is away or wants less. SQS calls
	// throttling the sender's fault (HTTP 403 or 400); it is nobody's.
	throttled
	// broken: SQS failed inside. Of a call that is the service being away; of
	// one entry among accepted ones it is this message that failed.
	broken
	// poison: this message will never be taken.
	poison
	// oversize: the batch has to be split.
	oversize
	// hopeless: no message will be taken.
	hopeless
)

// verdicts are keyed by code without namespace. SQS writes a code in one of
// three ways, depending on where it appears: the shape's name, the name with
// the legacy prefix, or a name of its own from the older query protocol.
var verdicts = map[string]verdict{
	"RequestThrottled":        throttled,
	"Throttling":              throttled,
	"ThrottlingException":     throttled,
	"ThrottledException":      throttled,
	"TooManyRequests":         throttled,
	"RequestLimitExceeded":    throttled,
	"SlowDown":                throttled,
	"KmsThrottled":            throttled,
	"KMS.ThrottlingException": throttled, // not among the codes that the SDK takes for throttling
	"OverLimit":               throttled,
	"ServiceUnavailable":      throttled,
	"RequestTimeout":          throttled,
	"RequestTimeTooSkewed":    throttled, // the SDK corrects its clock for the next call
	"RequestExpired":          throttled,

	"InternalError":   broken,
	"InternalFailure": broken,
	"UnknownError":    unknown,

	"InvalidMessageContents": poison,
	"InvalidParameterValue":  poison,
	"MissingParameter":       poison,
	"InvalidAttributeValue":  poison,
	"InvalidAttributeName":   poison,

	"BatchRequestTooLong":          oversize,
	"TooManyEntriesInBatchRequest": oversize,

	"QueueDoesNotExist":          hopeless,
	"NonExistentQueue":           hopeless,
	"QueueDeletedRecently":       hopeless,
	"UnsupportedOperation":       hopeless,
	"AccessDenied":               hopeless,
	"InvalidSecurity":            hopeless,
	"InvalidAddress":             hopeless,
	"InvalidAction":              hopeless,
	"KmsDisabled":                hopeless,
	"KmsNotFound":                hopeless,
	"KmsAccessDenied":            hopeless,
	"KmsInvalidState":            hopeless,
	"KmsInvalidKeyUsage":         hopeless,
	"KmsOptInRequired":           hopeless,
	"KMS.DisabledException":      hopeless,
	"KMS.NotFoundException":      hopeless,
	"KMS.AccessDeniedException":  hopeless,
	"KMS.InvalidStateException":  hopeless,
	"KMS.InvalidKeyUsage":        hopeless,
	"KMS.OptInRequired":          hopeless,
	"ExpiredToken":               hopeless,
	"InvalidClientTokenId":       hopeless,
	"UnrecognizedClient":         hopeless,
	"InvalidSignature":           hopeless,
	"SignatureDoesNotMatch":      hopeless,
	"IncompleteSignature":        hopeless,
	"MissingAuthenticationToken": hopeless,
	"OptInRequired":              hopeless,
	"NotAuthorized":              hopeless,

	// The sink never sends what these complain of.
	"EmptyBatchRequest":        hopeless,
	"BatchEntryIdsNotDistinct": hopeless,
	"InvalidBatchEntryId":      hopeless,
}

// judge finds the verdict on a code in any of its forms.
func judge(code string) verdict {
	if _, name, ok := strings.Cut(code, "#"); ok {
		code = name
	}
	code = strings.TrimPrefix(code, "AWS.SimpleQueueService.")
	if v, ok := verdicts[code]; ok {
		return v
	}
	return verdicts[strings.TrimSuffix(code, "Exception")]
}

// callError classifies the error of a whole call. What is no answer of the
// service (a transport that failed, an answer that cannot be read) leaves open
// whether the call was carried out.
func callError(ctx context.Context, op string, err error) error {
	wrapped := fmt.Errorf("sqs: %s: %w", op, err)
	if end := ctx.Err(); end != nil {
		if !errors.Is(err, end) {
			wrapped = fmt.Errorf("sqs: %s: %w: %w", op, end, err)
		}
		return fault.Interrupted(wrapped)
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.Interrupted(wrapped)
	}
	switch judge(api.ErrorCode()) {
	case throttled, broken:
		return fault.Interrupted(wrapped)
	case poison:
		return fault.Corrupt(wrapped)
	case oversize:
		return fmt.Errorf("%w: %w", sink.ErrTooLarge, wrapped)
	case hopeless:
		return fault.Fatal(wrapped)
	}
	return byStatus(err, wrapped)
}

// byStatus classifies a code that nobody knows.
func byStatus(err, wrapped error) error {
	status := 0
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = resp.HTTPStatusCode()
	}
	switch {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return fault.Interrupted(wrapped)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.Fatal(wrapped)
	}
	return fault.Retryable(wrapped)
}

// entryError classifies the failure of one entry of a batch. Its SenderFault is
// no guide: it is set for throttling too.
func entryError(id string, bad types.BatchResultErrorEntry) error {
	code := aws.ToString(bad.Code)
	err := fmt.Errorf("sqs: message %s: %s: %s", id, code, clip(aws.ToString(bad.Message)))
	switch judge(code) {
	case throttled:
		return fault.Interrupted(err)
	case poison:
		return fault.Corrupt(err)
	case oversize:
		return fault.Corrupt(fmt.Errorf("%w: %w", sink.ErrTooLarge, err))
	case hopeless:
		return fault.Fatal(err)
	}
	return fault.Retryable(err)
}

// clip bounds a text of the service in an error.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
