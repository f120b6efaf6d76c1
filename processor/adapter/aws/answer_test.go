package aws_test

import (
	"context"
	"encoding/json"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

// invoke calls a handler as the runtime does: event in, answer or error out.
func invoke(t *testing.T, handler, event any) (string, error) {
	t.Helper()
	out, err := lambda.NewHandler(handler).Invoke(t.Context(), raw(t, event))
	return string(out), err
}

func newMessages(t *testing.T, f service) *aws.Messages {
	t.Helper()
	h, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: f}})
	require.NoError(t, err)
	return h
}

// An answer that Lambda does not understand stands for success, and so does an
// empty one: what the runtime gets is checked to the byte.
func TestTheRuntimeGetsAListInAnyCase(t *testing.T) {
	h := newMessages(t, func(_ context.Context, req *processor.Request) error {
		if req.SourceURL == "sqs://us-east-1/123456789012/jobs/m1" {
			return errUnread
		}
		return nil
	})
	out, err := invoke(t, h.Handle, batch("a", "b", "c"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, out)
	out, err = invoke(t, h.Handle, batch("a"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
	text, err := json.Marshal(&aws.Answer{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, string(text))
}

func TestABatchOfWhichNothingIsSettledIsAnError(t *testing.T) {
	h := newMessages(t, func(context.Context, *processor.Request) error { return errUnread })
	out, err := invoke(t, h.Handle, batch("a", "b"))
	require.ErrorContains(t, err, "none of 2 messages is settled")
	require.ErrorIs(t, err, processor.ErrUnread)
	assert.Empty(t, out)
}

// An empty id stands for nothing, and the message it was meant for would be deleted.
func TestAnAnswerWithAnEmptyIdIsAnError(t *testing.T) {
	_, err := json.Marshal(aws.AnswerOf("m1", ""))
	require.ErrorContains(t, err, "empty id")
	_, err = invoke(t, func(context.Context, awsevents.SQSEvent) (aws.Answer, error) { return aws.AnswerOf(""), nil }, batch("a"))
	require.Error(t, err, "for the runtime as well")
}

// No answer could name such a message: Lambda would take it for settled.
func TestAMessageWithoutAnIdFailsTheBatchBeforeAnythingIsDone(t *testing.T) {
	var calls int
	h := newMessages(t, func(context.Context, *processor.Request) error { calls++; return nil })
	e := batch("a", "b")
	e.Records[1].MessageId = ""
	_, err := invoke(t, h.Handle, e)
	require.ErrorContains(t, err, "message 1 of the event has no id")
	_, err = invoke(t, h.Handle, awsevents.SQSEvent{})
	require.Error(t, err, "an event of another kind has no messages")
	assert.Zero(t, calls)
}

func TestAPanicIsNoSuccess(t *testing.T) {
	h := newMessages(t, func(_ context.Context, req *processor.Request) error {
		if req.SourceURL == "sqs://us-east-1/123456789012/jobs/m0" {
			panic("secret")
		}
		return nil
	})
	out, err := invoke(t, h.Handle, batch("a", "b"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m0"}]}`, out)
	_, err = invoke(t, h.Handle, batch("a"))
	require.ErrorContains(t, err, "panic")
	assert.NotContains(t, err.Error(), "secret")
}

// A handler of one's own answers as those of this package do.
func TestAnAnswerOfOnesOwn(t *testing.T) {
	ids := []string{"m1", "m2"}
	a := aws.Again(ids...)
	ids[0] = "changed"
	assert.Equal(t, []string{"m1", "m2"}, a.Again())
	text, err := json.Marshal(a)
	require.NoError(t, err)
	assert.Equal(t, `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m2"}]}`, string(text))
	text, err = json.Marshal(aws.Again())
	require.NoError(t, err)
	assert.Equal(t, `{"batchItemFailures":[]}`, string(text))
	_, err = json.Marshal(aws.Again(""))
	require.Error(t, err)
}
