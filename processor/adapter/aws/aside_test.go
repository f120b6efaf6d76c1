package aws_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// aside is a message with a record that was put aside.
func aside(id string, e destination.Envelope) awsevents.SQSMessage {
	body, attributes := sqsletter.Write(&e)
	m := message(standard, id, "", string(body))
	m.MessageAttributes = map[string]awsevents.SQSMessageAttribute{}
	for _, a := range attributes {
		m.MessageAttributes[a.Name] = awsevents.SQSMessageAttribute{DataType: a.Type, StringValue: &a.Value}
	}
	return m
}

func TestTheAttemptsOfAMessageAreThoseItSaysAndItsReceives(t *testing.T) {
	var got *processor.Request
	h := newMessages(t, func(_ context.Context, req *processor.Request) error { got = req; return nil })
	for _, c := range []struct {
		kind, value, received string
		want                  int
	}{
		{"Number", "2", "1", 2}, {"Number", "2", "3", 4}, {"Number.int", "2", "1", 2}, {"Number", "0", "2", 1},
		{"Number", "-1", "2", 1}, {"Number", "1.5", "2", 1}, {"Number", "99999999999999999999", "2", 1}, {"Number", "", "2", 1}, {"String", "5", "2", 1},
		{"Number", "2147483647", "2147483647", 1 << 30},
	} {
		m := message(standard, "m", "", "a")
		m.Attributes["ApproximateReceiveCount"] = c.received
		m.MessageAttributes = map[string]awsevents.SQSMessageAttribute{"attempt": {DataType: c.kind, StringValue: &c.value}}
		require.NoError(t, h.HandleMessage(t.Context(), m))
		assert.Equal(t, c.want, got.Attempt, "%+v", c)
	}
	m := message(standard, "m", "", "a")
	m.MessageAttributes = map[string]awsevents.SQSMessageAttribute{"attempt": {DataType: "Binary", BinaryValue: []byte("5")}}
	require.NoError(t, h.HandleMessage(t.Context(), m))
	assert.Zero(t, got.Attempt)
}

// A record that was put aside in a queue goes on where it was left: it keeps its
// place, its number among the outputs, and the attempts behind it.
func TestARecordPutAsideGoesOnWhereItWasLeft(t *testing.T) {
	s := newScene(t)
	s.cfg.Source, s.cfg.Claimer, s.cfg.MaxRetries = nil, nil, 3
	s.process(func(_ context.Context, line string) error {
		if line == "bad" {
			return errors.New("no")
		}
		return nil
	})
	record := destination.Envelope{Object: "in/a.csv", Version: "v1", Offset: 700, Index: 2, Attempt: 2, Class: "retryable", Reason: "busy"}
	e := awsevents.SQSEvent{}
	for i, data := range []string{"good", "bad", "\xff\x00", "bad"} {
		record.Data = []byte(data)
		e.Records = append(e.Records, aside(string(rune('a'+i)), record))
	}
	e.Records[3].Attributes["ApproximateReceiveCount"] = "2" // which makes three attempts
	out, err := invoke(t, s.messages().Handle, e)
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
	assert.Equal(t, []string{"good", "\xff\x00"}, s.processed())
	assert.Equal(t, []string{"no"}, s.report.Errors, "and nothing else")
	for folder, attempt := range map[string]int{"retry": 3, "failed": 4} {
		store, err := destination.Open(destination.Config{URL: s.base + "/" + folder})
		require.NoError(t, err)
		n := 0
		for part, err := range store.List(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, "in/a.csv", part.Key)
			body, err := store.Open(t.Context(), part.Name)
			require.NoError(t, err)
			text, err := io.ReadAll(body)
			require.NoError(t, errors.Join(err, body.Close()))
			got, ok := destination.ParseEnvelope(text)
			require.True(t, ok)
			assert.Equal(t, "bad", string(got.Data))
			assert.Equal(t, []any{"in/a.csv", "v1", int64(700), 2, attempt}, []any{got.Object, got.Version, got.Offset, got.Index, got.Attempt})
			n++
		}
		assert.Equal(t, 1, n, folder)
	}
}

