package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

// driven is an observer with its queue.
type driven struct {
	queue  queue
	store  *away
	driver *aws.Driver
	fired  []completion.Completion
	fail   error // of the callback
	errs   []error
}

// away is a store that may be away.
type away struct {
	completion.Store
	err error
}

func (a *away) Look(ctx context.Context, set completion.Set) (completion.Record, error) {
	if a.err != nil {
		return completion.Record{}, a.err
	}
	return a.Store.Look(ctx, set)
}

func newDriven(t *testing.T, p completion.Policy) *driven {
	t.Helper()
	d := &driven{store: &away{Store: memory.New()}}
	observer, err := completion.New(completion.Config{
		Store: d.store, Policy: p,
		Complete: func(_ context.Context, c completion.Completion) error { d.fired = append(d.fired, c); return d.fail },
	})
	require.NoError(t, err)
	d.driver, err = aws.NewDriver(aws.DriverConfig{
		Observer: observer, Queue: newQueue(t, &d.queue), OnError: func(err error) { d.errs = append(d.errs, err) },
	})
	require.NoError(t, err)
	require.NoError(t, newQueue(t, &d.queue).Start(t.Context(), set))
	return d
}

func (d *driven) arrive(t *testing.T, key string) {
	t.Helper()
	_, err := d.store.Arrive(t.Context(), set, []completion.Arrival{completion.Object(key, 0)})
	require.NoError(t, err)
}

// turn handles the next message.
func (d *driven) turn(t *testing.T) {
	t.Helper()
	require.NoError(t, d.driver.HandleMessage(t.Context(), events.SQSMessage{MessageId: "m", Body: d.queue.take(t)}))
}

// The state travels in a delayed message, and the last look sends none.
func TestDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriven(t, completion.Policy{Window: 2, Delay: completion.Divided(45500 * time.Millisecond)})
		assert.Equal(t, delayed{`{"set":{"bucket":"feed","prefix":"out/run-7/"}}`, 0}, d.queue.messages[0])
		d.arrive(t, "a")
		d.turn(t)
		assert.Equal(t, delayed{`{"set":{"bucket":"feed","prefix":"out/run-7/"},"last":1}`, 46 * time.Second}, d.queue.messages[0], "rounded up")
		d.turn(t)
		assert.Equal(t, delayed{`{"set":{"bucket":"feed","prefix":"out/run-7/"},"repeated":1,"last":1}`, 46 * time.Second}, d.queue.messages[0])
		d.turn(t)
		assert.Empty(t, d.queue.messages)
		require.Len(t, d.fired, 1)
		assert.Empty(t, d.errs)
	})
}

// Names may hold characters that SQS does not take.
func TestDriverOfOddNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriven(t, completion.Policy{Window: 1})
		d.queue.messages = nil
		odd := completion.Set{Bucket: "feed", Prefix: "a\ufffe\uffff\x00\u2028<\"/"}
		require.NoError(t, newQueue(t, &d.queue).Start(t.Context(), odd))
		_, err := d.store.Arrive(t.Context(), odd, []completion.Arrival{completion.Object("a", 0)})
		require.NoError(t, err)
		d.turn(t)
		d.turn(t)
		require.Len(t, d.fired, 1)
		assert.Equal(t, odd, d.fired[0].Set)
	})
}

// SQS delays by 900 s at most: longer waits take several messages, and no look.
func TestDriverHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriven(t, completion.Policy{Window: 1, Delay: completion.Constant(2000 * time.Second)})
		d.arrive(t, "a")
		d.turn(t)
		start := time.Now()
		for _, want := range []float64{900, 900, 200} {
			require.InDelta(t, want, d.queue.messages[0].delay.Seconds(), 0)
			d.turn(t)
		}
		assert.Equal(t, 2000*time.Second, time.Since(start))
		assert.Empty(t, d.queue.messages)
		require.Len(t, d.fired, 1)
	})
}

// While the store is away looks go on by new messages, so that none is received too often,
// and so they do while the callback fails.
func TestDriverOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriven(t, completion.Policy{Window: 1})
		d.arrive(t, "a")
		d.store.err = fault.Interrupted(errors.New("away"))
		for range 20 {
			d.turn(t)
		}
		require.Len(t, d.errs, 20)
		d.store.err, d.fail = nil, errors.New("the next step is away")
		for range 5 {
			d.turn(t)
		}
		require.Len(t, d.fired, 4)
		d.fail = nil
		d.turn(t)
		require.Len(t, d.fired, 5)
		assert.Empty(t, d.queue.messages)
	})
}

// What cannot be done is not settled: no next message could be sent, no store is there, or
// the message is nobody's state.
func TestDriverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriven(t, completion.Policy{})
		body := d.queue.take(t)
		var batch events.SQSEvent
		require.NoError(t, json.Unmarshal(sqsEvent(t, body, "no state", `{"set":{}}`, `{"set":{"run":"1"},"wait":-1}`, body), &batch))
		answer, err := d.driver.Handle(t.Context(), batch)
		require.NoError(t, err)
		assert.Equal(t, []string{"m1", "m2", "m3"}, ids(answer))
		assert.Len(t, d.queue.messages, 2)

		d.queue.err = errors.New("the queue is away")
		answer, err = d.driver.Handle(t.Context(), batch)
		require.NoError(t, err)
		assert.Len(t, answer.BatchItemFailures, 5)
		require.ErrorContains(t, d.driver.HandleMessage(t.Context(), batch.Records[0]), "the queue is away")

		d.queue.err, d.store.err = nil, fault.Fatal(errors.New("no such table"))
		require.ErrorContains(t, d.driver.HandleMessage(t.Context(), batch.Records[0]), "no such table")

		d.store.err = nil
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		answer, err = d.driver.Handle(ctx, batch)
		require.NoError(t, err)
		assert.Len(t, answer.BatchItemFailures, 5, "there was no time")
		_, err = d.driver.Handle(t.Context(), events.SQSEvent{})
		require.Error(t, err)
	})
}

// A callback that takes all the time there is leaves enough of it for the next message.
func TestDriverKeepsTimeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		store := memory.New()
		observer, err := completion.New(completion.Config{
			Store: store, Policy: completion.Policy{Window: 1},
			Complete: func(ctx context.Context, _ completion.Completion) error { <-ctx.Done(); return ctx.Err() },
		})
		require.NoError(t, err)
		driver, err := aws.NewDriver(aws.DriverConfig{Observer: observer, Queue: newQueue(t, &q)})
		require.NoError(t, err)
		_, err = store.Arrive(t.Context(), set, []completion.Arrival{completion.Object("a", 0)})
		require.NoError(t, err)
		body := `{"set":{"bucket":"feed","prefix":"out/run-7/"},"repeated":1,"last":1}`
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, driver.HandleMessage(ctx, events.SQSMessage{Body: body}))
		require.NoError(t, ctx.Err())
		require.Len(t, q.messages, 1)
	})
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := aws.NewMonitor(aws.MonitorConfig{})
	require.ErrorContains(t, err, "Monitor: ")
	_, err = aws.NewDriver(aws.DriverConfig{})
	require.ErrorContains(t, err, "Observer: ")
	require.ErrorContains(t, err, "Queue: ")
	_, err = aws.NewQueue(nil, "")
	require.ErrorContains(t, err, "client is nil")
	require.ErrorContains(t, err, "url is empty")
	_, err = aws.NewQueue(&queue{}, "https://sqs.test/1/observers.fifo")
	require.ErrorContains(t, err, "FIFO")
	require.Error(t, newQueue(t, &queue{}).Start(t.Context(), completion.Set{}))
}
