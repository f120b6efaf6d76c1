package gcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/source"
)

func get(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	return w
}

func TestEveryWayInWhichAMessageArrives(t *testing.T) {
	push := envelope("77", []byte("a\nb\n"), map[string]string{"k": "v"}, 3)
	bare := `{"@type":"type.googleapis.com/google.pubsub.v1.PubsubMessage","attributes":null,"data":"YQpiCg=="}`
	for way, c := range map[string]struct {
		request []string
		url     string
		attempt int
	}{
		"push":                   {[]string{push}, "pubsub://my-project/my-sub/77", 2},
		"CloudEvent, binary":     {[]string{push, "Ce-Type", published}, "pubsub://my-project/my-sub/77", 2},
		"CloudEvent, structured": {[]string{`{"type":"` + published + `","id":"77","data":` + push + `}`, "Content-Type", "application/cloudevents+json"}, "pubsub://my-project/my-sub/77", 2},
		"first generation":       {[]string{`{"context":{"eventId":"77","eventType":"google.pubsub.topic.publish"},"data":` + bare + `}`}, "pubsub://-/77", 0},
	} {
		t.Run(way, func(t *testing.T) {
			var svc calls
			assert.Equal(t, http.StatusNoContent, post(messages(t, &svc, nil), c.request[0], c.request[1:]...))
			req := svc.last(t)
			assert.Equal(t, "a\nb\n", svc.bodies[0])
			assert.Equal(t, c.url, req.SourceURL)
			assert.Equal(t, c.attempt, req.Attempt)
			assert.Equal(t, c.attempt == 0, req.StartTime.IsZero())
		})
	}
	t.Run("a function that takes the message", func(t *testing.T) {
		var svc calls
		var m gcp.Message
		require.NoError(t, json.Unmarshal([]byte(bare), &m))
		require.NoError(t, messages(t, &svc, nil).HandleMessage(t.Context(), m))
		assert.Equal(t, "a\nb\n", svc.bodies[0])
		other := gcp.Message{Data: []byte("other")}
		require.NoError(t, messages(t, &svc, nil).HandleMessage(t.Context(), other))
		assert.NotEqual(t, svc.requests[0].SourceURL, svc.requests[1].SourceURL, "messages without an id are told apart")
	})
}

func TestWhatIsNoMessageIsNotSettled(t *testing.T) {
	for _, body := range []string{
		"", "null", "[]", "1", "{}", `{"message":{}}`, `{"message":{"messageId":"1","data":"%%%"}}`, `{"data":"x"}`,
		`{"message":{"messageId":"1","data":17}}`, `{"message":"secret"}`,
	} {
		var svc calls
		var report *gcp.Report
		assert.Equal(t, http.StatusBadRequest, post(messages(t, &svc, func(r *gcp.Report) { report = r }), body), body)
		assert.Empty(t, svc.requests)
		assert.NotContains(t, report.Errors[0], "secret")
	}
	assert.Equal(t, http.StatusBadRequest, post(messages(t, &calls{}, nil), resource("feed", "in/a", "1"), "Ce-Type", finalized))
}

// Messages of both kinds may come through one subscription.
func TestAMessageThatIsANotification(t *testing.T) {
	var ofObjects, ofMessages calls
	h, err := gcp.NewMessages(gcp.MessagesConfig{
		Config: gcp.Config{Service: &ofMessages}, Objects: objects(t, &ofObjects, bucket{}, nil),
	})
	require.NoError(t, err)
	require.NoError(t, h.HandleMessage(t.Context(), gcp.Message{ID: "1", Data: []byte("x")}))
	require.NoError(t, h.HandleMessage(t.Context(), gcp.Message{ID: "2", Attributes: notice("in/a", "1"), Delivery: 4}))
	assert.Equal(t, []string{"x", ""}, ofMessages.bodies)
	assert.Equal(t, "a", ofMessages.requests[1].Object.Key)
	assert.Equal(t, 3, ofMessages.requests[1].Attempt)
	assert.Empty(t, ofObjects.requests, "the service is that of the messages")
	require.Error(t, h.HandleMessage(t.Context(), gcp.Message{ID: "3", Attributes: map[string]string{"eventType": "OBJECT_FINALIZE"}}))
}

// For random outcomes the platform delivers again exactly what was not settled,
// until everything is.
func TestWhatIsNotSettledIsDeliveredAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type state struct{ fails, settled, answered int }
		all := map[string]*state{}
		for i := range rapid.IntRange(1, 8).Draw(t, "messages") {
			all[fmt.Sprint("m", i)] = &state{fails: rapid.IntRange(0, 4).Draw(t, "failures")}
		}
		kind := rapid.SampledFrom([]string{"unread", "panic", "early"}).Draw(t, "kind")
		svc := service(func(_ context.Context, req *processor.Request) error {
			s := all[req.SourceURL[strings.LastIndexByte(req.SourceURL, '/')+1:]]
			if s.fails > 0 {
				s.fails--
				if kind == "panic" {
					panic(kind)
				}
				return errUnread
			}
			s.settled++
			if s.settled%2 == 1 {
				return errors.New("finish the processor: no") // settled all the same
			}
			return nil
		})
		h, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{Service: svc, Timeout: time.Minute}})
		require.NoError(t, err)
		for id, s := range all {
			for s.answered == 0 {
				if post(h, envelope(id, []byte("{}"), nil, 0)) < 300 {
					s.answered++
				}
			}
			require.Equal(t, state{0, 1, 1}, *s)
		}
	})
}

// What a deadline leaves over is in the retry destination: it is settled, and all
// of it is accounted for.
func TestADeadlineInTheMiddleIsAccountedFor(t *testing.T) {
	synctest.Test(t, aDeadlineInTheMiddle)
}

func aDeadlineInTheMiddle(t *testing.T) {
	base := t.TempDir()
	block := make(chan struct{})
	svc, err := processor.New(processor.Config{
		Processor: lines(func(ctx context.Context, line string) error {
			if line >= "50" {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-block:
				}
			}
			return nil
		}),
		Claimer: memory.New(), Source: bucket{}, Split: source.Split{Format: source.FormatLines, Raw: true},
		RetryURL: base + "/retry", FailedURL: base + "/failed", CorruptionURL: base + "/corrupt",
		DeadlineReduction: 500 * time.Millisecond, Concurrency: 2,
	})
	require.NoError(t, err)
	var body strings.Builder
	for i := range 100 {
		fmt.Fprintf(&body, "%02d\n", i)
	}
	var report *gcp.Report
	h, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{
		Service: svc, Timeout: 3 * time.Second, Done: func(r *gcp.Report) { report = r },
	}})
	require.NoError(t, err)
	assert.Equal(t, http.StatusNoContent, post(h, envelope("1", []byte(body.String()), nil, 0)))
	close(block)
	assert.EqualValues(t, 100, report.Processed+report.RetryErrors)
	assert.Positive(t, report.RetryErrors)
	assert.Positive(t, report.Processed)
	assert.Zero(t, report.Unsettled)
}

// lines is a custom processor of lines.
type lines func(ctx context.Context, line string) error

func (f lines) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	return f(ctx, string(data))
}
