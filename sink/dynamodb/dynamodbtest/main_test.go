package dynamodbtest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var anyone = credentials.NewStaticCredentialsProvider("key", "secret", "")

// clients are the real SDK clients, without retries, of a server.
func clients(t testing.TB, srv *dynamodbtest.Server) (*dynamodb.Client, *dynamodbstreams.Client) {
	http := newHTTP(t)
	return dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone, Retryer: aws.NopRetryer{}, HTTPClient: http}),
		dynamodbstreams.New(dynamodbstreams.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone, Retryer: aws.NopRetryer{}, HTTPClient: http})
}
