package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/internal/awsclient"
)

// NewClient returns an SDK client that keeps enough connections for a [Store].
// An HTTP client of the caller's own in cfg is used as it is. The SDK's retries
// are left on, as configured: everything a Store sends may be repeated. optFns
// come last.
func NewClient(cfg aws.Config, optFns ...func(*s3.Options)) *s3.Client {
	own := func(o *s3.Options) { o.HTTPClient = awsclient.Tuned(o.HTTPClient) }
	return s3.NewFromConfig(cfg, append([]func(*s3.Options){own}, optFns...)...)
}
