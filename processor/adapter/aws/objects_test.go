package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
)

// However they arrive, all objects of an event are done, under their own names.
func TestDefect18EveryRecordOfAnEventIsDoneUnderItsDecodedName(t *testing.T) {
	direct, bridge := golden(t, "s3"), golden(t, "eventbridge")
	both := []string{"one\n", "two\n"}
	for name, c := range map[string]struct {
		event json.RawMessage
		want  []string
	}{
		"S3":                        {json.RawMessage(direct), both},
		"EventBridge":               {json.RawMessage(bridge), both[:1]},
		"SNS":                       {raw(t, map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": map[string]any{"Message": direct}}}}), both},
		"SQS":                       {raw(t, batch(direct)), both},
		"SNS in SQS":                {raw(t, batch(notified(t, direct))), both},
		"EventBridge in SQS":        {raw(t, batch(bridge)), both[:1]},
		"EventBridge in SNS in SQS": {raw(t, batch(notified(t, bridge))), both[:1]},
		"several messages":          {raw(t, batch(bridge, created("in/second.json"))), both},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.put("in/a b+c ü.json", "one\n")
			s.put("in/second.json", "two\n")
			s.put("in/removed.json", "not this\n")
			out, err := invoke(t, s.objects().Handle, c.event)
			require.NoError(t, err)
			assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
			assert.Equal(t, c.want, endings(s.processed()))
			assert.EqualValues(t, len(c.want), s.report.Objects)
			assert.Zero(t, s.report.Unsettled)
			assert.Zero(t, s.report.Refused)
			assert.EqualValues(t, strings.Count(string(c.event), "ObjectRemoved"), s.report.Ignored)
		})
	}
}

// endings adds the line end that was taken off.
func endings(lines []string) []string {
	for i := range lines {
		lines[i] += "\n"
	}
	return lines
}

func TestATestEventIsSettled(t *testing.T) {
	s := newScene(t)
	for _, event := range []json.RawMessage{json.RawMessage(golden(t, "test")), raw(t, batch(golden(t, "test"))), raw(t, batch(notified(t, golden(t, "test"))))} {
		out, err := invoke(t, s.objects().Handle, event)
		require.NoError(t, err)
		assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
		assert.EqualValues(t, 1, s.report.Ignored)
	}
}

// Only the message whose object is not settled comes again.
func TestOnlyMessagesWithAnUnsettledObjectComeAgain(t *testing.T) {
	s := newScene(t)
	for _, key := range []string{"in/a", "in/b", "in/c"} {
		s.put(key, key+"\n")
	}
	s.store.Fault = func(_ string, r *http.Request) s3fake.Fault {
		if strings.HasSuffix(r.URL.Path, "/in/b") {
			return s3fake.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}
		}
		return s3fake.Fault{}
	}
	out, err := invoke(t, s.objects().Handle, batch(created("in/a"), created("in/c", "in/b"), created("in/c")))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, out)
	assert.Equal(t, []string{"in/a", "in/c"}, s.processed())
	assert.EqualValues(t, 3, s.report.Received)
	assert.EqualValues(t, 1, s.report.Unsettled)
	assert.EqualValues(t, 1, s.report.Repeated)
	assert.Equal(t, processor.StatusError, s.report.Status)
	assert.NotEmpty(t, s.report.Errors)
}

