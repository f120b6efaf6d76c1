package sqstest_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// fixture is a server with one queue.
type fixture struct {
	*testing.T
	srv   *sqstest.Server
	c     *sqs.Client
	name  string
	queue string
}

func start(t *testing.T, name string, cfg sqstest.QueueConfig) *fixture {
	t.Helper()
	srv := sqstest.Start(t, sqstest.Config{})
	queue, err := srv.AddQueue(name, cfg)
	require.NoError(t, err)
	return &fixture{T: t, srv: srv, c: client(t, srv.URL()), name: name, queue: queue}
}

func (f *fixture) send(in sqs.SendMessageInput) *sqs.SendMessageOutput {
	f.Helper()
	in.QueueUrl = &f.queue
	out, err := f.c.SendMessage(f.Context(), &in)
	require.NoError(f, err)
	return out
}

// frozen runs a test whose server's clock stands still unless it is advanced:
// that of a bubble does, while anything waits for the network.
func frozen(t *testing.T, name string, cfg sqstest.QueueConfig, f func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(start(t, name, cfg)) })
}

// receive returns the bodies of what can be received now.
func (f *fixture) receive() []string {
	f.Helper()
	out, err := f.c.ReceiveMessage(f.Context(), &sqs.ReceiveMessageInput{QueueUrl: &f.queue, MaxNumberOfMessages: 10})
	require.NoError(f, err)
	var bodies []string
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

func TestDelayOfMessageAndQueueEndsWithTheClock(t *testing.T) {
	frozen(t, "jobs", sqstest.QueueConfig{Delay: 10 * time.Second}, func(f *fixture) {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("by queue")})
		f.send(sqs.SendMessageInput{MessageBody: aws.String("by message"), DelaySeconds: 900})
		require.Empty(f, f.receive())
		f.srv.Advance(10 * time.Second)
		require.Equal(f, []string{"by queue"}, f.receive())
		f.srv.Advance(890 * time.Second)
		require.Contains(f, f.receive(), "by message")
	})
}

func TestVisibilityLapsesWithTheClock(t *testing.T) {
	frozen(t, "jobs", sqstest.QueueConfig{VisibilityTimeout: time.Minute}, func(f *fixture) {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("1")})
		require.Len(f, f.receive(), 1)
		f.srv.Advance(59 * time.Second)
		require.Empty(f, f.receive())
		f.srv.Advance(time.Second)
		require.Len(f, f.receive(), 1)
		require.Equal(f, 2, f.srv.Messages("jobs")[0].Receives)
	})
}

func TestDeduplicationWindowIsFiveMinutes(t *testing.T) {
	frozen(t, "jobs.fifo", sqstest.QueueConfig{}, func(f *fixture) {
		in := sqs.SendMessageInput{MessageBody: aws.String("1"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d")}
		first := f.send(in)
		f.srv.Advance(5*time.Minute - time.Second)
		again := f.send(in)
		require.Equal(f, first.MessageId, again.MessageId)
		require.Equal(f, first.SequenceNumber, again.SequenceNumber)
		require.Len(f, f.srv.Messages("jobs.fifo"), 1)
		f.srv.Advance(time.Second)
		late := f.send(in)
		require.NotEqual(f, first.MessageId, late.MessageId)
		require.Greater(f, *late.SequenceNumber, *first.SequenceNumber)
		require.Len(f, f.srv.Messages("jobs.fifo"), 2)
	})
}

func TestContentDeduplicationIgnoresAttributes(t *testing.T) {
	f := start(t, "jobs.fifo", sqstest.QueueConfig{ContentBasedDeduplication: true})
	for i := range 3 {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("1"), MessageGroupId: aws.String("g"), MessageAttributes: map[string]types.MessageAttributeValue{
			"n": {DataType: aws.String("Number"), StringValue: aws.String(strconv.Itoa(i))},
		}})
	}
	f.send(sqs.SendMessageInput{MessageBody: aws.String("2"), MessageGroupId: aws.String("g")})
	require.Len(t, f.srv.Messages("jobs.fifo"), 2)
}

func TestDeduplicationWithinAGroupWhereTheQueueSaysSo(t *testing.T) {
	f := start(t, "jobs.fifo", sqstest.QueueConfig{Attributes: map[string]string{"DeduplicationScope": "messageGroup"}})
	for _, group := range []string{"g", "h", "g"} {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("1"), MessageGroupId: &group, MessageDeduplicationId: aws.String("d")})
	}
	require.Len(t, f.srv.Messages("jobs.fifo"), 2)
}

