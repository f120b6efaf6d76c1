package sqstest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// sendBatch sends three messages and says how it went.
func (f *fixture) sendBatch() string {
	f.Helper()
	out, err := f.c.SendMessageBatch(f.Context(), &sqs.SendMessageBatchInput{QueueUrl: &f.queue, Entries: many(3, "1")})
	if err != nil {
		if code := answer(err); len(code) < 30 {
			return code
		}
		return "no answer"
	}
	return answer(nil, out.Failed...)
}

func TestEachFaultDoesWhatItSays(t *testing.T) {
	for name, c := range map[string]struct {
		fault    sqstest.Fault
		answer   string
		accepted int
	}{
		"none":           {sqstest.Fault{}, "ok", 3},
		"cut":            {sqstest.Fault{Cut: true}, "no answer", 0},
		"lost":           {sqstest.Fault{LoseResponse: true}, "no answer", 3},
		"throttled":      {sqstest.Fault{Code: "RequestThrottled"}, "RequestThrottled", 0},
		"KMS throttled":  {sqstest.Fault{Code: "KmsThrottled"}, "KMS.ThrottlingException", 0},
		"5xx":            {sqstest.Fault{Code: "InternalError"}, "InternalError", 0},
		"some entries":   {sqstest.Fault{Entries: map[int]string{0: "InternalError", 2: "RequestThrottled"}}, "0 InternalError, 2 RequestThrottled", 1},
		"a code unheard": {sqstest.Fault{Code: "Odd"}, "Odd", 0},
		"slow":           {sqstest.Fault{Delay: time.Millisecond}, "ok", 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, "jobs", sqstest.QueueConfig{})
			f.srv.Inject(func(call *sqstest.Call) sqstest.Fault {
				require.Equal(t, sqstest.Call{Operation: "SendMessageBatch", Queue: "jobs", Number: 1, Entries: 3}, *call)
				return c.fault
			})
			require.Equal(t, c.answer, f.sendBatch())
			require.Len(t, f.srv.Messages("jobs"), c.accepted)
			f.srv.Inject(nil)
			require.Equal(t, "ok", f.sendBatch())
		})
	}
}

func TestEntriesOfOtherBatchesFailAsWell(t *testing.T) {
	f := start(t, "jobs", sqstest.QueueConfig{})
	require.Equal(t, "ok", f.sendBatch())
	got, err := f.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &f.queue, MaxNumberOfMessages: 10})
	require.NoError(t, err)
	require.Len(t, got.Messages, 3)
	f.srv.Inject(func(*sqstest.Call) sqstest.Fault {
		return sqstest.Fault{Entries: map[int]string{1: "InternalError"}}
	})
	var changes []types.ChangeMessageVisibilityBatchRequestEntry
	var deletions []types.DeleteMessageBatchRequestEntry
	for i, m := range got.Messages {
		id := aws.String(fmt.Sprint(i))
		changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 60})
		deletions = append(deletions, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: m.ReceiptHandle})
	}
	changed, err := f.c.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &f.queue, Entries: changes})
	require.Equal(t, "1 InternalError", answer(err, changed.Failed...))
	deleted, err := f.c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &f.queue, Entries: deletions})
	require.Equal(t, "1 InternalError", answer(err, deleted.Failed...))
	for i, m := range f.srv.Messages("jobs") {
		require.Equal(t, i != 1, m.Deleted)
	}
}

// However often it is extended, a message comes again 12 hours after it was received.
func TestAMessageCannotStayHiddenForMoreThanTwelveHours(t *testing.T) {
	frozen(t, "jobs", sqstest.QueueConfig{}, func(f *fixture) {
		require.Equal(f, "ok", f.sendBatch())
		got, err := f.c.ReceiveMessage(f.Context(), &sqs.ReceiveMessageInput{QueueUrl: &f.queue, VisibilityTimeout: 3600})
		require.NoError(f, err)
		hide := func(seconds int32) string {
			_, err := f.c.ChangeMessageVisibility(f.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &f.queue, ReceiptHandle: got.Messages[0].ReceiptHandle, VisibilityTimeout: seconds})
			return answer(err)
		}
		f.srv.Advance(30 * time.Minute)
		require.Equal(f, "InvalidParameterValue", hide(43_200))
		require.Equal(f, "ok", hide(41_000))
		f.srv.Advance(41_000*time.Second - time.Minute)
		require.Equal(f, "InvalidParameterValue", hide(3600))
	})
}

func TestOutageCutsEverythingUntilItEnds(t *testing.T) {
	frozen(t, "jobs", sqstest.QueueConfig{}, func(f *fixture) {
		f.srv.Outage(20 * time.Second)
		require.Equal(f, "no answer", f.sendBatch())
		f.srv.Advance(19 * time.Second)
		require.Equal(f, "no answer", f.sendBatch())
		f.srv.Advance(time.Second)
		require.Equal(f, "ok", f.sendBatch())
		f.srv.Outage(time.Hour)
		f.srv.Outage(0)
		require.Equal(f, "ok", f.sendBatch())
		require.Equal(f, 4, f.srv.Requests())
		require.Equal(f, 2, f.srv.Calls("SendMessageBatch"))
	})
}

func TestRandomFaultsAreRepeatableAndBounded(t *testing.T) {
	mixture := sqstest.Faults{Seed: 7, Max: 40, Throttle: 0.2, Unavailable: 0.2, Cut: 0.1, LoseResponse: 0.2, FailEntries: 0.3}
	draw := func() (out []string) {
		inject := mixture.Injector()
		for n := range 200 {
			out = append(out, fmt.Sprint(inject(&sqstest.Call{Operation: "SendMessageBatch", Number: n, Entries: 3})))
		}
		return out
	}
	first := draw()
	require.Equal(t, first, draw())
	kinds, disturbed := map[string]bool{}, 0
	for _, s := range first {
		kinds[s] = true
		if s != fmt.Sprint(sqstest.Fault{}) {
			disturbed++
		}
	}
	require.Equal(t, 40, disturbed)
	require.Greater(t, len(kinds), 8, "all kinds of faults come up")
	require.Equal(t, sqstest.Fault{}, mixture.Injector()(&sqstest.Call{Operation: "ReceiveMessage"}), "only sending is disturbed")
}

func TestCloseEndsACallThatIsHeldUp(t *testing.T) {
	f := start(t, "jobs", sqstest.QueueConfig{})
	held := make(chan struct{})
	f.srv.Inject(func(*sqstest.Call) sqstest.Fault {
		close(held)
		return sqstest.Fault{Delay: time.Hour}
	})
	done := make(chan string)
	go func() { done <- f.sendBatch() }()
	<-held
	f.srv.Close()
	require.Equal(t, "no answer", <-done)
	f.srv.Close() // twice is fine
}

func ExampleServer_Inject() {
	srv, err := sqstest.New(sqstest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	// Every second call is throttled.
	srv.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Number%2 == 0 {
			return sqstest.Fault{Code: "RequestThrottled"}
		}
		return sqstest.Fault{}
	})
	c := sqs.New(sqs.Options{BaseEndpoint: aws.String(srv.URL()), Region: "us-east-1", Credentials: anyone, Retryer: aws.NopRetryer{}})
	for range 3 {
		_, err := c.ListQueues(ctx, &sqs.ListQueuesInput{})
		fmt.Println(answer(err))
	}
	// Output:
	// ok
	// RequestThrottled
	// ok
}
