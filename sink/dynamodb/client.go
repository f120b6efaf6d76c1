package dynamodb

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/unspool-go/unspool/internal/awsclient"
)

// NewClient returns an SDK client as the sink wants it: it does not retry (the sink
// and the processor do, and know what else waits), keeps enough connections open, and
// does not verify the checksums of answers, which say only what was left unprocessed.
// An HTTP client of the caller's own in cfg is used as it is. optFns come last.
func NewClient(cfg aws.Config, optFns ...func(*awsdynamodb.Options)) *awsdynamodb.Client {
	own := func(o *awsdynamodb.Options) {
		o.Retryer = aws.NopRetryer{}
		o.DisableValidateResponseChecksum = true
		o.HTTPClient = awsclient.Tuned(o.HTTPClient)
	}
	return awsdynamodb.NewFromConfig(cfg, append([]func(*awsdynamodb.Options){own}, optFns...)...)
}
