package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// A record that fails is tried again, in pass after pass, and goes to the failed
// destination once its attempts are used up; every try counts one.
func TestRetryCountsToFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 3
		s.put("a", 10, 10)
		var tries atomic.Int32
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if strings.Contains(string(rec.Data), `"a/4"`) {
				tries.Add(1)
				return errors.New("no such user")
			}
			out.Emit(rec.Data)
			return nil
		})
		for i := range 3 {
			resp, err := s.run(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, 1, resp.RetryErrors, "run %d", i)
			require.Len(t, s.envelopes("retry"), 1)
			assert.Equal(t, i+1, s.envelopes("retry")[0].Attempt)
			time.Sleep(time.Hour)
		}
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Zero(t, resp.RetryErrors)
		assert.EqualValues(t, 1, resp.FailedErrors)
		assert.EqualValues(t, 4, tries.Load())
		assert.Empty(t, s.envelopes("retry"))
		failed := s.envelopes("failed")
		require.Len(t, failed, 1)
		assert.Equal(t, "a", failed[0].Object)
		assert.Equal(t, "retryable", failed[0].Class)
		assert.Contains(t, failed[0].Reason, "no such user")
		delete(s.loaded, "a/4")
		s.exactlyOnce()
		resp, err = s.run(t.Context())
		require.NoError(t, err)
		assert.Zero(t, resp.Loaded)
	})
}

// The same for outputs that the sink refuses.
func TestRetryOfRefusedMessages(t *testing.T) {
	for _, mode := range []processor.PackMode{processor.PackArray, processor.PackLines, processor.PackSingle} {
		for _, perObject := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, perObject), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSceneWith(t, sink.Limits{BatchMessages: 10})
					s.cfg.MaxRetries, s.cfg.Pack.Mode, s.cfg.Pack.PerObject = 2, mode, perObject
					s.cfg.Pack.TargetBytes = 200
					s.cfg.RecordID = "_id"
					s.put("a", 100, 10)
					s.hook = func(_ context.Context, batch []sink.Message) error {
						e := &sink.BatchError{}
						for i, m := range batch {
							if strings.Contains(string(m.Body), `"a/4"`) {
								e.Failed = append(e.Failed, sink.EntryError{Index: i, Err: errors.New("internal error")})
							}
						}
						if len(e.Failed) == 0 {
							return nil
						}
						return e
					}
					resp, err := s.run(t.Context())
					require.NoError(t, err)
					assert.Positive(t, resp.RetryErrors)
					for _, e := range s.envelopes("retry") {
						assert.Equal(t, "sink", e.Stage)
						assert.Equal(t, 1, e.Attempt)
						assert.Equal(t, 1, strings.Count(string(e.Data), `"_id"`))
					}
					time.Sleep(time.Hour)
					s.hook = nil
					s.drained(t.Context())
					s.exactlyOnce()
					for _, m := range s.out.Messages() {
						assert.Equal(t, m.Records, strings.Count(string(m.Body), `"_id"`), "an id is added once")
					}
				})
			})
		}
	}
}

// A poison message is halved until single records remain: only those go to the
// failed destination.
func TestRetryPoisonTakesNobodyAlong(t *testing.T) {
	for _, whole := range []bool{false, true} {
		for _, mode := range []processor.PackMode{processor.PackArray, processor.PackLines, processor.PackSingle} {
			t.Run(fmt.Sprint(whole, mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSceneWith(t, sink.Limits{BatchMessages: 10})
					s.cfg.Pack.Mode = mode
					s.cfg.Pack.TargetBytes = 1000
					s.put("a", 200, 10)
					poison := func(m sink.Message) bool {
						return strings.Contains(string(m.Body), `"a/44"`) || strings.Contains(string(m.Body), `"a/45"`)
					}
					s.hook = func(_ context.Context, batch []sink.Message) error {
						e := &sink.BatchError{}
						for i, m := range batch {
							if poison(m) {
								e.Failed = append(e.Failed, sink.EntryError{Index: i, Err: fault.Corrupt(errors.New("invalid contents"))})
							}
						}
						if len(e.Failed) == 0 {
							return nil
						}
						if whole {
							return fault.Corrupt(errors.New("invalid batch"))
						}
						return e
					}
					resp, err := s.run(t.Context())
					require.NoError(t, err)
					assert.EqualValues(t, 2, resp.FailedErrors)
					assert.Equal(t, []string{"a/44", "a/45"}, s.ids("failed"))
					delete(s.loaded, "a/44")
					delete(s.loaded, "a/45")
					s.exactlyOnce()
				})
			})
		}
	}
}

// An object that cannot be read by its own fault is tried again, and moved to
// the failed destination in the end; the others are not held up.
func TestRetryUnreadableObjectFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 3
		s.put("a", 10, 10)
		s.put("broken", 10, 10)
		s.put("b", 10, 10)
		s.src.OnOpen = brokenObject("broken")
		for range 10 {
			_, err := s.run(t.Context())
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		failed := s.envelopes("failed")
		require.Len(t, failed, 1)
		assert.Equal(t, "broken", failed[0].Object)
		for id := range s.loaded {
			if strings.HasPrefix(id, "broken") {
				delete(s.loaded, id)
			}
		}
		s.exactlyOnce()
	})
}

