package dynamodb

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/unspool-go/unspool/internal/awsclient"
)

// NewClient returns an SDK client that keeps enough connections for a [Store].
// An HTTP client of the caller's own in cfg is used as it is. The SDK's retries
// are left on, as configured: everything a Store sends may be repeated. optFns
// come last.
func NewClient(cfg aws.Config, optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	own := func(o *dynamodb.Options) { o.HTTPClient = awsclient.Tuned(o.HTTPClient) }
	return dynamodb.NewFromConfig(cfg, append([]func(*dynamodb.Options){own}, optFns...)...)
}
