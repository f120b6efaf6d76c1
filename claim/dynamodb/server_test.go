package dynamodb_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/dynamodb"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// server is a stand-in for DynamoDB.
type server struct {
	addr   string
	tables atomic.Int64
}

// startServer starts a server for the rest of the test: in brief the one of
// dynamodbtest, which is held against DynamoDB Local, else DynamoDB Local.
func startServer(tb testing.TB) *server {
	tb.Helper()
	if testtool.Brief() {
		srv := dynamodbtest.Start(tb, dynamodbtest.Config{})
		return &server{addr: strings.TrimPrefix(srv.URL(), "http://")}
	}
	return startLocal(tb)
}

// startLocal starts DynamoDB Local for the rest of the test.
func startLocal(tb testing.TB) *server {
	tb.Helper()
	return &server{addr: testtool.DynamoDBLocal(tb)}
}

// client returns a client of the server by way of through, which is given a
// real transport.
func (s *server) client(tb testing.TB, through func(http.RoundTripper) http.RoundTripper) *awsdynamodb.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	tb.Cleanup(transport.CloseIdleConnections)
	return clientOf("http://"+s.addr, through(transport))
}

// clientOf returns a client that does not retry.
func clientOf(url string, rt http.RoundTripper) *awsdynamodb.Client {
	return awsdynamodb.New(awsdynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:   &http.Client{Transport: testtool.Transport(rt)},
		Retryer:      aws.NopRetryer{},
	})
}

// table creates a table of its own.
func (s *server) table(tb testing.TB) string {
	tb.Helper()
	name := "claims-" + strconv.FormatInt(s.tables.Add(1), 10)
	require.NoError(tb, dynamodb.CreateTable(tb.Context(), s.client(tb, direct), name))
	return name
}

func direct(rt http.RoundTripper) http.RoundTripper { return rt }

// open returns a store.
func open(tb testing.TB, api dynamodb.API, table string) *dynamodb.Store {
	tb.Helper()
	s, err := dynamodb.New(api, dynamodb.Config{Table: table, Parallel: 32})
	require.NoError(tb, err)
	return s
}

// trip is an http.RoundTripper of a function.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// recorder counts requests by operation.
type recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	ops  map[string]int
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	if r.ops == nil {
		r.ops = make(map[string]int)
	}
	r.ops[operation(req)]++
	r.mu.Unlock()
	return r.next.RoundTrip(req)
}

// count returns the number of requests of an operation, and starts anew.
func (r *recorder) count(op string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.ops[op]
	delete(r.ops, op)
	return n
}

// actions returns the IAM actions of all requests so far, sorted.
func (r *recorder) actions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var actions []string
	for op := range r.ops {
		actions = append(actions, "dynamodb:"+op)
	}
	slices.Sort(actions)
	return actions
}

// operation is the name of the DynamoDB operation of a request.
func operation(r *http.Request) string {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return op
}
