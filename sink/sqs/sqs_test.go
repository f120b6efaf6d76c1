package sqs_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sinktest"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func TestConformance(t *testing.T) {
	queues := map[string]sqstest.QueueConfig{
		"standard":     {},
		"small":        {MaximumMessageSize: 1024},
		"ordered.fifo": {},
	}
	for kind, make := range clients {
		for queue, cfg := range queues {
			t.Run(kind+"/"+queue, func(t *testing.T) {
				servers := map[sink.Sink]*sqstest.Server{}
				sinktest.Run(t, sinktest.Harness{
					New: func(t testing.TB) sink.Sink {
						srv := sqstest.Start(t, sqstest.Config{})
						s := newSink(t, srv, make(awsConfig(t, srv.URL())), queue, cfg)
						servers[s] = srv
						return s
					},
					Accepted: func(_ testing.TB, s sink.Sink) []sink.Message {
						return accepted(servers[s], queue)
					},
					Unordered: true,
					Poison:    &sink.Message{Body: []byte("\"\uffff\"")},
				})
			})
		}
	}
}

// accepted is what a queue took, as messages of the port.
func accepted(srv *sqstest.Server, queue string) []sink.Message {
	var out []sink.Message
	for _, m := range srv.Messages(queue) {
		got := sink.Message{Body: []byte(m.Body), ID: m.DeduplicationID, Group: m.Group}
		for name, a := range m.Attributes {
			got.Attributes = append(got.Attributes, sink.Attribute{Name: name, Type: a.Type, Value: a.Value})
		}
		// SQS keeps no order of attributes; the suite's happens to be this.
		slices.SortFunc(got.Attributes, func(a, b sink.Attribute) int { return strings.Compare(b.Name, a.Name) })
		out = append(out, got)
	}
	return out
}

func TestLimitsAreTheQueuesOwn(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		limits, err := newSink(t, srv, api, "small", sqstest.QueueConfig{MaximumMessageSize: 2048}).Limits(t.Context())
		require.NoError(t, err)
		require.Equal(t, sink.Limits{MessageBytes: 2048, BatchBytes: 1 << 20, BatchMessages: 10, XMLChars: true}, limits)

		limits, err = newSink(t, srv, api, "full.fifo", sqstest.QueueConfig{}).Limits(t.Context())
		require.NoError(t, err)
		require.Equal(t, sink.Limits{MessageBytes: 1 << 20, BatchBytes: 1 << 20, BatchMessages: 10, XMLChars: true, FIFO: true}, limits)
	})
}

func TestQueueIsFoundByNameAndARNOnceAndByURLWithoutAsking(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	url, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	api := sqs.NewClient(awsConfig(t, srv.URL()))
	for i, queue := range []string{"jobs", "arn:aws:sqs:us-east-1:123456789012:jobs", url} {
		before := srv.Calls("GetQueueUrl")
		s, err := sqs.New(api, queue, sqs.Config{})
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "a"}}))
			_, err = s.Limits(t.Context())
			require.NoError(t, err)
		}
		want := 1
		if queue == url {
			want = 0
		}
		require.Equal(t, want, srv.Calls("GetQueueUrl")-before, queue)
		require.Len(t, srv.Messages("jobs"), 2*(i+1))
	}
}

func TestLimitsWithoutThePermissionToAsk(t *testing.T) {
	s, err := sqs.New(fake{}, "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", sqs.Config{MessageBytes: 262_144})
	require.NoError(t, err)
	limits, err := s.Limits(t.Context()) // the fake would panic if asked
	require.NoError(t, err)
	require.Equal(t, 262_144, limits.MessageBytes)
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := sqs.New(nil, "a/b", sqs.Config{MessageBytes: 1<<20 + 1})
	require.ErrorContains(t, err, "no client")
	require.ErrorContains(t, err, `queue "a/b"`)
	require.ErrorContains(t, err, "MessageBytes")
	for _, queue := range []string{"", "https://host", "arn:aws:s3:::bucket", "two words"} {
		_, err := sqs.New(fake{}, queue, sqs.Config{})
		require.Error(t, err, queue)
	}
}

func TestFIFOSendsGroupAndDeduplicationIDAndARepeatIsTakenOnce(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs.fifo", sqstest.QueueConfig{})
		batch := []sink.Message{{Body: []byte("1"), ID: "m1", Group: "g1"}, {Body: []byte("2"), ID: "m2", Group: "g2"}}
		require.NoError(t, s.Send(t.Context(), batch))
		require.NoError(t, s.Send(t.Context(), batch))
		got := srv.Messages("jobs.fifo")
		require.Len(t, got, 2)
		assert.Equal(t, "m1", got[0].DeduplicationID)
		assert.Equal(t, "g2", got[1].Group)
	})
}

func TestStandardQueueGetsNoGroup(t *testing.T) {
	srv := sqstest.Start(t, sqstest.Config{})
	s := newSink(t, srv, sqs.NewClient(awsConfig(t, srv.URL())), "jobs", sqstest.QueueConfig{})
	require.NoError(t, s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "m1", Group: "g1"}}))
	got := srv.Messages("jobs")
	require.Len(t, got, 1)
	require.Empty(t, got[0].Group)
}

