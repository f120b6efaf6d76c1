package sqsstore_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
	"github.com/viant/afs"
	"github.com/viant/afs/storage"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// newServer starts a stand-in of SQS with queues.
func newServer(t *testing.T, queues ...string) (*sqstest.Server, *awssqs.Client) {
	t.Helper()
	server := sqstest.Start(t, sqstest.Config{})
	for _, name := range queues {
		_, err := server.AddQueue(name, sqstest.QueueConfig{})
		require.NoError(t, err)
	}
	return server, sqs.NewClient(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
}

// register makes a manager the one of sqs:// URLs.
func register(t *testing.T, client sqsstore.Client, cfg sqsstore.Config) *sqsstore.Manager {
	t.Helper()
	m, err := sqsstore.New(client, cfg)
	require.NoError(t, err)
	afs.GetRegistry().Register(sqsstore.Scheme, func(...storage.Option) (storage.Manager, error) { return m, nil })
	return m
}

func open(t *testing.T, url string) *destination.Store {
	t.Helper()
	s, err := destination.Open(destination.Config{URL: url})
	require.NoError(t, err)
	return s
}

// lines are envelopes of records with the numbers from to to.
func lines(from, to int) []byte {
	var out []byte
	for n := from; n < to; n++ {
		out = (&destination.Envelope{
			Object: "in/a.csv", Version: "v1", Offset: int64(100 * n), Attempt: 2, Class: "retryable", Reason: "no",
			Data: fmt.Appendf(nil, `{"id":%d}`, n),
		}).Append(out)
	}
	return out
}

// sqstestQueue is a queue as it is by default.
var sqstestQueue = sqstest.QueueConfig{}
