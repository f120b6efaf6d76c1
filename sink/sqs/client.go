package sqs

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/internal/awsclient"
)

// writeBuffer is what a connection collects before it writes. At the default of
// 4 KB a message of 256 KB is written in 64 steps.
const writeBuffer = 64 << 10

// NewClient returns an SDK client as the sink wants it: it does not retry (the
// processor does), keeps enough connections open, and leaves the check of the
// returned checksums to [Sink.Send], which makes it per message. An HTTP client
// of the caller's own in cfg is used as it is. optFns come last; [WithFastBody]
// is one to give.
func NewClient(cfg aws.Config, optFns ...func(*awssqs.Options)) *awssqs.Client {
	own := func(o *awssqs.Options) {
		o.Retryer = aws.NopRetryer{}
		o.DisableMessageChecksumValidation = true
		o.HTTPClient = awsclient.Tuned(o.HTTPClient, func(t *http.Transport) { t.WriteBufferSize = writeBuffer })
	}
	return awssqs.NewFromConfig(cfg, append([]func(*awssqs.Options){own}, optFns...)...)
}
