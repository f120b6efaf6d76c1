package gcp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a Service of a function.
type service func(ctx context.Context, req *processor.Request) error

// Do answers as that of the processor: an input that was read counts as an object.
func (f service) Do(ctx context.Context, req *processor.Request) (processor.Reporter, error) {
	rep := processor.NewReporter()
	rep.BaseResponse().Objects = 1
	err := f(ctx, req)
	if err != nil {
		rep.BaseResponse().Status = processor.StatusError
		rep.BaseResponse().Errors = []string{err.Error()}
	}
	return rep, err
}

// errUnread is the error of an input that is not settled.
var errUnread = fmt.Errorf("%w: %w", processor.ErrUnread, errors.New("away"))

// calls are the requests that a service got.
type calls struct {
	mu       sync.Mutex
	requests []processor.Request
	bodies   []string
	err      error
}

func (c *calls) Do(ctx context.Context, req *processor.Request) (processor.Reporter, error) {
	return service(func(context.Context, *processor.Request) error {
		var body []byte
		if req.Reader != nil {
			var err error
			if body, err = io.ReadAll(req.Reader); err != nil {
				return err
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, *req)
		c.bodies = append(c.bodies, string(body))
		return c.err
	}).Do(ctx, req)
}

func (c *calls) last(t *testing.T) processor.Request {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(t, c.requests, 1)
	return c.requests[0]
}

// bucket is a source of the folder in/ of the bucket feed, with generations.
type bucket map[string]source.Object

func (b bucket) ObjectOf(e gsevent.Event) (source.Object, bool) {
	key, ok := strings.CutPrefix(e.Object.Key, "in/")
	if !ok || e.Bucket != "feed" {
		return source.Object{}, false
	}
	o := e.Object
	o.Key = key
	return o, true
}

func (b bucket) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for _, o := range b {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (b bucket) Open(_ context.Context, o source.Object, _, _ int64) (io.ReadCloser, source.Object, error) {
	found, ok := b[o.Key]
	if !ok {
		return nil, source.Object{}, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader("{}")), found, nil
}

// handler is what both kinds are.
type handler interface {
	http.Handler
	HandleMessage(context.Context, gcp.Message) error
}

func objects(t testing.TB, svc gcp.Service, src source.Source, done func(*gcp.Report)) *gcp.Objects {
	t.Helper()
	h, err := gcp.NewObjects(gcp.ObjectsConfig{
		Config: gcp.Config{Service: svc, Timeout: time.Minute, Done: done, MaxBody: 64 << 10}, Source: src,
	})
	require.NoError(t, err)
	return h
}

func messages(t testing.TB, svc gcp.Service, done func(*gcp.Report)) *gcp.Messages {
	t.Helper()
	h, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{Service: svc, Timeout: time.Minute, Done: done, MaxBody: 64 << 10}})
	require.NoError(t, err)
	return h
}

// post sends a request to a handler, and returns the status of the answer.
func post(h http.Handler, body string, headers ...string) int {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

const (
	finalized = "google.cloud.storage.object.v1.finalized"
	published = "google.cloud.pubsub.topic.v1.messagePublished"
)

// resource is the data of a storage event, as in the documentation.
func resource(bucket, name, generation string) string {
	text, err := json.Marshal(map[string]string{
		"kind": "storage#object", "id": bucket + "/" + name + "/" + generation, "bucket": bucket, "name": name,
		"generation": generation, "metageneration": "1", "contentType": "text/plain", "size": "352",
		"timeCreated": "2026-04-23T07:38:57.230Z", "updated": "2026-04-23T07:38:57.230Z", "storageClass": "STANDARD",
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// envelope is what a push subscription sends.
func envelope(id string, data []byte, attributes map[string]string, delivery int) string {
	text, err := json.Marshal(map[string]any{
		"message": map[string]any{
			"attributes": attributes, "data": base64.StdEncoding.EncodeToString(data), "messageId": id, "message_id": id,
			"publishTime": "2026-02-26T19:13:55.749Z", "publish_time": "2026-02-26T19:13:55.749Z",
		},
		"subscription": "projects/my-project/subscriptions/my-sub", "deliveryAttempt": delivery,
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// notice are the attributes of a notification of Cloud Storage.
func notice(name, generation string) map[string]string {
	return map[string]string{
		"eventType": "OBJECT_FINALIZE", "bucketId": "feed", "objectId": name, "objectGeneration": generation,
		"payloadFormat": "NONE", "eventTime": "2026-04-23T07:38:57.230Z",
		"notificationConfig": "projects/_/buckets/feed/notificationConfigs/1",
	}
}
