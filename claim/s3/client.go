package s3

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// connections is how many idle connections a client keeps: more than any
// sensible number of requests under way. The SDK keeps 10, and opens and closes
// all beyond, at a TLS handshake each.
const connections = 512

// NewClient returns an SDK client that keeps enough connections for a [Store].
// An HTTP client of the caller's own in cfg is used as it is. The SDK's retries
// are left on, as configured: everything a Store sends may be repeated. optFns
// come last.
func NewClient(cfg aws.Config, optFns ...func(*s3.Options)) *s3.Client {
	own := func(o *s3.Options) { o.HTTPClient = tuned(o.HTTPClient) }
	return s3.NewFromConfig(cfg, append([]func(*s3.Options){own}, optFns...)...)
}

// tuned adapts the SDK's own HTTP client and leaves any other alone.
func tuned(c s3.HTTPClient) s3.HTTPClient {
	base, ok := c.(*awshttp.BuildableClient)
	if !ok && c != nil {
		return c
	}
	if base == nil {
		base = awshttp.NewBuildableClient()
	}
	return base.WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns = connections
		t.MaxIdleConnsPerHost = connections
	})
}
