package sqspoll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/sqspoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	standard = "https://sqs.us-east-1.amazonaws.com/123456789012/jobs"
	fifo     = standard + ".fifo"
)

// handler is a Handler of a function, that notes what it handled.
type handler struct {
	f func(ctx context.Context, m events.SQSMessage) error

	mu     sync.Mutex
	bodies []string // in the order in which they ended without an error
}

func (h *handler) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	var err error
	if h.f != nil {
		err = h.f(ctx, m)
	}
	if err == nil {
		h.mu.Lock()
		h.bodies = append(h.bodies, m.Body)
		h.mu.Unlock()
	}
	return err
}

func (h *handler) handled() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bodies)
}

// outcome is what a Run returned.
type outcome struct {
	stats sqspoll.Stats
	err   error
	took  time.Duration // from the end of its context
}

// consume runs a consumer until stop is called, which returns when it has.
func consume(t *testing.T, q *queue, h sqspoll.Handler, cfg sqspoll.Config) (stop func() outcome) {
	t.Helper()
	name := standard
	if q.fifo {
		name = fifo
	}
	c, err := sqspoll.New(q, name, h, cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan outcome, 1)
	go func() {
		stats, err := c.Run(ctx)
		done <- outcome{stats: stats, err: err}
	}()
	return func() outcome {
		began := time.Now()
		cancel()
		out := <-done
		out.took = time.Since(began)
		return out
	}
}

func numbered(n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("body %03d", i))
	}
	return bodies
}

func TestWhatIsSettledIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(false), &handler{}
		q.add("", numbered(95)...)
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(time.Minute)
		out := stop()
		require.NoError(t, out.err)
		assert.ElementsMatch(t, numbered(95), h.handled())
		assert.Zero(t, q.left())
		assert.Equal(t, sqspoll.Stats{Received: 95, Settled: 95, Deleted: 95}, out.stats)
		assert.LessOrEqual(t, q.count("Delete"), 20, "in batches")
		assert.EqualValues(t, 20, q.smallest, "long polls")
	})
}

// The visibility was always 12 hours, as it was multiplied by 1,000 where it had to
// be divided: what a consumer that died had in hand came half a day later.
func TestDefect19TheVisibilityIsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(false), &handler{f: func(context.Context, events.SQSMessage) error {
			time.Sleep(10 * time.Minute)
			return nil
		}}
		q.add("", "long")
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(11 * time.Minute)
		out := stop()
		assert.Equal(t, time.Minute, q.longest)
		assert.Equal(t, sqspoll.Stats{Received: 1, Settled: 1, Deleted: 1}, out.stats, "and is extended: it came once")
	})
	_, err := sqspoll.New(newQueue(false), standard, &handler{}, sqspoll.Config{Visibility: 12*time.Hour + time.Second})
	require.ErrorContains(t, err, "Config.Visibility")
}

func TestAMessageInHandIsNeverGivenToAnother(t *testing.T) {
	for _, visibility := range []time.Duration{3 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var at, most atomic.Int64
			q := newQueue(false)
			h := &handler{f: func(ctx context.Context, m events.SQSMessage) error {
				if m.Attributes["ApproximateReceiveCount"] != "1" {
					t.Errorf("%s came again", m.Body)
				}
				most.Store(max(most.Load(), at.Add(1)))
				defer at.Add(-1)
				select {
				case <-time.After(6 * time.Minute):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}}
			q.add("", numbered(25)...)
			stops := []func() outcome{
				consume(t, q, h, sqspoll.Config{Visibility: visibility, Concurrency: 15}),
				consume(t, q, h, sqspoll.Config{Visibility: visibility, Concurrency: 15}),
			}
			time.Sleep(8 * time.Minute)
			for _, stop := range stops {
				assert.NoError(t, stop().err)
			}
			assert.Zero(t, q.left())
			assert.Len(t, h.handled(), 25)
			assert.LessOrEqual(t, most.Load(), int64(30))
		})
	}
}

