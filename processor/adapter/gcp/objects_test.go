package gcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

// However an event arrives, it becomes the same request.
func TestEveryWayInWhichAStorageEventArrives(t *testing.T) {
	const name, generation = "in/a b+%41.json", "1587627537231057"
	data := resource("feed", name, generation)
	with := func(more map[string]string) map[string]string {
		all := notice(name, generation)
		maps.Copy(all, more)
		return all
	}
	for way, request := range map[string][]string{
		"CloudEvent, binary":          {data, "Content-Type", "application/json", "Ce-Id", "1", "Ce-Type", finalized, "Ce-Specversion", "1.0"},
		"CloudEvent, structured":      {`{"specversion":"1.0","id":"1","type":"` + finalized + `","source":"//storage","data":` + data + `}`, "Content-Type", "application/cloudevents+json; charset=utf-8"},
		"CloudEvent, in base64":       {`{"specversion":"1.0","id":"1","type":"` + finalized + `","data_base64":` + base64JSON(data) + `}`, "Content-Type", "application/cloudevents+json"},
		"push, without payload":       {envelope("m", nil, notice(name, generation), 0)},
		"push, with payload":          {envelope("m", []byte(data), with(map[string]string{"payloadFormat": "JSON_API_V1"}), 0)},
		"CloudEvent of Pub/Sub":       {envelope("m", nil, notice(name, generation), 0), "Ce-Type", published},
		"first generation":            {`{"context":{"eventId":"1","eventType":"google.storage.object.finalize"},"data":` + data + `}`},
		"first generation, flattened": {`{"eventId":"1","eventType":"google.storage.object.finalize","data":` + data + `}`},
	} {
		t.Run(way, func(t *testing.T) {
			var svc calls
			assert.Equal(t, http.StatusNoContent, post(objects(t, &svc, bucket{}, nil), request[0], request[1:]...))
			req := svc.last(t)
			assert.Equal(t, "a b+%41.json", req.Object.Key)
			assert.Equal(t, generation, req.Object.Version)
			assert.Equal(t, "gs://feed/in/a%20b+%2541.json", req.SourceURL)
			assert.Equal(t, "2026-04-23T07:38:57.23Z", req.StartTime.UTC().Format(time.RFC3339Nano))
		})
	}
	t.Run("a function that takes the event", func(t *testing.T) {
		var svc calls
		var e gsevent.Event
		require.NoError(t, json.Unmarshal([]byte(data), &e))
		require.NoError(t, objects(t, &svc, bucket{}, nil).HandleEvent(t.Context(), e))
		assert.EqualValues(t, 352, svc.last(t).Object.Size)
	})
}

func base64JSON(data string) string {
	text, err := json.Marshal([]byte(data))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// What is no event is not settled: it ends in the dead-letter topic.
func TestWhatIsNoStorageEventIsNotSettled(t *testing.T) {
	data := resource("feed", "in/a", "1")
	for name, c := range map[string]struct {
		want    int
		body    string
		headers []string
	}{
		"nothing":              {http.StatusBadRequest, "", nil},
		"no JSON":              {http.StatusBadRequest, "{", nil},
		"another message":      {http.StatusBadRequest, envelope("m", []byte("{}"), nil, 0), nil},
		"no id":                {http.StatusBadRequest, envelope("", []byte("{}"), notice("in/a", "1"), 0), nil},
		"no generation":        {http.StatusBadRequest, resource("feed", "in/a", ""), []string{"Ce-Type", finalized}},
		"a bad generation":     {http.StatusBadRequest, resource("feed", "in/a", "x"), []string{"Ce-Type", finalized}},
		"another kind":         {http.StatusBadRequest, data, []string{"Ce-Type", "google.cloud.audit.log.v1.written"}},
		"two objects":          {http.StatusBadRequest, envelope("m", []byte(data), map[string]string{"eventType": "OBJECT_FINALIZE", "bucketId": "feed", "objectId": "in/b", "objectGeneration": "1", "payloadFormat": "JSON_API_V1"}, 0), nil},
		"a batch":              {http.StatusUnsupportedMediaType, "[]", []string{"Content-Type", "application/cloudevents-batch+json"}},
		"no type":              {http.StatusBadRequest, "{}", []string{"Content-Type", "application/cloudevents+json"}},
		"more than is allowed": {http.StatusRequestEntityTooLarge, fmt.Sprintf("%70000s", data), []string{"Ce-Type", finalized}},
	} {
		t.Run(name, func(t *testing.T) {
			var svc calls
			var report *gcp.Report
			h := objects(t, &svc, bucket{}, func(r *gcp.Report) { report = r })
			assert.Equal(t, c.want, post(h, c.body, c.headers...))
			assert.Empty(t, svc.requests)
			assert.EqualValues(t, 1, report.Unsettled)
			assert.Equal(t, processor.StatusError, report.Status)
			assert.NotContains(t, report.Errors[0], "in/a", "an error holds no payload")
		})
	}
}

func TestOnlyPostIsAnswered(t *testing.T) {
	var svc calls
	h := objects(t, &svc, bucket{}, nil)
	w := get(h)
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, http.MethodPost, w.Header().Get("Allow"))
}