// What the transform made is not transformed again, and has to be what a transform
// may make.
func TestAnOutputPutAsideIsNotTransformedAgain(t *testing.T) {
	s := newScene(t)
	out := memory.New(memory.Config{})
	s.cfg.Source, s.cfg.Claimer, s.cfg.Processor, s.cfg.Sink = nil, nil, nil, out
	s.cfg.Split = source.Split{}
	s.cfg.Transform = transform.Func(func(_ context.Context, _ source.Record, out *transform.Output) error {
		out.Emit([]byte(`"transformed"`))
		return nil
	})
	output := destination.Envelope{Object: "in/a.csv", Class: "retryable", Stage: "sink"}
	var e awsevents.SQSEvent
	for i, data := range []string{`{"a":1}`, `1],[2`} {
		output.Data = []byte(data)
		e.Records = append(e.Records, aside(string(rune('a'+i)), output))
	}
	output.Stage, output.Data = "", []byte(`{"b":1}`)
	e.Records = append(e.Records, aside("c", output))
	_, err := invoke(t, s.messages().Handle, e)
	require.NoError(t, err)
	var bodies []string
	for _, m := range out.Messages() {
		bodies = append(bodies, string(m.Body))
	}
	assert.ElementsMatch(t, []string{`[{"a":1}]`, `["transformed"]`}, bodies)
	assert.Equal(t, []string{`1],[2`}, s.kept("corrupt"))
}

// A ticket is no record: its message is not settled.
func TestATicketInAQueueIsNotSettled(t *testing.T) {
	h := newMessages(t, func(context.Context, *processor.Request) error { t.Error("called"); return nil })
	err := h.HandleMessage(t.Context(), aside("m", destination.Envelope{Object: "in/a.csv", Class: "corrupt", Stage: "ticket"}))
	require.ErrorContains(t, err, "the rest of an object")
}

// A record that was put aside is one also where it looks like an event of S3.
func TestDefectARecordPutAsideWasTakenForAnEvent(t *testing.T) {
	s := newScene(t)
	s.put("in/a.txt", "of the object\n")
	record := created("in/a.txt")
	h, err := aws.NewMessages(aws.MessagesConfig{Config: s.config(), Objects: s.objects()})
	require.NoError(t, err)
	_, err = invoke(t, h.Handle, awsevents.SQSEvent{Records: []awsevents.SQSMessage{
		aside("a", destination.Envelope{Object: "account/queue/id", Class: "retryable", Data: []byte(record)}),
	}})
	require.NoError(t, err)
	assert.Equal(t, []string{record}, s.processed())
}

// An output without a byte is none: no queue takes it.
func TestAnEmptyOutputPutAsideIsCorrupt(t *testing.T) {
	for _, mode := range []processor.PackMode{processor.PackSingle, processor.PackLines, processor.PackArray} {
		s := newScene(t)
		out := memory.New(memory.Config{})
		s.cfg.Source, s.cfg.Claimer, s.cfg.Processor, s.cfg.Sink = nil, nil, nil, out
		s.cfg.Split, s.cfg.Pack.Mode = source.Split{}, mode
		_, err := invoke(t, s.messages().Handle, awsevents.SQSEvent{Records: []awsevents.SQSMessage{
			aside("a", destination.Envelope{Object: "in/a.csv", Class: "retryable", Stage: "sink"}),
		}})
		require.NoError(t, err)
		assert.Empty(t, out.Messages(), mode)
		assert.EqualValues(t, 1, s.report.CorruptionErrors, mode)
	}
}

// A record comes back whole however its envelope has to write it.
func TestDefectARecordOfControlCharactersWasTooLongForItsEnvelope(t *testing.T) {
	const most = 256 << 10
	s := newScene(t)
	s.cfg.Source, s.cfg.Claimer = nil, nil
	s.cfg.Split.MaxRecordBytes = most
	record := strings.Repeat("\x01\"\"\"", most/4)
	_, err := invoke(t, s.messages().Handle, awsevents.SQSEvent{Records: []awsevents.SQSMessage{
		aside("a", destination.Envelope{Object: "account/queue/id", Class: "retryable", Data: []byte(record)}),
	}})
	require.NoError(t, err)
	assert.Len(t, s.processed(), 1)
	assert.Empty(t, s.kept("corrupt"))
}
