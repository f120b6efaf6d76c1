package pubsubpull_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/processor/adapter/gcp/pubsubpull"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs"
)

// The client, v2.8.1, leaves one goroutine of each Receive behind, which waits for
// tickers that it has stopped; and OpenCensus, which it imports, keeps one.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

const (
	topic        = "projects/p/topics/t"
	subscription = "projects/p/subscriptions/s"
)

// limit is how long anything may take on a busy machine.
const limit = 30 * time.Second

// scene is a Pub/Sub with one subscription.
type scene struct {
	t      testing.TB
	server *pstest.Server
	client *pubsub.Client
}

func newScene(t testing.TB) *scene {
	t.Helper()
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	client, err := pubsub.NewClient(context.Background(), "p",
		option.WithEndpoint(server.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	_, err = client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic})
	require.NoError(t, err)
	_, err = client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: subscription, Topic: topic, AckDeadlineSeconds: 600, // nothing comes again because the machine is busy
	})
	require.NoError(t, err)
	return &scene{t, server, client}
}

// run runs a puller until the function that it returns is called, which waits for
// its end.
func (s *scene) run(cfg pubsubpull.Config) (stop func() error) {
	s.t.Helper()
	if cfg.Pause == 0 {
		cfg.Pause = -1
	}
	p, err := pubsubpull.New(s.client, subscription, cfg)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(limit):
			return errors.New("it does not end")
		}
	}
}

// acked waits until a message is acknowledged.
func (s *scene) acked(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.server.Message(id).Acks > 0 }, limit, 5*time.Millisecond, "message %s", id)
}

// What is settled is acknowledged, and what is not comes again until it is.
func TestWhatIsNotSettledIsDeliveredAgain(t *testing.T) {
	s := newScene(t)
	var mu sync.Mutex
	fails, handled := map[string]int{}, map[string]int{}
	var ids []string
	for i := range 20 {
		id := s.server.Publish(topic, fmt.Append(nil, "body ", i), map[string]string{"i": fmt.Sprint(i)})
		ids = append(ids, id)
		mu.Lock()
		fails[id] = i % 4
		mu.Unlock()
	}
	stop := s.run(pubsubpull.Config{Concurrency: 3, Handle: func(_ context.Context, m gcp.Message) error {
		mu.Lock()
		defer mu.Unlock()
		handled[m.ID]++
		assert.Equal(t, "body "+m.Attributes["i"], string(m.Data))
		assert.Equal(t, subscription, m.Subscription)
		assert.False(t, m.Published.IsZero())
		if fails[m.ID]--; fails[m.ID] >= 0 {
			if fails[m.ID] == 1 {
				panic("on purpose")
			}
			return errors.New("no")
		}
		return nil
	}})
	for _, id := range ids {
		s.acked(id)
	}
	require.NoError(t, stop())
	mu.Lock()
	defer mu.Unlock()
	for i, id := range ids {
		assert.GreaterOrEqual(t, handled[id], i%4+1, "message %d", i)
		assert.Negative(t, fails[id])
	}
}

func TestNoMoreMessagesAreUnderWayThanAllowed(t *testing.T) {
	s := newScene(t)
	var now, most atomic.Int64
	both := make(chan struct{})
	var ids []string
	for i := range 10 {
		ids = append(ids, s.server.Publish(topic, fmt.Append(nil, i), nil))
	}
	var once sync.Once
	stop := s.run(pubsubpull.Config{Concurrency: 2, Handle: func(context.Context, gcp.Message) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == 2 {
			once.Do(func() { close(both) })
		}
		<-both
		return nil
	}})
	for _, id := range ids {
		s.acked(id)
	}
	require.NoError(t, stop())
	assert.EqualValues(t, 2, most.Load())
}

