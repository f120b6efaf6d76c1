package gcpclient

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Verdict is what the error of one request means, before it is said what the
// request was for.
type Verdict uint8

const (
	// Refused means that the service said no, to this request at least: 400, 403
	// and the like.
	Refused Verdict = iota
	// Away means that nobody is to blame: there was no answer, or one that says
	// to come back later. The end of the context is among them.
	Away
	// Hopeless means that no other request will fare better: the credentials are
	// wrong, or the project that should pay is missing.
	Hopeless
	// Missing is 404: there is no such object, or no such bucket.
	Missing
	// Unmet is 412: a condition does not hold.
	Unmet
	// OutOfRange is 416: no byte of the object is in the range.
	OutOfRange
)

// Judge says what an error of a client means. From "HTTP status and error codes
// for JSON" of the reference of Cloud Storage.
func Judge(ctx context.Context, err error) Verdict {
	if ctx.Err() != nil {
		return Away
	}
	if token, ok := errors.AsType[*auth.Error](err); ok { // no access token was given
		if r := token.Response; r != nil && r.StatusCode < http.StatusInternalServerError && r.StatusCode != http.StatusTooManyRequests {
			return Hopeless
		}
		return Away
	}
	switch code := Status(err); {
	case code == 0, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests,
		code >= http.StatusInternalServerError && code != http.StatusNotImplemented, limited(err):
		return Away
	case code == http.StatusUnauthorized, code == http.StatusNotImplemented, because(err, "userProjectMissing", "userProjectInvalid", "accountDisabled"):
		return Hopeless
	case code == http.StatusNotFound:
		return Missing
	case code == http.StatusPreconditionFailed:
		return Unmet
	case code == http.StatusRequestedRangeNotSatisfiable:
		return OutOfRange
	}
	return Refused
}

// limited reports whether a 403 is not about permissions but about a rate.
func limited(err error) bool { return because(err, "rateLimitExceeded", "userRateLimitExceeded") }

// because reports whether the service gave one of the reasons: in the JSON API as
// it is, in the XML API, which objects are read through, as a code that begins
// with a capital.
func because(err error, reasons ...string) bool {
	api, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return false
	}
	given := make([]string, 0, len(api.Errors)+1)
	for _, item := range api.Errors {
		given = append(given, item.Reason)
	}
	if _, rest, ok := strings.Cut(api.Body, "<Code>"); ok {
		code, _, _ := strings.Cut(rest, "</Code>")
		given = append(given, code)
	}
	for _, reason := range reasons {
		if slices.ContainsFunc(given, func(g string) bool { return strings.EqualFold(g, reason) }) {
			return true
		}
	}
	return false
}

// Status is the HTTP status of an answer that is an error, or 0 where there was
// none. Of a client over gRPC it is the status that the same answer has over
// HTTP.
func Status(err error) int {
	if api, ok := errors.AsType[*googleapi.Error](err); ok {
		return api.Code
	}
	if errors.Is(err, storage.ErrObjectNotExist) || errors.Is(err, storage.ErrBucketNotExist) { // alone, from the XML API
		return http.StatusNotFound
	}
	if st, ok := status.FromError(err); ok {
		return grpcStatus[st.Code()]
	}
	return 0
}

// grpcStatus is from google.rpc.Code; what is not in it has no answer, or one
// that says to come back later.
var grpcStatus = map[codes.Code]int{
	codes.InvalidArgument:    http.StatusBadRequest,
	codes.Unauthenticated:    http.StatusUnauthorized,
	codes.PermissionDenied:   http.StatusForbidden,
	codes.NotFound:           http.StatusNotFound,
	codes.AlreadyExists:      http.StatusConflict,
	codes.FailedPrecondition: http.StatusPreconditionFailed,
	codes.OutOfRange:         http.StatusRequestedRangeNotSatisfiable,
	codes.ResourceExhausted:  http.StatusTooManyRequests,
	codes.Unimplemented:      http.StatusNotImplemented,
}
