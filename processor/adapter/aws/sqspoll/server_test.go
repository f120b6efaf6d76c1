package sqspoll_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/adapter/aws/sqspoll"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// realClient is the SDK's client of a server on a loopback port.
func realClient(t *testing.T, url string) *sqs.Client {
	t.Helper()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &url, Retryer: awssdk.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: tr},
	})
}

// fill sends messages: to a FIFO queue in three groups.
func fill(t *testing.T, api *sqs.Client, queue string, n int) {
	t.Helper()
	for from := 0; from < n; from += 10 {
		var entries []types.SendMessageBatchRequestEntry
		for i := from; i < min(n, from+10); i++ {
			id := strconv.Itoa(i)
			e := types.SendMessageBatchRequestEntry{Id: &id, MessageBody: awssdk.String(fmt.Sprintf("%c %03d", 'a'+i%3, i))}
			if strings.HasSuffix(queue, ".fifo") {
				e.MessageGroupId, e.MessageDeduplicationId = awssdk.String(string(rune('a'+i%3))), &id
			}
			entries = append(entries, e)
		}
		out, err := api.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &queue, Entries: entries})
		require.NoError(t, err)
		require.Empty(t, out.Failed)
	}
}

// drainQueue consumes a queue until n different messages are handled and deleted,
// some of which fail the first time. It returns their bodies in the order in which
// they were settled.
func drainQueue(t *testing.T, api *sqs.Client, queue string, n int, empty func() bool) []string {
	t.Helper()
	var mu sync.Mutex
	seen, all := map[string]bool{}, make(chan struct{})
	var order []string
	h := &handler{f: func(_ context.Context, m events.SQSMessage) error {
		if strings.HasSuffix(m.Body, "5") && m.Attributes["ApproximateReceiveCount"] == "1" {
			return errors.New("not now")
		}
		mu.Lock()
		defer mu.Unlock()
		order = append(order, m.Body)
		if !seen[m.Body] {
			if seen[m.Body] = true; len(seen) == n {
				close(all)
			}
		}
		return nil
	}}
	c, err := sqspoll.New(api, queue, h, sqspoll.Config{Concurrency: 20, Receivers: 2, RetryDelay: -1, Drain: time.Minute})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan sqspoll.Stats, 1)
	go func() {
		stats, err := c.Run(ctx)
		assert.NoError(t, err)
		done <- stats
	}()
	select {
	case <-all:
	case <-ctx.Done():
	}
	cancel()
	stats := <-done
	require.Len(t, seen, n)
	assert.Equal(t, stats.Settled, stats.Deleted+stats.Undeleted)
	assert.True(t, empty())
	return order
}

// ordered checks that the messages of each group were settled in their order.
func ordered(t *testing.T, order []string) {
	t.Helper()
	for _, group := range []string{"a", "b", "c"} {
		own := slices.DeleteFunc(slices.Clone(order), func(body string) bool { return !strings.HasPrefix(body, group) })
		assert.True(t, slices.IsSorted(own), "group %s: %v", group, own)
	}
}

func TestThroughTheRealClient(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"jobs", "jobs.fifo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for messages that come again
			srv := sqstest.Start(t, sqstest.Config{})
			queue, err := srv.AddQueue(name, sqstest.QueueConfig{})
			require.NoError(t, err)
			api := realClient(t, srv.URL())
			fill(t, api, queue, 60)
			// Every call fails in some way, now and then: the receipts stay good.
			var n atomic.Int64
			srv.Inject(func(call *sqstest.Call) sqstest.Fault {
				switch i := n.Add(1); {
				case call.Operation == "DeleteMessageBatch" && i%3 == 0:
					return sqstest.Fault{Entries: map[int]string{0: "InternalError"}}
				case call.Operation == "DeleteMessageBatch" && i%5 == 0:
					return sqstest.Fault{LoseResponse: true}
				case call.Operation == "ReceiveMessage" && i%7 == 0:
					return sqstest.Fault{Code: "RequestThrottled"}
				}
				return sqstest.Fault{}
			})
			order := drainQueue(t, api, queue, 60, func() bool {
				return !slices.ContainsFunc(srv.Messages(name), func(m sqstest.Message) bool { return !m.Deleted })
			})
			assert.Len(t, order, 60, "each was settled once")
			if name == "jobs.fifo" {
				ordered(t, order)
			}
		})
	}
}

func TestWithAnotherServer(t *testing.T) {
	t.Parallel()
	node, cli := testtool.Find(t, "node"), testtool.Find(t, "fauxqs")
	port := strconv.Itoa(testtool.Port(t))
	cmd := exec.CommandContext(context.Background(), node, cli)
	cmd.Env = []string{"FAUXQS_PORT=" + port, "FAUXQS_HOST=127.0.0.1", "FAUXQS_LOGGER=false"}
	testtool.Start(t, cmd, testtool.Listening("127.0.0.1:"+port))
	api := realClient(t, "http://127.0.0.1:"+port)
	for _, name := range []string{"jobs", "jobs.fifo"} {
		attributes := map[string]string{}
		if name == "jobs.fifo" {
			attributes["FifoQueue"] = "true"
		}
		made, err := api.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String(name), Attributes: attributes})
		require.NoError(t, err)
		fill(t, api, *made.QueueUrl, 60)
		order := drainQueue(t, api, *made.QueueUrl, 60, func() bool {
			out, err := api.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
			return err == nil && out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
		})
		if name == "jobs.fifo" {
			ordered(t, order)
		}
	}
}

// A redrive policy has the last word on a message that nobody can settle.
func TestAMessageThatIsNeverSettledEndsInTheDeadLetterQueue(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	_, err := srv.AddQueue("dead", sqstest.QueueConfig{})
	require.NoError(t, err)
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{DeadLetter: "dead", MaxReceives: 3})
	require.NoError(t, err)
	api := realClient(t, srv.URL())
	fill(t, api, queue, 1)
	var calls atomic.Int64
	h := &handler{f: func(context.Context, events.SQSMessage) error { calls.Add(1); return errors.New("never") }}
	c, err := sqspoll.New(api, queue, h, sqspoll.Config{RetryDelay: -1})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := c.Run(ctx); done <- err }()
	require.Eventually(t, func() bool { return len(srv.Messages("dead")) == 1 }, 30*time.Second, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	assert.EqualValues(t, 3, calls.Load())
}
