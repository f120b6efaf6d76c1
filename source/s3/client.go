package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/internal/awsclient"
)

// NewClient returns an SDK client as a [Source] wants it: it keeps enough
// connections, compares whole objects with their checksums unless cfg says
// otherwise, and does not log that there was none. The SDK's retries are left
// on, as configured. An HTTP client of the caller's own in cfg is used as it is.
// optFns come last, as for path-style addressing or an endpoint of one's own.
func NewClient(cfg aws.Config, optFns ...func(*s3.Options)) *s3.Client {
	own := func(o *s3.Options) {
		o.HTTPClient = awsclient.Tuned(o.HTTPClient)
		o.DisableLogOutputChecksumValidationSkipped = true
		if o.ResponseChecksumValidation == aws.ResponseChecksumValidationUnset { // as where cfg was not loaded but made
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
		}
	}
	return s3.NewFromConfig(cfg, append([]func(*s3.Options){own}, optFns...)...)
}