// Four workers drain one retry destination: each record of it is taken once.
func TestRetryDestinationSharedByWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 30 {
			s.put(fmt.Sprint("o", i), 10, 10)
		}
		var fail atomic.Bool
		fail.Store(true)
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if fail.Load() {
				return errors.New("not yet")
			}
			out.Emit(rec.Data)
			return nil
		})
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 300, resp.RetryErrors)
		time.Sleep(time.Minute)
		fail.Store(false)
		var wg sync.WaitGroup
		for i := range 4 {
			s.cfg.Owner = fmt.Sprint("worker ", i)
			svc := s.service()
			wg.Go(func() {
				_, err := svc.Run(t.Context())
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Empty(t, s.envelopes("retry"))
		s.exactlyOnce()
	})
}

// A part of a retry destination is recognised when it is pushed: its lines are
// envelopes, and its name holds the counter.
func TestRetryPartPushedToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 3
		s.cfg.RecordID = "_id"
		e := destination.Envelope{Object: "in/a.txt", Version: "v1", Offset: 77, Attempt: 2, Data: []byte(`{"id":"x"}`)}
		raw := `{"id":"y"}` + "\n"
		in := strings.NewReader(string(e.Append(nil)) + raw)
		rep, err := s.service().Do(t.Context(), processor.NewRequest(in, nil, "mem://host/retry/in/a-retry02.txt"))
		require.NoError(t, err)
		assert.EqualValues(t, 2, rep.BaseResponse().Delivered)
		assert.Equal(t, map[string]int{"x": 1, "y": 1}, s.sent())
		assert.Contains(t, string(s.out.Messages()[0].Body), processor.RecordID(source.Object{Key: "in/a.txt", Version: "v1"}, 77, 0))

		s.cfg.Transform = transform.Func(func(context.Context, source.Record, *transform.Output) error { return errors.New("no") })
		in = strings.NewReader(string(e.Append(nil)) + raw)
		rep, err = s.service().Do(t.Context(), processor.NewRequest(in, nil, "mem://host/retry/in/a-retry02.txt"))
		require.NoError(t, err)
		assert.EqualValues(t, 2, rep.BaseResponse().RetryErrors)
		for _, e := range s.envelopes("retry") {
			assert.Equal(t, 3, e.Attempt)
			if e.Offset == 77 {
				assert.Equal(t, "in/a.txt", e.Object)
			}
		}
		in = strings.NewReader(raw)
		rep, err = s.service().Do(t.Context(), processor.NewRequest(in, nil, "mem://host/retry/in/a-retry03.txt"))
		require.NoError(t, err)
		assert.EqualValues(t, 1, rep.BaseResponse().FailedErrors)
	})
}

// A part that was processed is not processed again though it could not be
// deleted.
func TestRetryPartFinishedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 3, 10)
		var calls atomic.Int32
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if calls.Add(1) == 1 {
				return errors.New("not yet")
			}
			out.Emit(rec.Data)
			return nil
		})
		_, err := s.run(t.Context())
		require.NoError(t, err)
		require.Len(t, s.envelopes("retry"), 1)
		time.Sleep(time.Minute)
		copyOf := s.copyRetry()
		_, err = s.run(t.Context())
		require.NoError(t, err)
		assert.Empty(t, s.envelopes("retry"))
		copyOf()
		s.age()
		time.Sleep(time.Minute)
		_, err = s.run(t.Context())
		require.NoError(t, err)
		assert.Empty(t, s.envelopes("retry"), "it is deleted then")
		s.exactlyOnce()
	})
}

// Pre fails: Do puts its whole input into the retry destination.
func TestRetryPreFailedLeavesAllOfDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("in/a.txt", 100, 10)
		s.cfg.Sink, s.cfg.Processor = nil, preFails{}
		resp, err := s.do(t.Context(), "in/a.txt", false)
		require.Error(t, err)
		assert.Equal(t, processor.StatusError, resp.Status)
		assert.EqualValues(t, 100, resp.RetryErrors)
		assert.Len(t, s.envelopes("retry"), 100)
	})
}

type preFails struct{}

func (preFails) Process(context.Context, []byte, processor.Reporter) error { return nil }
func (preFails) Pre(context.Context, processor.Reporter) (context.Context, error) {
	return nil, errors.New("no connection")
}

// A message that fails by itself goes to retry after a number of tries, even
// alone in its call, while others get through.
func TestRetryOfMessageAloneInItsCall(t *testing.T) {
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
				time.Sleep(10 * time.Millisecond) // most others get through after it failed
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

// What remains of a record that was processed in part has an identity of its
// own: a consumer that deduplicates would lose it otherwise.
func TestRetryOfRemainderHasItsOwnIdentity(t *testing.T) {
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
		assert.Equal(t, map[string]int{"first": 1, "second": 1}, s.sent())
		require.Len(t, s.out.Messages(), 2)
		first := gjson.GetBytes(s.out.Messages()[0].Body, "0._id").String()
		assert.NotEqual(t, first, gjson.GetBytes(s.out.Messages()[1].Body, "0._id").String())
	})
}

// Where Post fails, everything that was processed comes again.
func TestRetryAfterFailedPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		n := sized(20_000, 6000)
		s.put("large", n, 50)
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
		assert.EqualValues(t, n, count.Load())
		assert.EqualValues(t, n, resp.Delivered)
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