// What is under way when it is told to end may end, and is acknowledged; nothing
// else begins.
func TestDrain(t *testing.T) {
	s := newScene(t)
	first := s.server.Publish(topic, []byte("first"), nil)
	began, goOn := make(chan struct{}), make(chan struct{})
	var begun atomic.Int64
	stop := s.run(pubsubpull.Config{Concurrency: 1, Drain: limit, Handle: func(ctx context.Context, _ gcp.Message) error {
		if begun.Add(1) == 1 {
			close(began)
			<-goOn
		}
		return ctx.Err()
	}})
	<-began
	second := s.server.Publish(topic, []byte("second"), nil)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	select {
	case <-ended:
		t.Error("it does not wait")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	require.NoError(t, <-ended)
	s.acked(first)
	assert.Zero(t, s.server.Message(second).Acks)
	assert.EqualValues(t, 1, begun.Load())
}

// A drain has an end: then the context of what is under way ends.
func TestTheDrainEnds(t *testing.T) {
	for _, drain := range []time.Duration{-1, time.Millisecond} {
		s := newScene(t)
		id := s.server.Publish(topic, []byte("x"), nil)
		began := make(chan struct{})
		var once sync.Once
		stop := s.run(pubsubpull.Config{Drain: drain, Handle: func(ctx context.Context, _ gcp.Message) error {
			once.Do(func() { close(began) })
			<-ctx.Done() // a service puts the rest aside now: it is settled
			return nil
		}})
		<-began
		require.NoError(t, stop())
		s.acked(id)
	}
}

func TestAMessageHasADeadline(t *testing.T) {
	s := newScene(t)
	id := s.server.Publish(topic, []byte("x"), nil)
	stop := s.run(pubsubpull.Config{Timeout: time.Millisecond, Handle: func(ctx context.Context, _ gcp.Message) error {
		<-ctx.Done()
		assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		return nil
	}})
	s.acked(id)
	require.NoError(t, stop())
}

func TestASubscriptionThatDoesNotExistIsFatal(t *testing.T) {
	s := newScene(t)
	p, err := pubsubpull.New(s.client, "projects/p/subscriptions/none", pubsubpull.Config{
		Handle: func(context.Context, gcp.Message) error { return nil },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err = p.Run(ctx)
	require.ErrorContains(t, err, "none")
	assert.True(t, fault.Is(err, fault.ClassFatal), "%v", err)
}

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := pubsubpull.New(nil, "", pubsubpull.Config{Concurrency: -1, MaxBytes: -1, Timeout: -1})
	for _, part := range []string{"client", "subscription", "Handle", "Concurrency", "MaxBytes", "Timeout"} {
		require.ErrorContains(t, err, part)
	}
	assert.True(t, fault.Is(err, fault.ClassFatal))
}

// collect is a custom processor that keeps its records.
type collect struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *collect) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[string(data)]++
	return nil
}

// The whole way: Cloud Storage notifies Pub/Sub, the object is read by its
// generation, and its records are processed.
func TestANotificationLeadsToItsObject(t *testing.T) {
	s := newScene(t)
	store := new(gcsfake.Server)
	old := store.Put("feed", "in/a.json", `{"id":"old"}`, "")
	now := store.Put("feed", "in/a.json", `{"id":1}`+"\n"+`{"id":2}`, "")
	client, err := store.Client()
	require.NoError(t, err)
	files, err := gs.New(client, gs.Config{Bucket: "feed", Prefix: "in"})
	require.NoError(t, err)
	records := &collect{seen: map[string]int{}}
	base := t.TempDir()
	svc, err := processor.New(processor.Config{
		Source: files, Claimer: memory.New(), Processor: records, Split: source.Split{Format: source.FormatLines},
		RetryURL: base + "/retry", FailedURL: base + "/failed", CorruptionURL: base + "/corrupt",
	})
	require.NoError(t, err)
	var mu sync.Mutex
	var superseded, vanished int64
	objects, err := gcp.NewObjects(gcp.ObjectsConfig{Source: files, Config: gcp.Config{Service: svc, Done: func(r *gcp.Report) {
		mu.Lock()
		defer mu.Unlock()
		superseded, vanished = superseded+r.Superseded, vanished+r.Vanished
	}}})
	require.NoError(t, err)
	stop := s.run(pubsubpull.Config{Handle: objects.HandleMessage})
	for _, at := range []struct {
		name       string
		generation int64
	}{{"in/a.json", old}, {"in/a.json", now}, {"in/gone.json", 1}} {
		s.acked(s.server.Publish(topic, nil, map[string]string{
			"eventType": "OBJECT_FINALIZE", "bucketId": "feed", "objectId": at.name,
			"objectGeneration": fmt.Sprint(at.generation), "payloadFormat": "NONE",
		}))
	}
	require.NoError(t, stop())
	assert.Equal(t, map[string]int{`{"id":1}`: 1, `{"id":2}`: 1}, records.seen)
	assert.EqualValues(t, 1, superseded)
	assert.EqualValues(t, 1, vanished)
}
