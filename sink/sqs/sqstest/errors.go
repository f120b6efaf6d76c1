package sqstest

import (
	"fmt"
	"net/http"
)

// apiError is an error of a whole call as SQS writes it: its shape goes into
// __type of the body, its query code into the header x-amzn-query-error.
type apiError struct {
	shape   string // with its namespace
	code    string // query-compatible code
	status  int
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// The namespaces of error shapes: those of the SQS model and those of the
// framework below it.
const (
	modelled = "com.amazonaws.sqs#"
	coral    = "com.amazon.coral.service#"
	legacy   = "AWS.SimpleQueueService."
)

// shapes says how each code is written. The query codes of the modelled errors
// are those of the model's awsQueryError traits.
var shapes = map[string]apiError{
	"BatchEntryIdsNotDistinct":     {modelled + "BatchEntryIdsNotDistinct", legacy + "BatchEntryIdsNotDistinct", 400, ""},
	"BatchRequestTooLong":          {modelled + "BatchRequestTooLong", legacy + "BatchRequestTooLong", 400, ""},
	"EmptyBatchRequest":            {modelled + "EmptyBatchRequest", legacy + "EmptyBatchRequest", 400, ""},
	"InvalidBatchEntryId":          {modelled + "InvalidBatchEntryId", legacy + "InvalidBatchEntryId", 400, ""},
	"TooManyEntriesInBatchRequest": {modelled + "TooManyEntriesInBatchRequest", legacy + "TooManyEntriesInBatchRequest", 400, ""},
	"UnsupportedOperation":         {modelled + "UnsupportedOperation", legacy + "UnsupportedOperation", 400, ""},
	"QueueDoesNotExist":            {modelled + "QueueDoesNotExist", legacy + "NonExistentQueue", 400, ""},
	"QueueDeletedRecently":         {modelled + "QueueDeletedRecently", legacy + "QueueDeletedRecently", 400, ""},
	"QueueNameExists":              {modelled + "QueueNameExists", "QueueAlreadyExists", 400, ""},
	"PurgeQueueInProgress":         {modelled + "PurgeQueueInProgress", legacy + "PurgeQueueInProgress", 403, ""},
	"MessageNotInflight":           {modelled + "MessageNotInflight", legacy + "MessageNotInflight", 400, ""},
	"InvalidAttributeName":         {modelled + "InvalidAttributeName", "InvalidAttributeName", 400, ""},
	"InvalidAttributeValue":        {modelled + "InvalidAttributeValue", "InvalidAttributeValue", 400, ""},
	"InvalidMessageContents":       {modelled + "InvalidMessageContents", "InvalidMessageContents", 400, ""},
	"InvalidAddress":               {modelled + "InvalidAddress", "InvalidAddress", 404, ""},
	"InvalidSecurity":              {modelled + "InvalidSecurity", "InvalidSecurity", 403, ""},
	"OverLimit":                    {modelled + "OverLimit", "OverLimit", 403, ""},
	"ReceiptHandleIsInvalid":       {modelled + "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, ""},
	"RequestThrottled":             {modelled + "RequestThrottled", "RequestThrottled", 403, ""},
	"KmsThrottled":                 {modelled + "KmsThrottled", "KMS.ThrottlingException", 400, ""},
	"KmsDisabled":                  {modelled + "KmsDisabled", "KMS.DisabledException", 400, ""},
	"KmsNotFound":                  {modelled + "KmsNotFound", "KMS.NotFoundException", 400, ""},
	"KmsAccessDenied":              {modelled + "KmsAccessDenied", "KMS.AccessDeniedException", 400, ""},
	"KmsInvalidState":              {modelled + "KmsInvalidState", "KMS.InvalidStateException", 400, ""},
	"KmsInvalidKeyUsage":           {modelled + "KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400, ""},
	"KmsOptInRequired":             {modelled + "KmsOptInRequired", "KMS.OptInRequired", 403, ""},

	"InvalidParameterValue":      {coral + "InvalidParameterValueException", "InvalidParameterValue", 400, ""},
	"MissingParameter":           {coral + "MissingRequiredParameterException", "MissingParameter", 400, ""},
	"MalformedInput":             {coral + "SerializationException", "MalformedInput", 400, ""},
	"InvalidAction":              {coral + "UnknownOperationException", "InvalidAction", 404, ""},
	"ThrottlingException":        {coral + "ThrottlingException", "ThrottlingException", 400, ""},
	"InternalFailure":            {coral + "InternalFailure", "InternalFailure", 500, ""},
	"InternalError":              {coral + "InternalFailure", "InternalError", 500, ""},
	"ServiceUnavailable":         {coral + "ServiceUnavailableException", "ServiceUnavailable", 503, ""},
	"AccessDenied":               {coral + "AccessDeniedException", "AccessDenied", 403, ""},
	"MissingAuthenticationToken": {coral + "MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, ""},
	"IncompleteSignature":        {coral + "IncompleteSignatureException", "IncompleteSignature", 400, ""},
	"InvalidSignatureException":  {coral + "InvalidSignatureException", "InvalidSignatureException", 400, ""},
}

// fail returns the error of a code; a code that is not listed is a client error
// of that name.
func fail(code, format string, args ...any) *apiError {
	e, ok := shapes[code]
	if !ok {
		e = apiError{shape: coral + code, code: code, status: http.StatusBadRequest}
	}
	e.message = fmt.Sprintf(format, args...)
	return &e
}

// sender reports whether SQS calls it the caller's fault. It does so for
// throttling too.
func (e *apiError) sender() bool { return e.status < 500 }

func noSuchQueue() *apiError {
	return fail("QueueDoesNotExist", "The specified queue does not exist.")
}
