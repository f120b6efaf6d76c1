package sqs

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// connections is how many idle connections a client keeps to the queue's host,
// more than any sensible number of concurrent sends: one that is closed and
// opened anew costs a TLS handshake.
const connections = 256

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
		o.HTTPClient = tuned(o.HTTPClient)
	}
	return awssqs.NewFromConfig(cfg, append([]func(*awssqs.Options){own}, optFns...)...)
}

// tuned adapts the SDK's own HTTP client and leaves any other alone.
func tuned(c awssqs.HTTPClient) awssqs.HTTPClient {
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
		t.WriteBufferSize = writeBuffer
	})
}