func TestFIFOBatchOfOneGroupIsReceivedInOrderAndBlocksIt(t *testing.T) {
	frozen(t, "jobs.fifo", sqstest.QueueConfig{VisibilityTimeout: time.Minute}, func(f *fixture) {
		var want []string
		for i := range 12 {
			body := strconv.Itoa(i)
			want = append(want, body)
			f.send(sqs.SendMessageInput{MessageBody: &body, MessageGroupId: aws.String("g"), MessageDeduplicationId: &body})
		}
		require.Equal(f, want[:10], f.receive())
		require.Empty(f, f.receive(), "the group has messages in flight")
		f.srv.Advance(time.Minute)
		require.Equal(f, want[:10], f.receive())
	})
}

func TestExpiredHandleOfAFIFOQueueIsRefused(t *testing.T) {
	frozen(t, "jobs.fifo", sqstest.QueueConfig{VisibilityTimeout: time.Minute}, func(f *fixture) {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("1"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d")})
		out, err := f.c.ReceiveMessage(f.Context(), &sqs.ReceiveMessageInput{QueueUrl: &f.queue})
		require.NoError(f, err)
		f.srv.Advance(time.Minute)
		_, err = f.c.DeleteMessage(f.Context(), &sqs.DeleteMessageInput{QueueUrl: &f.queue, ReceiptHandle: out.Messages[0].ReceiptHandle})
		require.Equal(f, "InvalidParameterValue", answer(err))
	})
}

func TestBatchesOfDeletesAndVisibility(t *testing.T) {
	f := start(t, "jobs", sqstest.QueueConfig{})
	for i := range 3 {
		f.send(sqs.SendMessageInput{MessageBody: aws.String(strconv.Itoa(i))})
	}
	out, err := f.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &f.queue, MaxNumberOfMessages: 10})
	require.NoError(t, err)
	require.Len(t, out.Messages, 3)
	hidden, err := f.c.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &f.queue, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: out.Messages[0].ReceiptHandle, VisibilityTimeout: 0},
		{Id: aws.String("b"), ReceiptHandle: out.Messages[1].ReceiptHandle, VisibilityTimeout: 43_201},
	}})
	require.NoError(t, err)
	require.Equal(t, "b InvalidParameterValue", answer(nil, hidden.Failed...))
	deleted, err := f.c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &f.queue, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: out.Messages[1].ReceiptHandle},
		{Id: aws.String("b"), ReceiptHandle: aws.String("garbage")},
	}})
	require.NoError(t, err)
	require.Equal(t, "b ReceiptHandleIsInvalid", answer(nil, deleted.Failed...))
	require.Equal(t, []string{"0"}, f.receive())
	var gone []bool
	for _, m := range f.srv.Messages("jobs") {
		gone = append(gone, m.Deleted)
	}
	require.Equal(t, []bool{false, true, false}, gone)

	_, err = f.c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &f.queue, Entries: []types.DeleteMessageBatchRequestEntry{}})
	require.Equal(t, "EmptyBatchRequest", answer(err))
}

func TestLongPollEndsWithAMessageTheClockOrTheServer(t *testing.T) {
	f := start(t, "jobs", sqstest.QueueConfig{VisibilityTimeout: 12 * time.Hour})
	poll := func() <-chan int {
		before := f.srv.Calls("ReceiveMessage")
		got := make(chan int, 1)
		go func() {
			out, err := f.c.ReceiveMessage(context.WithoutCancel(t.Context()), &sqs.ReceiveMessageInput{QueueUrl: &f.queue, WaitTimeSeconds: 20})
			if err != nil {
				got <- -1
				return
			}
			got <- len(out.Messages)
		}()
		require.Eventually(t, func() bool { return f.srv.Calls("ReceiveMessage") > before }, time.Minute, time.Millisecond)
		return got
	}
	got := poll()
	f.send(sqs.SendMessageInput{MessageBody: aws.String("1")})
	require.Equal(t, 1, <-got)

	got = poll()
	for waiting := true; waiting; { // the poll may begin after an Advance
		select {
		case n := <-got:
			require.Zero(t, n)
			waiting = false
		case <-time.After(10 * time.Millisecond):
			f.srv.Advance(20 * time.Second)
		}
	}

	got = poll()
	f.srv.Close()
	require.Equal(t, -1, <-got)
}