// Lambda delivers an event again that S3 sent it by itself when the function fails.
func TestAnEventOfS3ItselfFailsWithAnObjectThatIsNotSettled(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	s.put("in/b", "b\n")
	s.store.Fault = func(_ string, r *http.Request) s3fake.Fault {
		if strings.HasSuffix(r.URL.Path, "/in/b") {
			return s3fake.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		return s3fake.Fault{}
	}
	_, err := invoke(t, s.objects().Handle, json.RawMessage(created("in/a", "in/b")))
	require.ErrorContains(t, err, "1 of 2 objects are not settled")
	assert.Equal(t, []string{"a"}, s.processed())
}

func TestAnEventThatNobodyCanReadIsNotSettled(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	_, err := invoke(t, s.objects().Handle, json.RawMessage(`{"id":"secret"}`))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
	out, err := invoke(t, s.objects().Handle, batch("secret", created("in/a"), `{"Records":[{"eventSource":"aws:s3"}]}`))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m2"}]}`, out)
	assert.NotContains(t, fmt.Sprint(s.report.Errors), "secret")
}

func TestWhatIsNotOfTheSourceIsRefused(t *testing.T) {
	s := newScene(t)
	s.put("out/a", "a\n")
	elsewhere := strings.ReplaceAll(created("in/a"), `"feed"`, `"other"`)
	out, err := invoke(t, s.objects().Handle, batch(created("out/a", "in/.hidden", "in/"), elsewhere))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
	assert.EqualValues(t, 4, s.report.Refused)
	assert.Empty(t, s.processed())
	assert.Zero(t, s.store.Count("GetObject"))
}

func TestAnObjectThatIsGoneIsSettled(t *testing.T) {
	s := newScene(t)
	_, err := invoke(t, s.objects().Handle, json.RawMessage(created("in/gone")))
	require.NoError(t, err)
	assert.EqualValues(t, 1, s.report.Vanished)
	assert.Zero(t, s.report.Unsettled)
}

// The error of a destination looks the same as that of an object.
func TestAFolderThatIsGoneIsNotTakenForAnObjectThatIsGone(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	h, err := aws.NewObjects(aws.ObjectsConfig{Source: s.files, Config: aws.Config{Service: service(func(context.Context, *processor.Request) error {
		return fmt.Errorf("%w: write retry destination: %w", processor.ErrUnread, os.ErrNotExist)
	})}})
	require.NoError(t, err)
	_, err = invoke(t, h.Handle, json.RawMessage(created("in/a")))
	require.ErrorIs(t, err, processor.ErrUnread)
}

func TestAnObjectThatWasReplacedIsLeftToItsOwnEvent(t *testing.T) {
	s := newScene(t)
	old := s.put("in/a", "old\n")
	now := s.put("in/a", "new\n") // after the time in the event
	_, err := invoke(t, s.objects().Handle, json.RawMessage(created("in/a@"+old)))
	require.NoError(t, err)
	assert.EqualValues(t, 1, s.report.Superseded)
	assert.Empty(t, s.processed())
	_, err = invoke(t, s.objects().Handle, json.RawMessage(created("in/a@"+now)))
	require.NoError(t, err)
	assert.Equal(t, []string{"new"}, s.processed())
}

// A store that writes ETags otherwise in its events: were that taken for another
// object, nothing would ever be processed, without an error.
func TestAnObjectThatIsNoYoungerThanItsEventIsDoneAsItIs(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	event := strings.ReplaceAll(created("in/a@other"), "2026-01-02", "2099-01-02")
	_, err := invoke(t, s.objects().Handle, json.RawMessage(event))
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, s.processed())
	assert.Zero(t, s.report.Superseded)
}

// plain is a source that can do nothing but what each must.
type plain struct{ source.Source }

func TestAnySourceWillDo(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	_, err := aws.NewObjects(aws.ObjectsConfig{Config: s.config(), Source: plain{s.files}})
	require.ErrorContains(t, err, "Config.ObjectOf: required")
	s.cfg.Source = plain{s.files}
	h, err := aws.NewObjects(aws.ObjectsConfig{Config: s.config(), Source: plain{s.files}, ObjectOf: s.files.ObjectOf})
	require.NoError(t, err)
	_, err = invoke(t, h.Handle, json.RawMessage(created("in/a@other", "in/gone")))
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, s.processed(), "nobody can say that another event will tell of it")
	assert.EqualValues(t, 1, s.report.Vanished)
}

func TestObjectsOfASourceThatDecodes(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	decoded, err := decompress.New(s.files, decompress.Config{})
	require.NoError(t, err)
	s.cfg.Source = decoded
	h, err := aws.NewObjects(aws.ObjectsConfig{Config: s.config(), Source: decoded})
	require.NoError(t, err)
	_, err = invoke(t, h.Handle, json.RawMessage(created("in/a")))
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, s.processed())
}

func TestARequestTellsOfItsEvent(t *testing.T) {
	s := newScene(t)
	var got []*processor.Request
	h, err := aws.NewObjects(aws.ObjectsConfig{Source: s.files, Config: aws.Config{Concurrency: 1, Service: service(func(_ context.Context, req *processor.Request) error {
		got = append(got, req)
		return nil
	})}})
	require.NoError(t, err)
	e := batch(created("in/100%25+a.json@etag"))
	e.Records[0].Attributes["ApproximateReceiveCount"] = "3"
	_, err = h.HandleSQS(t.Context(), e)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, &source.Object{Key: "100% a.json", Version: "etag", Size: -1}, got[0].Object)
	assert.Equal(t, "s3://feed/in/100%25%20a.json", got[0].SourceURL)
	assert.Equal(t, 2, got[0].Attempt)
	assert.Equal(t, 2026, got[0].StartTime.Year(), "that of the event, for $TimePath")
}

func TestMistakesOfObjects(t *testing.T) {
	_, err := aws.NewObjects(aws.ObjectsConfig{Config: aws.Config{Concurrency: -1, Margin: -1}})
	for _, field := range []string{"Config.Service", "Config.Concurrency", "Config.Margin", "Config.Source"} {
		require.ErrorContains(t, err, field)
	}
}
