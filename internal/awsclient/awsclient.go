// Package awsclient is what the drivers for AWS services have in common in the
// making of their SDK clients.
package awsclient

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Connections is how many idle connections a client keeps: more than any
// sensible number of requests under way. The SDK keeps 10, and opens and closes
// all beyond, at a TLS handshake each.
const Connections = 512

// Tuned returns the SDK's own HTTP client, which is also meant by nil, with room
// for [Connections], and changed further by more. A client of the caller's own is
// returned as it is.
func Tuned(c aws.HTTPClient, more ...func(*http.Transport)) aws.HTTPClient {
	base, ok := c.(*awshttp.BuildableClient)
	if !ok && c != nil {
		return c
	}
	if base == nil {
		base = awshttp.NewBuildableClient()
	}
	room := func(t *http.Transport) {
		t.MaxIdleConns = Connections
		t.MaxIdleConnsPerHost = Connections
	}
	return base.WithTransportOptions(append([]func(*http.Transport){room}, more...)...)
}