func TestPurgeAndDeletedQueuesKeepTheirMinute(t *testing.T) {
	frozen(t, "jobs", sqstest.QueueConfig{}, func(f *fixture) {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("1")})
		purge := func() string {
			_, err := f.c.PurgeQueue(f.Context(), &sqs.PurgeQueueInput{QueueUrl: &f.queue})
			return answer(err)
		}
		require.Equal(f, "ok", purge())
		require.Empty(f, f.receive())
		require.Equal(f, "PurgeQueueInProgress", purge())
		f.srv.Advance(time.Minute)
		require.Equal(f, "ok", purge())

		_, err := f.c.DeleteQueue(f.Context(), &sqs.DeleteQueueInput{QueueUrl: &f.queue})
		require.NoError(f, err)
		_, err = f.srv.AddQueue("jobs", sqstest.QueueConfig{})
		require.ErrorContains(f, err, "QueueDeletedRecently")
		f.srv.Advance(time.Minute)
		_, err = f.srv.AddQueue("jobs", sqstest.QueueConfig{})
		require.NoError(f, err)
	})
}

func TestListQueuesPages(t *testing.T) {
	f := start(t, "b1", sqstest.QueueConfig{})
	for _, name := range []string{"a1", "b2", "b3", "c"} {
		_, err := f.srv.AddQueue(name, sqstest.QueueConfig{})
		require.NoError(t, err)
	}
	pages := sqs.NewListQueuesPaginator(f.c, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("b"), MaxResults: aws.Int32(2)})
	var sizes []int
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		sizes = append(sizes, len(page.QueueUrls))
	}
	require.Equal(t, []int{2, 1}, sizes)
}

func TestSetQueueAttributesTakesEffect(t *testing.T) {
	f := start(t, "jobs", sqstest.QueueConfig{})
	_, err := f.c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &f.queue, Attributes: map[string]string{"MaximumMessageSize": "1024"}})
	require.NoError(t, err)
	_, err = f.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &f.queue, MessageBody: aws.String(x(1025))})
	require.Equal(t, "InvalidParameterValue", answer(err))
	_, err = f.c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &f.queue, Attributes: map[string]string{"MaximumMessageSize": "1"}})
	require.Equal(t, "InvalidAttributeValue", answer(err))
	f.send(sqs.SendMessageInput{MessageBody: aws.String(x(1024))})
}

func TestMessagesExpireAfterTheRetentionPeriod(t *testing.T) {
	frozen(t, "jobs", sqstest.QueueConfig{Attributes: map[string]string{"MessageRetentionPeriod": "60"}}, func(f *fixture) {
		f.send(sqs.SendMessageInput{MessageBody: aws.String("1")})
		f.srv.Advance(time.Minute + time.Second)
		require.Empty(f, f.receive())
		require.True(f, f.srv.Messages("jobs")[0].Deleted)
	})
}

func TestDiscardedBodiesAreStillSeenMeasuredAndSummed(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	srv := sqstest.Start(t, sqstest.Config{DiscardBodies: true, OnMessage: func(queue string, m sqstest.Message) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, queue+" "+m.Body)
	}})
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	_, err = client(t, srv.URL()).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("test")})
	require.NoError(t, err)
	require.Equal(t, []string{"jobs test"}, seen)
	got := srv.Messages("jobs")
	require.Empty(t, got[0].Body)
	require.Equal(t, 4, got[0].Size)
	require.Equal(t, "098f6bcd4621d373cade4e832627b4f6", got[0].MD5)
}

func TestDeletedMessagesAreDiscarded(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{DiscardDeleted: true})
	_, err := srv.AddQueue("dead", sqstest.QueueConfig{})
	require.NoError(t, err)
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{DeadLetter: "dead", MaxReceives: 1})
	require.NoError(t, err)
	api := client(t, srv.URL())
	for _, body := range []string{"one", "two"} {
		_, err = api.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body})
		require.NoError(t, err)
	}
	got, err := api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
	require.NoError(t, err)
	require.Len(t, got.Messages, 2)
	require.Equal(t, "one", srv.Messages("jobs")[0].Body, "it is not deleted")
	_, err = api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: got.Messages[0].ReceiptHandle})
	require.NoError(t, err)
	require.Empty(t, srv.Messages("jobs")[0].Body)
	require.True(t, srv.Messages("jobs")[0].Deleted)

	srv.Advance(time.Minute)
	got, err = api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue})
	require.NoError(t, err)
	require.Empty(t, got.Messages)
	require.Empty(t, srv.Messages("jobs")[1].Body)
	require.Equal(t, "two", srv.Messages("dead")[0].Body)
}