// Work on a message that nobody can keep hidden stops before another has it.
func TestWhatCannotBeExtendedIsStoppedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(false)
		var stopped atomic.Int64
		h := &handler{f: func(ctx context.Context, m events.SQSMessage) error {
			if m.Attributes["ApproximateReceiveCount"] != "1" {
				return nil
			}
			<-ctx.Done()
			assert.ErrorContains(t, context.Cause(ctx), "could not be extended")
			assert.Less(t, time.Since(q.state(0).history[0]), 50*time.Second, "a while before the minute is over")
			stopped.Add(1)
			return ctx.Err()
		}}
		q.add("", "a")
		q.failing(func(op string, _ int) error {
			if op == "Change" && time.Now().Before(time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)) {
				return errAway
			}
			return nil
		})
		var errs atomic.Int64
		stop := consume(t, q, h, sqspoll.Config{OnError: func(error) { errs.Add(1) }})
		time.Sleep(15 * time.Minute)
		out := stop()
		assert.EqualValues(t, 1, stopped.Load())
		assert.EqualValues(t, 1, out.stats.Stopped)
		assert.Equal(t, []string{"a"}, h.handled(), "it came again")
		assert.Positive(t, errs.Load())
	})
}

// One beat that fails is made up for by the next.
func TestAHeartbeatThatFailsOnceDoesNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(false)
		var n atomic.Int64
		q.failing(func(op string, entry int) error {
			if op == "Change" && entry < 0 && n.Add(1)%2 == 1 || op == "Change" && entry == 1 && n.Load()%4 == 0 {
				return errAway
			}
			return nil
		})
		h := &handler{f: func(ctx context.Context, _ events.SQSMessage) error {
			select {
			case <-time.After(10 * time.Minute):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		q.add("", "a", "b", "c")
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(11 * time.Minute)
		assert.Equal(t, sqspoll.Stats{Received: 3, Settled: 3, Deleted: 3}, stop().stats)
	})
}

func TestWhatIsNotSettledComesAgainLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(false)
		h := &handler{f: func(_ context.Context, m events.SQSMessage) error {
			if m.Attributes["ApproximateReceiveCount"] == "6" {
				return nil
			}
			if m.Attributes["ApproximateReceiveCount"] == "3" {
				panic("secret")
			}
			return errors.New("not now")
		}}
		q.add("", "a")
		var mu sync.Mutex
		var errs []string
		stop := consume(t, q, h, sqspoll.Config{RetryDelay: 2 * time.Second, OnError: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err.Error())
		}})
		time.Sleep(5 * time.Minute)
		out := stop()
		assert.Equal(t, sqspoll.Stats{Received: 6, Settled: 1, Failed: 5, Deleted: 1}, out.stats)
		var waits []int
		history := q.state(0).history
		for i := 1; i < len(history); i++ {
			waits = append(waits, int(history[i].Sub(history[i-1]).Seconds()))
		}
		assert.Equal(t, []int{2, 4, 8, 16, 32}, waits)
		mu.Lock()
		defer mu.Unlock()
		assert.Len(t, errs, 5)
		assert.Contains(t, errs[0], "message m0: not now")
		assert.NotContains(t, strings.Join(errs, " "), "secret")
	})
}

func TestAGroupKeepsItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(true)
		var failed atomic.Bool
		h := &handler{f: func(_ context.Context, m events.SQSMessage) error {
			time.Sleep(time.Duration(len(m.MessageId)*37%11) * time.Second)
			if m.Body == "a 3" && failed.CompareAndSwap(false, true) {
				return errors.New("not now")
			}
			return nil
		}}
		for i := range 6 {
			for _, group := range []string{"a", "b", "c"} {
				q.add(group, fmt.Sprint(group, " ", i))
			}
		}
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(10 * time.Minute)
		out := stop()
		for _, group := range []string{"a", "b", "c"} {
			var own []string
			for _, body := range h.handled() {
				if strings.HasPrefix(body, group) {
					own = append(own, body)
				}
			}
			assert.Equal(t, []string{group + " 0", group + " 1", group + " 2", group + " 3", group + " 4", group + " 5"}, own)
		}
		assert.EqualValues(t, 1, out.stats.Failed)
		assert.Zero(t, q.left())
	})
}

func TestADeletionThatFailsIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(false), &handler{}
		q.add("", numbered(10)...)
		var n atomic.Int64
		q.failing(func(op string, entry int) error {
			if op == "Delete" && (entry < 0 && n.Add(1) <= 3 || entry >= 0 && entry%2 == 0 && n.Load() <= 5) {
				return errAway
			}
			return nil
		})
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(5 * time.Minute)
		out := stop()
		assert.Zero(t, q.left())
		assert.Equal(t, sqspoll.Stats{Received: 10, Settled: 10, Deleted: 10}, out.stats)
	})
}

// A receipt that has expired is of no use: the message comes again.
func TestADeletionIsGivenUpWhenTheVisibilityEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(false), &handler{}
		q.add("", "a")
		began := time.Now()
		q.failing(func(op string, _ int) error {
			if op == "Delete" && time.Since(began) < 90*time.Second {
				return errAway
			}
			return nil
		})
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(10 * time.Minute)
		out := stop()
		assert.Equal(t, sqspoll.Stats{Received: 2, Settled: 2, Deleted: 1, Undeleted: 1}, out.stats)
		assert.Less(t, out.took, time.Second, "nothing is tried for ever")
		assert.Zero(t, q.left())
	})
}

func TestAQueueThatIsAwayIsAskedAgainNotTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(false), &handler{}
		began := time.Now()
		q.failing(func(op string, _ int) error {
			if time.Since(began) < time.Hour {
				return errAway
			}
			return nil
		})
		q.add("", "a")
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(time.Hour - time.Second)
		assert.Less(t, q.count("Receive"), 500, "20 seconds between them at most")
		assert.Greater(t, q.count("Receive"), 100)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"a"}, h.handled())
		require.NoError(t, stop().err)
	})
}

func TestAQueueThatIsNotThereEndsTheRun(t *testing.T) {
	for _, code := range []string{"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "KmsAccessDenied"} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(false)
			q.failing(func(string, int) error { return &smithy.GenericAPIError{Code: code} })
			c, err := sqspoll.New(q, standard, &handler{}, sqspoll.Config{Receivers: 3})
			require.NoError(t, err)
			_, err = c.Run(t.Context())
			require.ErrorContains(t, err, code)
		})
	}
}

func TestTheDrainFinishesWhatIsInHandAndGivesBackTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(true)
		h := &handler{f: func(ctx context.Context, m events.SQSMessage) error {
			takes := 10 * time.Second
			if strings.HasPrefix(m.Body, "slow") {
				takes = time.Hour
			}
			select {
			case <-time.After(takes):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		q.add("a", "quick 0", "quick 1", "quick 2")
		q.add("b", "slow 0", "slow 1")
		stop := consume(t, q, h, sqspoll.Config{})
		time.Sleep(5 * time.Second)
		out := stop()
		require.NoError(t, out.err)
		assert.Equal(t, []string{"quick 0"}, h.handled())
		assert.Equal(t, sqspoll.Stats{Received: 5, Settled: 1, Failed: 1, Returned: 3, Deleted: 1}, out.stats)
		for i := 1; i < 5; i++ {
			assert.False(t, q.state(i).visible.After(time.Now()), "message %d can be received at once", i)
		}
		assert.LessOrEqual(t, out.took, 15*time.Second+time.Second)
	})
}

// What honours no context is left behind, in time.
func TestAHandlerThatHangsDoesNotKeepRunFromReturning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(false)
		release := make(chan struct{})
		h := &handler{f: func(_ context.Context, m events.SQSMessage) error {
			<-release
			if m.Body == "b" {
				return errors.New("too late")
			}
			return nil
		}}
		q.add("", "a", "b")
		var errs atomic.Int64
		stop := consume(t, q, h, sqspoll.Config{Drain: 10 * time.Second, OnError: func(error) { errs.Add(1) }})
		time.Sleep(time.Second)
		out := stop()
		assert.Less(t, out.took, 10*time.Second)
		assert.Equal(t, sqspoll.Stats{Received: 2, Abandoned: 2}, out.stats)
		close(release)
		synctest.Wait()
		assert.Equal(t, 2, q.left(), "nobody deletes what nobody waited for")
		assert.Zero(t, errs.Load(), "nobody is told after the end")
	})
}

