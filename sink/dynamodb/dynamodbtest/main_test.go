package dynamodbtest_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/testtool"
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

// serve hands a request to a server without a network.
func serve(t testing.TB, srv *dynamodbtest.Server, target string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.Header = http.Header{"X-Amz-Target": {target}, "Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Date": {"20261122T000000Z"}, "Authorization": {authorization}}
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, r)
	return w
}

// code is the type of an error of DynamoDB, "no answer" for another, "ok" for none.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return "no answer"
}

// text is an attribute value.
func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

// batch is a BatchWriteItem that puts items with the keys p.
func batch(table string, keys ...string) *dynamodb.BatchWriteItemInput {
	var requests []types.WriteRequest
	for _, k := range keys {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: dynamodbtest.Item{"p": text(k), "v": number(1)}}})
	}
	return &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: requests}}
}

// keys are the keys p of items.
func keys(items []dynamodbtest.Item) []string {
	out := []string{}
	for _, i := range items {
		out = append(out, i["p"].(*types.AttributeValueMemberS).Value)
	}
	slices.Sort(out)
	return out
}

// newHTTP returns an HTTP client whose connections are closed with the test.
func newHTTP(t testing.TB) *http.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 16
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: testtool.Transport(tr)}
}