func TestBodiesArriveByteForByte(t *testing.T) {
	bodies := []string{
		`{"a":"\"quoted\" \\ / \u0041"}`, "line\nfeed\r\ntab\t", "\u00e9 \u6f22 \U0001f600 \u2028\u2029 \ufffd", "<&>\u007f\u0080",
		strings.Repeat(`"`, 1000), strings.Repeat("x", 7), strings.Repeat(`\`, 8) + "é", "\"", "a\"", "1234567\"", "12345678\"", "1234567é\"",
	}
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		for i, body := range bodies {
			require.NoError(t, s.Send(t.Context(), []sink.Message{{Body: []byte(body), ID: "m", Attributes: []sink.Attribute{{Name: "n", Type: "String", Value: body}}}}), "%q", body)
			got := srv.Messages("jobs")
			require.Len(t, got, i+1)
			require.Equal(t, body, got[i].Body)
			require.Equal(t, body, got[i].Attributes["n"].Value)
		}
	})
}

func TestBodyThatIsNotUTF8IsCorruptAndTheOthersAreSent(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		err := s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "a"}, {Body: []byte("\xff"), ID: "b"}, {ID: "c"}, {Body: []byte("2"), ID: "d"}})
		require.Equal(t, map[int]fault.Class{1: fault.ClassCorrupt, 2: fault.ClassCorrupt}, classes(t, err))
		require.Len(t, srv.Messages("jobs"), 2)
	})
}

// classes returns the classes of the entries of a BatchError.
func classes(t *testing.T, err error) map[int]fault.Class {
	t.Helper()
	batch := new(sink.BatchError)
	require.ErrorAs(t, err, &batch)
	out := map[int]fault.Class{}
	for _, f := range batch.Failed {
		out[f.Index] = fault.Of(f.Err)
	}
	return out
}

func TestEntriesThatFailAreNamedAndTheOthersAccepted(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		srv.Inject(func(*sqstest.Call) sqstest.Fault {
			return sqstest.Fault{Entries: map[int]string{0: "InternalError", 2: "KmsThrottled", 3: "AccessDenied"}}
		})
		var batch []sink.Message
		for i := range 5 {
			batch = append(batch, sink.Message{Body: []byte(strconv.Itoa(i)), ID: fmt.Sprint("m", i)})
		}
		err := s.Send(t.Context(), batch)
		require.Equal(t, map[int]fault.Class{0: fault.ClassRetryable, 2: fault.ClassInterrupted, 3: fault.ClassFatal}, classes(t, err))
		require.Len(t, srv.Messages("jobs"), 2)
	})
}

func TestLostResponseIsInterruptedAndTheMessageIsThere(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		srv.Inject(func(*sqstest.Call) sqstest.Fault { return sqstest.Fault{LoseResponse: true} })
		err := s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "a"}})
		require.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)
		require.NotErrorAs(t, err, new(*sink.BatchError))
		require.Len(t, srv.Messages("jobs"), 1)
		require.Equal(t, 1, srv.Calls("SendMessageBatch"), "the client repeated the call by itself")
	})
}

func TestOutageIsInterruptedAndEnds(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		srv.Outage(time.Hour)
		batch := []sink.Message{{Body: []byte("1"), ID: "a"}}
		require.Equal(t, fault.ClassInterrupted, fault.Of(s.Send(t.Context(), batch)))
		_, err := s.Limits(t.Context())
		require.Equal(t, fault.ClassInterrupted, fault.Of(err))
		srv.Advance(time.Hour)
		require.NoError(t, s.Send(t.Context(), batch))
		require.Len(t, srv.Messages("jobs"), 1)
	})
}

func TestContextThatEndsDuringACallInterruptsIt(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		arrived := make(chan struct{})
		srv.Inject(func(*sqstest.Call) sqstest.Fault {
			close(arrived)
			return sqstest.Fault{Delay: time.Minute}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		err := s.Send(ctx, []sink.Message{{Body: []byte(strings.Repeat("x", 1<<19)), ID: "a"}})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, fault.ClassInterrupted, fault.Of(err))
	})
}

func TestChecksumThatDiffersIsAnInterruptedEntry(t *testing.T) {
	s, err := sqs.New(fake{send: func(in *awssqs.SendMessageBatchInput) (*awssqs.SendMessageBatchOutput, error) {
		return &awssqs.SendMessageBatchOutput{Successful: []types.SendMessageBatchResultEntry{
			{Id: aws.String("0"), MD5OfMessageBody: aws.String("c4ca4238a0b923820dcc509a6f75849b")}, // of "1"
			{Id: aws.String("1"), MD5OfMessageBody: aws.String("c4ca4238a0b923820dcc509a6f75849b")},
			{Id: aws.String("7")}, // never sent
		}}, nil
	}}, "https://host/1/jobs", sqs.Config{})
	require.NoError(t, err)
	err = s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "a"}, {Body: []byte("2"), ID: "b"}, {Body: []byte("3"), ID: "c"}})
	require.Equal(t, map[int]fault.Class{1: fault.ClassInterrupted, 2: fault.ClassInterrupted}, classes(t, err), "1 differs, 2 is not mentioned")
}
