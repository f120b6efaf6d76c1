package sqstest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ctx    = context.Background() // of the examples
	anyone = credentials.NewStaticCredentialsProvider("key", "secret", "")
)

// client is the real SDK client, without retries, of a server.
func client(t *testing.T, url string) *sqs.Client {
	t.Helper()
	http := newHTTP(t)
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(url),
		Region:       "us-east-1",
		Credentials:  anyone,
		Retryer:      aws.NopRetryer{},
		HTTPClient:   http,
	})
}

func TestSendAndReceiveThroughTheSDK(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	c := client(t, srv.URL())

	body := "{\"text\":\"tab\\t quote \\\" é 漢 😀\u2028\"}\n" + strings.Repeat("x", 100)
	out, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: &queue,
		Entries: []types.SendMessageBatchRequestEntry{{
			Id: aws.String("a"), MessageBody: &body,
			MessageAttributes: map[string]types.MessageAttributeValue{"n": {DataType: aws.String("Number"), StringValue: aws.String("1.5")}},
		}},
	})
	require.NoError(t, err)
	require.Empty(t, out.Failed)
	require.Len(t, out.Successful, 1)

	got, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MessageAttributeNames: []string{"All"}})
	require.NoError(t, err)
	require.Len(t, got.Messages, 1)
	require.Equal(t, body, *got.Messages[0].Body)
	require.Equal(t, "1.5", *got.Messages[0].MessageAttributes["n"].StringValue)
	require.Equal(t, out.Successful[0].MD5OfMessageAttributes, got.Messages[0].MD5OfMessageAttributes)

	all := srv.Messages("jobs")
	require.Len(t, all, 1)
	require.Equal(t, body, all[0].Body)
	require.Equal(t, len(body)+len("n")+len("Number")+len("1.5"), all[0].Size)
}

// What clients had sent has been dealt with when they have hung up.
func TestWaitHangup(t *testing.T) {
	var arrived atomic.Int64
	srv := sqstest.Start(t, sqstest.Config{OnMessage: func(string, sqstest.Message) { arrived.Add(1) }})
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	body := fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"x"}`, queue)
	request := "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n" +
		"Authorization: " + authorization + "\r\nX-Amz-Date: 20261122T000000Z\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	const clients = 50
	for range clients { // that do not wait for the answer
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL(), "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, srv.WaitHangup(t.Context()))
	require.EqualValues(t, clients, arrived.Load())

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL(), "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, srv.WaitHangup(limited), context.DeadlineExceeded, "one holds on")
}
