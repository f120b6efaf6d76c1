package processor_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// 1
func TestDeadlineStuckSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.Pack.TargetBytes = 200
		for i := range 500 {
			s.put("o"+string(rune('a'+i%26))+time.Duration(i).String(), 20, 100)
		}
		s.cfg.Pack.Mode = processor.PackSingle
		s.cfg.Concurrency, s.cfg.Senders = 4, 1
		s.cfg.Sink = oneByOne{s.out}
		release := make(chan struct{})
		s.hook = func(ctx context.Context, batch []sink.Message) error { <-release; return nil }
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		resp, err := s.run(ctx)
		assert.Less(t, time.Since(began), 20*time.Second)
		t.Log(resp.Status, err, resp.Abandoned, resp.Errors)
		assert.Positive(t, resp.Abandoned)
		close(release)
		synctest.Wait()
		s.hook = nil
		time.Sleep(2 * time.Minute)
		s.drained(t.Context())
		s.nothingLost()
	})
}

type oneByOne struct{ sink.Sink }

func (oneByOne) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{BatchMessages: 1}, nil
}

// 2
func TestDeadlineStuckRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 10 {
			s.put("o"+time.Duration(i).String(), 20, 100)
		}
		release := make(chan struct{})
		s.src.OnOpen = func(ctx context.Context, o source.Object, off int64) processortest.ReadFault {
			if o.Key != "o3ns" {
				return processortest.ReadFault{}
			}
			return processortest.ReadFault{Before: func(context.Context) { <-release }}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		resp, err := s.run(ctx)
		assert.Less(t, time.Since(began), 20*time.Second)
		t.Log(resp.Status, err, resp.Abandoned, resp.Errors)
		assert.Positive(t, resp.Abandoned)
		s.src.OnOpen = nil
		close(release)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		s.drained(t.Context())
		s.exactlyOnce()
	})
}

// 3
func TestDeadlineStuckListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 5, 10)
		s.put("b", 5, 10)
		release := make(chan struct{})
		s.src.OnList = func(ctx context.Context, i int) error {
			if i == 1 {
				<-release
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		go func() { time.Sleep(time.Hour); close(release) }()
		resp, err := s.run(ctx)
		assert.Less(t, time.Since(began), 20*time.Second)
		t.Log(resp.Status, err, resp.Abandoned, resp.Errors)
		time.Sleep(2 * time.Hour)
	})
}

type stuckPost struct {
	release chan struct{}
	pre     bool
}

func (p stuckPost) Process(context.Context, []byte, processor.Reporter) error { return nil }
func (p stuckPost) Post(context.Context, processor.Reporter) error {
	if !p.pre {
		<-p.release
	}
	return nil
}
func (p stuckPost) Pre(ctx context.Context, _ processor.Reporter) (context.Context, error) {
	if p.pre {
		<-p.release
	}
	return ctx, nil
}

// 4
func TestDeadlineStuckPost(t *testing.T) {
	for _, pre := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.put("a", 5, 10)
			release := make(chan struct{})
			s.cfg.Sink, s.cfg.Processor = nil, stuckPost{release, pre}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			began := time.Now()
			go func() { time.Sleep(time.Hour); close(release) }()
			resp, err := s.run(ctx)
			assert.Less(t, time.Since(began), 20*time.Second, "pre %v", pre)
			t.Log(resp.Status, err, resp.Abandoned, resp.Errors)
			time.Sleep(2 * time.Hour)
		})
	}
}

// 5 a message that fails by itself, alone in its batch, while others get through
func TestRetryableMessageAloneInBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, whole := range []bool{false, true} {
			s := newScene(t)
			s.put("a", 50, 10)
			s.cfg.Pack.Mode = processor.PackSingle
			s.cfg.Sink = oneByOne{s.out}
			s.hook = func(ctx context.Context, batch []sink.Message) error {
				if processortest.IDs(batch[0].Body)[0] == "a/7" {
					err := errors.New("no")
					if whole {
						return err
					}
					return &sink.BatchError{Failed: []sink.EntryError{{Index: 0, Err: err}}}
				}
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			resp, err := s.run(ctx)
			cancel()
			require.NoError(t, err)
			assert.Equal(t, processor.StatusOK, resp.Status, "whole %v", whole)
			assert.EqualValues(t, 1, resp.RetryErrors)
		}
	})
}

