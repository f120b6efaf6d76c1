package processor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// Four workers share a store: every record is sent once.
func TestOnceFourWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		s.src.Put("bad", []byte("{oops}\n"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		var finished int64
		for i := range 4 {
			s.cfg.Owner = fmt.Sprint("worker ", i)
			svc := s.service()
			wg.Go(func() {
				rep, err := svc.Run(t.Context())
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				finished += rep.BaseResponse().Finished
			})
		}
		wg.Wait()
		s.exactlyOnce()
		assert.EqualValues(t, 202, finished)
		assert.Len(t, s.envelopes("corrupt"), 1)
	})
}

// The lease of an object is lost in the middle of the work, and another worker
// takes the object over: what the first one has not sent by then it does not
// send any more.
func TestOnceLostLeaseSendsNothingMore(t *testing.T) {
	for _, perObject := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newSceneWith(t, sink.Limits{BatchMessages: 2})
			s.cfg.Pack.TargetBytes, s.cfg.Pack.PerObject = 1000, perObject
			s.put("lost", 100, 50)
			s.put("kept", 100, 50)
			var mu sync.Mutex
			stalled, partitioned := false, true
			s.claims.OnCall = func(_ context.Context, call processortest.Call, keys []string) (error, bool) {
				mu.Lock()
				defer mu.Unlock()
				if partitioned && call != processortest.CallClaim {
					return errAway, false
				}
				return nil, false
			}
			s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
				mu.Lock()
				stall := !stalled && rec.Object.Key == "lost" && rec.Offset > 2000
				stalled = stalled || stall
				mu.Unlock()
				if stall {
					time.Sleep(10 * time.Minute) // longer than the lease, with no heartbeat
				}
				out.Emit(rec.Data)
				return nil
			})
			first := make(chan struct{})
			go func() {
				defer close(first)
				svc := s.service()
				rep, err := svc.Run(t.Context())
				assert.NoError(t, err)
				assert.Positive(t, rep.BaseResponse().Lost)
			}()
			time.Sleep(5 * time.Minute) // the leases have run out
			before := s.sent()
			other := *s
			other.cfg.Claimer, other.cfg.Owner = s.store, "other"
			resp, err := other.run(t.Context())
			require.NoError(t, err)
			assert.Positive(t, resp.Finished)
			mu.Lock()
			partitioned = false
			mu.Unlock()
			<-first
			for id, n := range s.sent() {
				assert.LessOrEqual(t, n, 1+before[id], "sent after the lease was lost: %s", id)
			}
			s.nothingLost()
		})
	}
}

// An object that was released unfinished can be claimed at once.
func TestOnceFinishedObjectsAreNotOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		_, err := s.run(t.Context())
		require.NoError(t, err)
		opens := s.src.Opens()
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, opens, s.src.Opens(), "ask first, then open")
		assert.Equal(t, processor.StatusOK, resp.Status)
		assert.EqualValues(t, 201, resp.Skipped)
		assert.Zero(t, resp.Objects)
	})
}

// After a crash, what was sent since the last checkpoint may come again:
// MaxUnconfirmed bounds it, for a large object as for many small ones.
func TestOnceMaxUnconfirmedBoundsRepetition(t *testing.T) {
	for _, large := range []bool{false, true} {
		t.Run(fmt.Sprint("large ", large), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSceneWith(t, sink.Limits{BatchMessages: 2, BatchBytes: 20_000})
				s.cfg.Pack.TargetBytes = 10_000
				s.cfg.MaxUnconfirmed = processor.Unconfirmed{Bytes: 100_000, Interval: 100 * time.Millisecond}
				s.cfg.Senders = 2
				if large {
					s.put("large", sized(50_000, 25_000), 100)
				} else {
					for i := range sized(1000, 500) {
						s.put(fmt.Sprint("small", i), 50, 100)
					}
				}
				var mu sync.Mutex
				var sent, crashed int
				ctx, crash := context.WithCancel(t.Context())
				s.hook = func(_ context.Context, batch []sink.Message) error {
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					if crashed > 0 {
						return errAway
					}
					for _, m := range batch {
						sent += m.Records
					}
					if sent > 20_000 {
						crashed = sent
						crash()
					}
					return nil
				}
				s.claims.OnCall = func(context.Context, processortest.Call, []string) (error, bool) {
					mu.Lock()
					defer mu.Unlock()
					if crashed > 0 {
						return errAway, false // nothing gets through any more: like kill -9
					}
					return nil, false
				}
				_, _ = s.service().Run(ctx)
				s.hook, s.cfg.Claimer = nil, s.store
				time.Sleep(2 * time.Minute)
				s.drained(t.Context())
				s.nothingLost()
				again := 0
				for _, n := range s.sent() {
					again += (n - 1) * 130
				}
				// What was in flight when the recording began comes on top: the slabs
				// and batches of two workers and two senders.
				assert.Less(t, again, 100_000+6*256<<10, "bytes sent again after a crash")
				t.Log("bytes sent again:", again)
			})
		})
	}
}

// A record that is given back, because the transform says that a service is
// away, takes none along that was delivered beside it.
func TestOnceBesideInterruptedRecords(t *testing.T) {
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

// A sink that throttles until the deadline, and says so of each message, leaves
// no doubt: the next run repeats nothing.
func TestOnceThrottledAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, per := range []bool{false, true} {
			s := newSceneWith(t, sink.Limits{BatchMessages: 10})
			s.cfg.Pack.TargetBytes, s.cfg.Pack.PerObject = 200, per
			for i := range 20 {
				s.put("o"+fmt.Sprint(i), 30, 50)
			}
			s.put("large", sized(20_000, 8000), 50)
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

// A run is stopped with hundreds of messages of one object unsent, and what was
// sent lies behind them: all of that is remembered, and nothing comes twice.
func TestOnceStoppedWithManyUnsentMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSceneWith(t, sink.Limits{MessageBytes: 1000})
		s.inMemory()
		s.cfg.Pack.Mode = processor.PackSingle
		s.cfg.Senders = 2
		s.put("large", 20_000, 150)
		s.hook = func(ctx context.Context, batch []sink.Message) error {
			for _, m := range batch {
				if slices.Contains(processortest.IDs(m.Body), "large/0") {
					<-ctx.Done()
					return errAway
				}
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		require.Greater(t, len(s.sent()), 1000)
		require.Less(t, len(s.sent()), 19_000)
		assert.Less(t, len(s.claims.Progress("large")), 500, "no span for each message")
		s.hook = nil
		s.drained(t.Context())
		s.exactlyOnce()
	})
}
