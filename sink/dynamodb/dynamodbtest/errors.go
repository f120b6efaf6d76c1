package dynamodbtest

import (
	"fmt"
	"net/http"
)

// apiError is an error of a call as DynamoDB writes it.
type apiError struct {
	code    string
	message string
	reason  bool           // of a transaction that is cancelled, where it is not the failure of a call
	item    attrs          // ConditionalCheckFailedException, if it was asked for
	reasons []cancellation // TransactionCanceledException
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// The namespaces of error types: those of the model, and those of the
// framework below it.
const (
	modelled = "com.amazonaws.dynamodb.v20120810#"
	coral    = "com.amazon.coral.service#"
	validate = "com.amazon.coral.validate#"
)

// namespaces holds the types that are not of the model.
var namespaces = map[string]string{
	"ValidationException":                 validate,
	"ThrottlingException":                 coral,
	"SerializationException":              coral,
	"UnknownOperationException":           coral,
	"AccessDeniedException":               coral,
	"UnrecognizedClientException":         coral,
	"ExpiredTokenException":               coral,
	"MissingAuthenticationTokenException": coral,
	"IncompleteSignatureException":        coral,
	"InvalidSignatureException":           coral,
	"InternalFailure":                     coral,
	"ServiceUnavailableException":         coral,
	"RequestEntityTooLargeException":      coral,
}

// statuses holds those that are not answered with 400.
var statuses = map[string]int{
	"InternalServerError":            http.StatusInternalServerError,
	"InternalFailure":                http.StatusInternalServerError,
	"ServiceUnavailable":             http.StatusServiceUnavailable,
	"ServiceUnavailableException":    http.StatusServiceUnavailable,
	"RequestEntityTooLargeException": http.StatusRequestEntityTooLarge,
}

// fail returns the error of a code. One that is not listed is of the model, and
// the caller's fault.
func fail(code, format string, args ...any) *apiError {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

// invalid returns a ValidationException.
func invalid(format string, args ...any) *apiError {
	return fail("ValidationException", format, args...)
}

// parameter returns the ValidationException of a value that is out of range.
func parameter(format string, args ...any) *apiError {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// malformed returns the error of a request that is no JSON, or not of the
// operation's types.
func malformed() *apiError {
	return fail("SerializationException", "The request is not what the operation takes.")
}

func noSuchTable() *apiError {
	return fail("ResourceNotFoundException", "Requested resource not found")
}

func (e *apiError) status() int {
	if s, ok := statuses[e.code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// body is the error as JSON.
func (e *apiError) body() []byte {
	space, ok := namespaces[e.code]
	if !ok {
		space = modelled
	}
	b := appendString([]byte(`{"__type":`), space+e.code)
	b = append(b, `,"message":`...)
	b = appendString(b, e.message)
	if e.item != nil {
		b = append(b, `,"Item":`...)
		b = e.item.appendJSON(b)
	}
	if e.reasons != nil {
		b = append(b, `,"CancellationReasons":`...)
		b = appendReasons(b, e.reasons)
	}
	return append(b, '}')
}
