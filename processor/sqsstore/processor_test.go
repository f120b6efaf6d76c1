package sqsstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	claimmemory "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// refusing is a transform that fails for every record that holds a text.
func refusing(text string) transform.Transform {
	return transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		if strings.Contains(string(rec.Data), text) {
			return errors.New("not now")
		}
		out.Emit(rec.Data)
		return nil
	})
}

// An input with a record that fits no message of the retry queue is not settled, and
// that is known at once: waiting would not help.
func TestAnInputWhoseRecordDoesNotFitIsNotSettled(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{MessageBytes: 64 << 10})
	service, err := processor.New(processor.Config{
		Sink: sinkmemory.New(sinkmemory.Config{}), Transform: refusing("bad"),
		RetryURL: "sqs://retry", FailedURL: "sqs://dead", CorruptionURL: "sqs://dead",
	})
	require.NoError(t, err)
	input := `{"id":1}` + "\n" + `{"bad":"` + strings.Repeat("x", 100<<10) + `"}` + "\n" + `{"id":2}`
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	_, err = service.Do(ctx, processor.NewRequest(strings.NewReader(input), nil, "sqs://region/account/queue/id"))
	require.ErrorIs(t, err, processor.ErrUnread)
	require.ErrorIs(t, err, sink.ErrTooLarge)
	assert.NotContains(t, err.Error(), "xxx")
	assert.Empty(t, q.calls)
}

// Run and Watch can put what failed for good into a queue.
func TestRunWithAQueueOfDeadLetters(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{})
	files := new(processortest.Source)
	files.Put("in/a.json", []byte(`{"id":1}`+"\n"+`{"bad":2}`+"\n"+`{"id":`))
	service, err := processor.New(processor.Config{
		Source: files, Claimer: claimmemory.New(), Sink: sinkmemory.New(sinkmemory.Config{}), MaxRetries: -1, Transform: refusing("bad"),
		RetryURL: t.TempDir(), FailedURL: "sqs://dead", CorruptionURL: "sqs://dead",
	})
	require.NoError(t, err)
	report, err := service.Run(t.Context())
	require.NoError(t, err)
	resp := report.BaseResponse()
	assert.EqualValues(t, 1, resp.FailedErrors)
	assert.EqualValues(t, 1, resp.CorruptionErrors)
	assert.ElementsMatch(t, []string{`{"bad":2}`, `{"id":`}, q.bodies())
	for _, e := range q.accepted {
		assert.Equal(t, "in/a.json", *e.MessageAttributes["object"].StringValue)
		assert.Zero(t, e.DelaySeconds)
	}
}

// An outage of the queue is waited out, and what was acknowledged before it is not
// sent again.
func TestAnOutageOfTheQueueIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		q.fail = func(call, _ int) ([]int, error) {
			if call >= 3 && call < 12 {
				return nil, errors.New("connection refused")
			}
			return nil, nil
		}
		register(t, q, sqsstore.Config{})
		var input strings.Builder
		for _, body := range numbered(0, 45) {
			input.WriteString(body + "\n")
		}
		service, err := processor.New(processor.Config{
			Sink: sinkmemory.New(sinkmemory.Config{}), Transform: refusing("id"), Concurrency: 1,
			RetryURL: "sqs://retry", FailedURL: "sqs://dead", CorruptionURL: "sqs://dead",
		})
		require.NoError(t, err)
		report, err := service.Do(t.Context(), processor.NewRequest(strings.NewReader(input.String()), nil, "sqs://region/account/queue/id"))
		require.NoError(t, err)
		assert.EqualValues(t, 45, report.BaseResponse().RetryErrors)
		assert.ElementsMatch(t, numbered(0, 45), q.bodies())
	})
}