func TestWhatNothingIsToBeDoneAboutIsSettled(t *testing.T) {
	var svc calls
	var report *gcp.Report
	h := objects(t, &svc, bucket{}, func(r *gcp.Report) { report = r })
	for _, kind := range []string{"deleted", "archived", "metadataUpdated"} {
		assert.Equal(t, http.StatusNoContent, post(h, resource("feed", "in/a", "1"), "Ce-Type", "google.cloud.storage.object.v1."+kind))
		assert.EqualValues(t, 1, report.Ignored, kind)
	}
	for _, at := range [][2]string{{"other", "in/a"}, {"feed", "out/a"}} {
		assert.Equal(t, http.StatusNoContent, post(h, resource(at[0], at[1], "1"), "Ce-Type", finalized))
		assert.EqualValues(t, 1, report.Refused)
	}
	assert.Empty(t, svc.requests)
	assert.Equal(t, processor.StatusOK, report.Status)
}

// The answer says whether the event is settled, and nothing else does.
func TestTheAnswerSaysWhetherItIsSettled(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"settled":                {nil, http.StatusNoContent},
		"settled with an error":  {errors.New("finish the processor: no"), http.StatusNoContent},
		"not settled":            {errUnread, http.StatusInternalServerError},
		"a service is away":      {fault.Interrupted(errUnread), http.StatusServiceUnavailable},
		"another worker has it":  {fmt.Errorf("%w: %w", processor.ErrUnread, processor.ErrHeld), http.StatusServiceUnavailable},
		"the object is gone now": {fmt.Errorf("%w: %w", processor.ErrUnread, source.ErrChanged), http.StatusNoContent},
		"the object is another":  {fmt.Errorf("%w: %w", processor.ErrUnread, source.ErrChanged), http.StatusNoContent},
		"the object is unclear":  {fmt.Errorf("%w: %w", processor.ErrUnread, source.ErrChanged), http.StatusInternalServerError},
		"a destination is gone":  {fmt.Errorf("%w: %w", processor.ErrUnread, fs.ErrNotExist), http.StatusInternalServerError},
		"before it began":        {errUnread, http.StatusInternalServerError},
		"panic":                  {nil, http.StatusInternalServerError},
		"panic of the runtime":   {nil, http.StatusInternalServerError},
		"it returned nothing":    {nil, http.StatusInternalServerError},
		"it failed and was dumb": {errors.New("no"), http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			there := bucket{}
			switch name {
			case "the object is another":
				there["a"] = source.Object{Key: "a", Version: "2"}
			case "the object is unclear":
				there["a"] = source.Object{Key: "a", Version: "1"}
			}
			var svc gcp.Service = service(func(context.Context, *processor.Request) error { return c.err })
			switch name {
			case "panic", "panic of the runtime":
				svc = service(func(context.Context, *processor.Request) error {
					if name == "panic" {
						panic("payload")
					}
					var none *processor.Request
					return errors.New(none.SourceURL)
				})
			case "it returned nothing", "it failed and was dumb":
				svc = dumb{c.err}
			}
			var report *gcp.Report
			h := objects(t, svc, there, func(r *gcp.Report) { report = r })
			assert.Equal(t, c.want, post(h, resource("feed", "in/a", "1"), "Ce-Type", finalized))
			assert.Equal(t, c.want != http.StatusNoContent, report.Unsettled == 1)
			for _, text := range report.Errors {
				assert.NotContains(t, text, "payload")
			}
			switch name {
			case "another worker has it":
				assert.Equal(t, processor.StatusOK, report.Status)
				assert.Empty(t, report.Errors)
			case "the object is gone now":
				assert.EqualValues(t, 1, report.Vanished)
			case "the object is another":
				assert.EqualValues(t, 1, report.Superseded)
			}
		})
	}
}

