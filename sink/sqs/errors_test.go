package sqs_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// tooLarge stands for an error that wraps sink.ErrTooLarge, in the table below.
const tooLarge = fault.Class(255)

// codes is what each code of SQS means, of a whole call and of one entry.
var codes = []struct {
	code        string
	call, entry fault.Class
}{
	{"InternalError", fault.ClassInterrupted, fault.ClassRetryable},
	{"InternalFailure", fault.ClassInterrupted, fault.ClassRetryable},
	{"ServiceUnavailable", fault.ClassInterrupted, fault.ClassInterrupted},
	{"RequestThrottled", fault.ClassInterrupted, fault.ClassInterrupted},
	{"ThrottlingException", fault.ClassInterrupted, fault.ClassInterrupted},
	{"KmsThrottled", fault.ClassInterrupted, fault.ClassInterrupted},
	{"KMS.ThrottlingException", fault.ClassInterrupted, fault.ClassInterrupted},
	{"OverLimit", fault.ClassInterrupted, fault.ClassInterrupted},
	{"BatchRequestTooLong", tooLarge, tooLarge},
	{"TooManyEntriesInBatchRequest", tooLarge, tooLarge},
	{"EmptyBatchRequest", fault.ClassFatal, fault.ClassFatal},
	{"BatchEntryIdsNotDistinct", fault.ClassFatal, fault.ClassFatal},
	{"InvalidBatchEntryId", fault.ClassFatal, fault.ClassFatal},
	{"InvalidMessageContents", fault.ClassCorrupt, fault.ClassCorrupt},
	{"InvalidParameterValue", fault.ClassCorrupt, fault.ClassCorrupt},
	{"MissingParameter", fault.ClassCorrupt, fault.ClassCorrupt},
	{"QueueDoesNotExist", fault.ClassFatal, fault.ClassFatal},
	{"AccessDenied", fault.ClassFatal, fault.ClassFatal},
	{"KmsDisabled", fault.ClassFatal, fault.ClassFatal},
	{"KmsNotFound", fault.ClassFatal, fault.ClassFatal},
	{"KmsAccessDenied", fault.ClassFatal, fault.ClassFatal},
	{"KmsInvalidState", fault.ClassFatal, fault.ClassFatal},
	{"UnsupportedOperation", fault.ClassFatal, fault.ClassFatal},
	{"InvalidSignatureException", fault.ClassFatal, fault.ClassFatal},
	{"SomethingNew", fault.ClassRetryable, fault.ClassRetryable},
}

func TestErrorsOfCallsThroughTheProtocol(t *testing.T) {
	eachClient(t, func(t *testing.T, srv *sqstest.Server, api *awssqs.Client) {
		s := newSink(t, srv, api, "jobs", sqstest.QueueConfig{})
		for _, c := range codes {
			srv.Inject(func(*sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: c.code} })
			checkClass(t, c.code, c.call, s.Send(t.Context(), []sink.Message{{Body: []byte("payload"), ID: "a"}}))
		}
		require.Empty(t, srv.Messages("jobs"))
		require.Equal(t, len(codes), srv.Calls("SendMessageBatch"), "the client repeated calls by itself")
	})
}

func checkClass(t *testing.T, name string, want fault.Class, err error) {
	t.Helper()
	require.Error(t, err, name)
	assert.Equal(t, want == tooLarge, errors.Is(err, sink.ErrTooLarge), "%s: %v", name, err)
	if want != tooLarge {
		assert.Equal(t, want, fault.Of(err), "%s: %v", name, err)
	}
	assert.NotContains(t, err.Error(), "payload", name)
}

// spellings are the ways in which SQS writes one code.
func spellings(code string) []string {
	return []string{code, "AWS.SimpleQueueService." + code, "com.amazonaws.sqs#" + code}
}