// 6
func TestSameIDSameBytesFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSceneWith(t, sink.Limits{FIFO: true, BatchMessages: 10})
		s.cfg.Pack.PerObject = true
		s.put("a", 5, 10)
		var calls atomic.Int32
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if calls.Add(1) == 3 {
				return fault.Interrupted(errors.New("service away"))
			}
			out.Emit(rec.Data)
			return nil
		})
		s.drained(t.Context())
		s.nothingLost()
	})
}

// 7 partial retry: ids of the remainder's outputs
func TestPartialRemainderHasOwnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.src.Put("a", []byte(`{"id":"first"}`))
		s.cfg.RecordID = "_id"
		var calls atomic.Int32
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			out.Emit(rec.Data)
			if calls.Add(1) == 1 {
				return fault.PartialRetry([]byte(`{"id":"second"}`), errors.New("half"))
			}
			return nil
		})
		s.drained(t.Context())
		for _, m := range s.out.Messages() {
			t.Logf("%s", m.Body)
		}
		assert.Equal(t, map[string]int{"first": 1, "second": 1}, s.sent())
		require.Len(t, s.out.Messages(), 2)
		assert.NotEqual(t, idOf(s.out.Messages()[0].Body), idOf(s.out.Messages()[1].Body))
	})
}

// 8 an interrupted record takes no delivered one along
func TestInterruptedRecordRepeatsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{10, 60_000} {
			s := newScene(t)
			s.put("a", 20, size)
			var calls atomic.Int32
			s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
				if n := calls.Add(1); n == 3 || n == 9 {
					return fault.Interrupted(errors.New("service away"))
				}
				out.Emit(rec.Data)
				return nil
			})
			s.drained(t.Context())
			s.exactlyOnce()
		}
	})
}

// 9 throttled until the deadline (unambiguous refusals), then a second run
func TestThrottledAtDeadlineRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, per := range []bool{false, true} {
			s := newSceneWith(t, sink.Limits{BatchMessages: 10})
			s.cfg.Pack.TargetBytes, s.cfg.Pack.PerObject = 200, per
			for i := range 20 {
				s.put("o"+time.Duration(i).String(), 30, 50)
			}
			s.put("large", 20_000, 50)
			var sent atomic.Int32
			s.hook = func(ctx context.Context, batch []sink.Message) error {
				if sent.Add(1) > 5 {
					e := &sink.BatchError{}
					for i := range batch {
						e.Failed = append(e.Failed, sink.EntryError{Index: i, Err: fault.Interrupted(errors.New("throttled"))})
					}
					return e
				}
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			resp, err := s.run(ctx)
			cancel()
			require.NoError(t, err)
			assert.Equal(t, processor.StatusStopped, resp.Status)
			s.hook = nil
			s.drained(t.Context())
			s.exactlyOnce()
		}
	})
}

// 10
func TestDeadlineInListingIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 100 {
			s.put("o"+time.Duration(i).String(), 1, 10)
		}
		s.src.OnList = func(ctx context.Context, i int) error {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
	})
}

// 11 part of a claim call fails
func TestBadKeyHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 1, 10)
		s.put("b", 1, 10)
		s.src.Put("", []byte(`{"id":"x"}`))
		s.put("c", 1, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
		defer cancel()
		began := time.Now()
		resp, err := s.run(ctx)
		t.Log(err, resp.Errors, time.Since(began))
		s.exactlyOnce()
		assert.Less(t, time.Since(began), 20*time.Second)
	})
}

type postFails struct {
	fail  *atomic.Bool
	count *atomic.Int64
}

func (p postFails) Process(context.Context, []byte, processor.Reporter) error {
	p.count.Add(1)
	return nil
}
func (p postFails) Post(context.Context, processor.Reporter) error {
	if p.fail.Load() {
		return errors.New("disk full")
	}
	return nil
}

// 12
func TestPostFailedRepeatsLargeObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("large", 20_000, 50)
		var fail atomic.Bool
		fail.Store(true)
		var count atomic.Int64
		s.cfg.Sink, s.cfg.Processor = nil, postFails{&fail, &count}
		_, err := s.run(t.Context())
		require.Error(t, err)
		count.Store(0)
		fail.Store(false)
		time.Sleep(time.Minute)
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 20_000, count.Load())
		assert.EqualValues(t, 20_000, resp.Delivered)
	})
}

func idOf(body []byte) string {
	id := string(body)
	for i := range id {
		if id[i] == ',' {
			return id[:i]
		}
	}
	return id
}

func TestConfigIsOneDocument(t *testing.T) {
	_, err := processor.LoadConfig(strings.NewReader("concurrency: 1\n---\nsenders: 2"))
	assert.Error(t, err)
}