func TestRunReturnsBeforeItsDeadline(t *testing.T) {
	for _, limit := range []time.Duration{time.Millisecond, time.Second, 7 * time.Second, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(false)
			h := &handler{f: func(ctx context.Context, _ events.SQSMessage) error { <-ctx.Done(); return ctx.Err() }}
			q.add("", numbered(20)...)
			c, err := sqspoll.New(q, standard, h, sqspoll.Config{})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			_, err = c.Run(ctx)
			require.NoError(t, err)
			assert.Less(t, time.Since(began), limit)
			for i := range 20 {
				assert.False(t, q.state(i).visible.After(time.Now()), "%v: message %d", limit, i)
			}
		})
	}
}

// lines is a processor of lines that each take a while.
type lines struct {
	mu   sync.Mutex
	done []string
}

func (l *lines) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, string(data))
	return nil
}

// The handlers of package aws serve a consumer as well: at the end every record is
// processed, or in retry, or in a message of the queue.
func TestAServiceBehindAConsumer(t *testing.T) {
	for _, deadline := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := &lines{}
			dir := t.TempDir()
			svc, err := processor.New(processor.Config{Processor: p, Concurrency: 1, RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt"})
			require.NoError(t, err)
			var loaded, timeouts atomic.Int64
			messages, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: svc, Each: func(rep processor.Reporter, err error) {
				assert.NoError(t, err)
				loaded.Add(rep.BaseResponse().Loaded)
				timeouts.Add(rep.BaseResponse().LoadTimeouts)
			}}})
			require.NoError(t, err)
			q := newQueue(false)
			for i := range 40 {
				q.add("", fmt.Sprintf("%d-0\n%d-1\n%d-2\n%d-3", i, i, i, i))
			}
			var stats sqspoll.Stats
			if deadline {
				c, err := sqspoll.New(q, standard, messages, sqspoll.Config{})
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				stats, err = c.Run(ctx)
				require.NoError(t, err)
			} else {
				stop := consume(t, q, messages, sqspoll.Config{Drain: 10 * time.Second})
				time.Sleep(6500 * time.Millisecond)
				stats = stop().stats
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			assert.Equal(t, 160, len(p.done)+int(timeouts.Load())+4*q.left())
			assert.Equal(t, stats.Settled*4, loaded.Load())
			assert.Equal(t, stats.Settled, stats.Deleted)
			assert.Zero(t, stats.Abandoned)
		})
	}
}

func TestAMessageIsAsLambdaDeliversIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(true)
		q.add("g", "body")
		var got atomic.Pointer[events.SQSMessage]
		stop := consume(t, q, &handler{f: func(_ context.Context, m events.SQSMessage) error { got.Store(&m); return nil }}, sqspoll.Config{})
		time.Sleep(time.Second)
		stop()
		m := got.Load()
		text := "test"
		assert.Equal(t, events.SQSMessage{
			MessageId: "m0", ReceiptHandle: "m0 1", Body: "body", EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:jobs.fifo",
			Attributes:        map[string]string{"ApproximateReceiveCount": "1", "MessageGroupId": "g"},
			MessageAttributes: map[string]events.SQSMessageAttribute{"kind": {StringValue: &text, DataType: "String"}},
		}, *m)
	})
}

func TestEveryMistakeIsReported(t *testing.T) {
	_, err := sqspoll.New(nil, "jobs", nil, sqspoll.Config{Concurrency: -1, Receivers: -1, Visibility: time.Millisecond, Drain: -1})
	for _, part := range []string{"api", "queue", "handler", "Config.Concurrency", "Config.Receivers", "Config.Visibility", "Config.Drain"} {
		require.ErrorContains(t, err, part)
	}
	_, err = sqspoll.New(newQueue(false), "http://localhost:4566/jobs", &handler{}, sqspoll.Config{})
	require.ErrorContains(t, err, "queue")
}
