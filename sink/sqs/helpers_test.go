package sqs_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// awsConfig points the SDK at a stand-in. Connections are closed with the test.
func awsConfig(t testing.TB, url string) aws.Config {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost, tr.WriteBufferSize = 64, 64<<10
	t.Cleanup(tr.CloseIdleConnections)
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:   &http.Client{Transport: tr},
	}
}

// clients are the ways to make an SDK client. Everything that is tested through
// the protocol is tested through each.
var clients = map[string]func(aws.Config) *awssqs.Client{
	"plain": func(cfg aws.Config) *awssqs.Client {
		return awssqs.NewFromConfig(cfg, func(o *awssqs.Options) { o.Retryer = aws.NopRetryer{} })
	},
	"ours": func(cfg aws.Config) *awssqs.Client { return sqs.NewClient(cfg) },
	"fast": func(cfg aws.Config) *awssqs.Client { return sqs.NewClient(cfg, sqs.WithFastBody) },
}

// eachClient runs f with each kind of client of a fresh server.
func eachClient(t *testing.T, f func(t *testing.T, srv *sqstest.Server, api *awssqs.Client)) {
	for name, make := range clients {
		t.Run(name, func(t *testing.T) {
			srv := sqstest.Start(t, sqstest.Config{})
			f(t, srv, make(awsConfig(t, srv.URL())))
		})
	}
}

// newSink returns a sink to a new queue.
func newSink(t testing.TB, srv *sqstest.Server, api sqs.API, name string, cfg sqstest.QueueConfig) *sqs.Sink {
	t.Helper()
	url, err := srv.AddQueue(name, cfg)
	require.NoError(t, err)
	s, err := sqs.New(api, url, sqs.Config{})
	require.NoError(t, err)
	return s
}

// fake is an API of functions.
type fake struct {
	send  func(*awssqs.SendMessageBatchInput) (*awssqs.SendMessageBatchOutput, error)
	attrs func(*awssqs.GetQueueAttributesInput) (*awssqs.GetQueueAttributesOutput, error)
	url   func(*awssqs.GetQueueUrlInput) (*awssqs.GetQueueUrlOutput, error)
}

func (f fake) SendMessageBatch(_ context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	return f.send(in)
}

func (f fake) GetQueueAttributes(_ context.Context, in *awssqs.GetQueueAttributesInput, _ ...func(*awssqs.Options)) (*awssqs.GetQueueAttributesOutput, error) {
	return f.attrs(in)
}

func (f fake) GetQueueUrl(_ context.Context, in *awssqs.GetQueueUrlInput, _ ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error) {
	return f.url(in)
}
