package main

import (
	"net/http"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/unspool-go/unspool/claim"
	claims "github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink/dynamodb"
	"github.com/unspool-go/unspool/sink/sqs"
)

// settings are those for a stand-in; config.LoadDefaultConfig makes those for AWS.
func settings(endpoint string) awssdk.Config {
	return awssdk.Config{
		Region: "us-east-1", BaseEndpoint: awssdk.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("transactions", "not-a-secret", ""),
		HTTPClient:  awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxConnsPerHost = connections }),
	}
}

// connections is how many connections a client may have: a process has few files.
const connections = 24

// newChain makes the clients.
func newChain(queues, table awssdk.Config, store claim.Claimer, log *zap.Logger) *chain {
	return &chain{
		queues:  sqs.NewClient(queues, sqs.WithFastBody),
		table:   claims.NewClient(table),
		items:   dynamodb.NewClient(table), // the stages try again
		streams: dynamodbstreams.NewFromConfig(table),
		claims:  store, visibility: 30 * time.Second, log: log,
	}
}

// origin is where a record comes from, as it tells itself.
func origin(data []byte) (sqsstore.Origin, bool) {
	object, offset := gjson.GetBytes(data, "object"), gjson.GetBytes(data, "offset")
	return sqsstore.Origin{Object: object.Str, Offset: offset.Int()}, object.Str != ""
}

// uploads is the folder of CSV files.
const uploads = "uploads"