func TestErrorsOfEntriesInEverySpelling(t *testing.T) {
	for _, c := range codes {
		for _, code := range spellings(c.code) {
			for _, message := range []*string{nil, aws.String(strings.Repeat("é", 10_000))} {
				s, err := sqs.New(fake{send: func(in *awssqs.SendMessageBatchInput) (*awssqs.SendMessageBatchOutput, error) {
					return &awssqs.SendMessageBatchOutput{
						Successful: []types.SendMessageBatchResultEntry{{Id: in.Entries[0].Id}},
						// SQS blames the sender for throttling too: no guide.
						Failed: []types.BatchResultErrorEntry{{Id: in.Entries[1].Id, Code: &code, Message: message, SenderFault: true}},
					}, nil
				}}, "https://host/1/jobs", sqs.Config{})
				require.NoError(t, err)
				err = s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "a"}, {Body: []byte("payload"), ID: "b"}})
				batch := new(sink.BatchError)
				require.ErrorAs(t, err, &batch)
				require.Len(t, batch.Failed, 1)
				require.Equal(t, 1, batch.Failed[0].Index)
				checkClass(t, code, c.entry, batch.Failed[0].Err)
				require.Less(t, len(err.Error()), 500)
			}
		}
	}
}

func TestErrorsOfCallsThatAreNoListedAnswer(t *testing.T) {
	status := func(code int, err error) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: err}
	}
	odd := &smithy.GenericAPIError{Code: "UnknownError"}
	for name, c := range map[string]struct {
		err  error
		want fault.Class
	}{
		"typed":               {&types.QueueDoesNotExist{}, fault.ClassFatal},
		"typed with override": {&types.QueueDoesNotExist{ErrorCodeOverride: aws.String("AWS.SimpleQueueService.NonExistentQueue")}, fault.ClassFatal},
		"typed, long":         {&types.BatchRequestTooLong{ErrorCodeOverride: aws.String("AWS.SimpleQueueService.BatchRequestTooLong")}, tooLarge},
		"transport":           {&smithyhttp.RequestSendError{Err: errors.New("connection reset")}, fault.ClassInterrupted},
		"not to be read":      {status(502, &smithy.DeserializationError{Err: errors.New("<html>")}), fault.ClassInterrupted},
		"unknown, 500":        {status(500, odd), fault.ClassInterrupted},
		"unknown, 429":        {status(429, odd), fault.ClassInterrupted},
		"unknown, 403":        {status(403, odd), fault.ClassFatal},
		"unknown, 400":        {status(400, odd), fault.ClassRetryable},
		"time out of the SDK": {context.DeadlineExceeded, fault.ClassInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqs.New(fake{send: func(*awssqs.SendMessageBatchInput) (*awssqs.SendMessageBatchOutput, error) {
				return nil, &smithy.OperationError{ServiceID: "SQS", OperationName: "SendMessageBatch", Err: c.err}
			}}, "https://host/1/jobs", sqs.Config{})
			require.NoError(t, err)
			err = s.Send(t.Context(), []sink.Message{{Body: []byte("1"), ID: "a"}})
			checkClass(t, name, c.want, err)
			require.ErrorIs(t, err, c.err)
		})
	}
}

func TestErrorAfterTheContextEndedIsItsEndWhateverItSays(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := sqs.New(fake{send: func(*awssqs.SendMessageBatchInput) (*awssqs.SendMessageBatchOutput, error) {
		cancel()
		return nil, &types.QueueDoesNotExist{}
	}}, "https://host/1/jobs", sqs.Config{})
	require.NoError(t, err)
	err = s.Send(ctx, []sink.Message{{Body: []byte("1"), ID: "a"}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.ClassInterrupted, fault.Of(err))
}

func TestLimitsErrorsAreClassified(t *testing.T) {
	missing, err := sqs.New(fake{url: func(*awssqs.GetQueueUrlInput) (*awssqs.GetQueueUrlOutput, error) {
		return nil, &types.QueueDoesNotExist{}
	}}, "jobs", sqs.Config{})
	require.NoError(t, err)
	_, err = missing.Limits(t.Context())
	require.Equal(t, fault.ClassFatal, fault.Of(err))
	require.ErrorContains(t, err, "find queue jobs")

	silent, err := sqs.New(fake{attrs: func(*awssqs.GetQueueAttributesInput) (*awssqs.GetQueueAttributesOutput, error) {
		return &awssqs.GetQueueAttributesOutput{}, nil
	}}, "https://host/1/jobs", sqs.Config{})
	require.NoError(t, err)
	_, err = silent.Limits(t.Context())
	require.Equal(t, fault.ClassFatal, fault.Of(err))
}
