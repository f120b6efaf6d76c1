// Package awsdate finds the Date header of an answer that came by way of the
// AWS SDK.
package awsdate

import (
	"errors"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// OfResult is the date of an answer, from the metadata of an operation's
// output.
func OfResult(md middleware.Metadata) (time.Time, bool) { return awsmiddleware.GetServerTime(md) }

// OfError is the date of an answer that the SDK made an error of, for which it
// gives no metadata. An answer out of a cache has none.
func OfError(err error) (time.Time, bool) {
	resp, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || resp.Response == nil || resp.Response.Response == nil || resp.Response.Header.Get("Age") != "" {
		return time.Time{}, false
	}
	date, err := http.ParseTime(resp.Response.Header.Get("Date"))
	return date, err == nil
}
