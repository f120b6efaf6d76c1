package dynamodb

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/internal/awsclient"
)

func TestNewClient(t *testing.T) {
	o := NewClient(aws.Config{Region: "eu-central-1"}).Options()
	assert.Equal(t, 1, o.Retryer.MaxAttempts())
	assert.True(t, o.DisableValidateResponseChecksum)
	assert.Equal(t, awsclient.Connections, o.HTTPClient.(*awshttp.BuildableClient).GetTransport().MaxIdleConnsPerHost)

	own := &http.Client{}
	o = NewClient(aws.Config{HTTPClient: own}, func(o *awsdynamodb.Options) { o.Region = "us-east-1" }).Options()
	assert.Same(t, own, o.HTTPClient)
	assert.Equal(t, "us-east-1", o.Region)
}