// dumb returns no report.
type dumb struct{ err error }

func (d dumb) Do(context.Context, *processor.Request) (processor.Reporter, error) { return nil, d.err }

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := gcp.NewObjects(gcp.ObjectsConfig{Config: gcp.Config{Timeout: -1, MaxBody: -1}})
	for _, part := range []string{"Config.Service", "Config.Source", "Config.Timeout", "Config.MaxBody"} {
		require.ErrorContains(t, err, part)
	}
	_, err = gcp.NewObjects(gcp.ObjectsConfig{Config: gcp.Config{Service: &calls{}}, Source: plain{bucket{}}})
	require.ErrorContains(t, err, "ObjectOf")
	_, err = gcp.NewMessages(gcp.MessagesConfig{})
	require.ErrorContains(t, err, "Config.Service")

	// That of the source which is decoded is found.
	_, err = gcp.NewObjects(gcp.ObjectsConfig{Config: gcp.Config{Service: &calls{}}, Source: decoder{plain{bucket{}}}})
	require.NoError(t, err)
}

// plain is a source without ObjectOf.
type plain struct{ source.Source }

// decoder decodes a bucket.
type decoder struct{ source.Source }

func (decoder) Stored() source.Source { return bucket{} }

// Over HTTP nothing says when the platform gives up: without Timeout nothing is
// begun.
func TestOverHTTPATimeoutIsNeeded(t *testing.T) {
	var svc calls
	h, err := gcp.NewObjects(gcp.ObjectsConfig{Config: gcp.Config{Service: &svc}, Source: bucket{}})
	require.NoError(t, err)
	assert.Equal(t, http.StatusInternalServerError, post(h, resource("feed", "in/a", "1"), "Ce-Type", finalized))
	assert.Empty(t, svc.requests)
	require.NoError(t, h.HandleMessage(t.Context(), gcp.Message{ID: "m", Attributes: notice("in/a", "1")}), "which needs none")
}

func TestTheDeadlineIsThatOfTheConfig(t *testing.T) {
	for _, early := range []bool{false, true} {
		ctx, cancel := t.Context(), func() {}
		if early {
			ctx, cancel = context.WithTimeout(ctx, time.Second)
		}
		var left time.Duration
		svc := service(func(ctx context.Context, _ *processor.Request) error {
			end, ok := ctx.Deadline()
			assert.True(t, ok)
			left = time.Until(end)
			return nil
		})
		require.NoError(t, objects(t, svc, bucket{}, nil).HandleMessage(ctx, gcp.Message{ID: "m", Attributes: notice("in/a", "1")}))
		cancel()
		assert.Equal(t, early, left <= time.Second)
		assert.LessOrEqual(t, left, time.Minute)
	}
}

func TestWhatComesTooLateIsNotBegun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var svc calls
	err := objects(t, &svc, bucket{}, nil).HandleMessage(ctx, gcp.Message{ID: "m", Attributes: notice("in/a", "1")})
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
	assert.Empty(t, svc.requests)
}
