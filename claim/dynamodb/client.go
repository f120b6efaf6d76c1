package dynamodb

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/unspool-go/unspool/internal/awsclient"
)

// NewClient returns an SDK client that keeps enough connections for a [Store].
// An HTTP client of the caller's own in cfg is used as it is. The SDK's retries
// are left on, as configured: everything a Store sends may be repeated. The
// checksum of answers is left unchecked: a mismatch would do no more than be
// logged, and it is for every answer of a stand-in that sends none. optFns come
// last.
func NewClient(cfg aws.Config, optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	own := func(o *dynamodb.Options) {
		o.HTTPClient = awsclient.Tuned(o.HTTPClient)
		o.DisableValidateResponseChecksum = true
	}
	return dynamodb.NewFromConfig(cfg, append([]func(*dynamodb.Options){own}, optFns...)...)
}
