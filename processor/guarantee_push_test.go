package processor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// push is an event that tells of an object, by its key alone.
func (s *scene) push(ctx context.Context, key string) (*processor.Response, error) {
	s.t.Helper()
	return s.request(ctx, &processor.Request{Object: &source.Object{Key: key, Size: -1}, Claim: true})
}

func (s *scene) request(ctx context.Context, req *processor.Request) (*processor.Response, error) {
	s.t.Helper()
	rep, err := s.service().Do(ctx, req)
	require.NotNil(s.t, rep)
	resp := rep.BaseResponse()
	assert.Equal(s.t, resp.Loaded, resp.Delivered+resp.Dropped+resp.RetryErrors+resp.CorruptionErrors+resp.FailedErrors)
	if err != nil {
		require.ErrorIs(s.t, err, processor.ErrUnread)
	}
	s.age()
	return resp, err
}

// pushed delivers an event until it is settled, as a queue does.
func (s *scene) pushed(key string) {
	s.t.Helper()
	for range 200 {
		if _, err := s.push(s.t.Context(), key); err == nil {
			return
		}
		time.Sleep(10 * time.Second)
	}
	s.t.Errorf("%s is not settled after 200 deliveries", key)
}

// free checks that nobody holds a claim any more.
func (s *scene) free() {
	s.t.Helper()
	n, err := s.store.Count(s.t.Context())
	require.NoError(s.t, err)
	assert.Zero(s.t, n.Processing)
}

// An event and a listing that tell of the same object have it done once, whichever
// comes first, and so does an event that comes again.
func TestPushSharesASourceWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 10)
		s.put("b", 10, 10)
		resp, err := s.push(t.Context(), "a")
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 1, 10}, []int64{resp.Objects, resp.Finished, resp.Delivered})
		resp, err = s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 1, 10}, []int64{resp.Skipped, resp.Finished, resp.Delivered})
		opens := s.src.Opens()
		for _, key := range []string{"a", "b"} {
			resp, err = s.push(t.Context(), key)
			require.NoError(t, err, "it is settled")
			assert.Equal(t, processor.StatusOK, resp.Status)
			assert.Equal(t, []int64{1, 0, 0}, []int64{resp.Skipped, resp.Objects, resp.Loaded})
		}
		assert.Equal(t, opens, s.src.Opens(), "what is done is not opened")
		s.exactlyOnce()
	})
}

// What another worker holds is not touched, and the event comes again.
func TestPushOfAnObjectThatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 10)
		_, err := s.store.Claim(t.Context(), "other", "n", []string{"a"}, time.Minute)
		require.NoError(t, err)
		resp, err := s.push(t.Context(), "a")
		require.ErrorIs(t, err, processor.ErrHeld)
		assert.Equal(t, processor.StatusOK, resp.Status, "nothing failed")
		assert.Equal(t, []int64{1, 0, 0}, []int64{resp.Held, resp.Objects, resp.Loaded})
		assert.Zero(t, s.src.Opens())
		time.Sleep(time.Minute) // it died
		_, err = s.push(t.Context(), "a")
		require.NoError(t, err)
		s.exactlyOnce()
	})
}

// Deadlines strike anywhere, and each time another call goes on, by an event or by a
// listing: it returns in time, holds nothing then, and repeats nothing.
func TestPushDeadlineRandom(t *testing.T) {
	deadlines := 1000
	if testtool.Brief() {
		deadlines = 50
	}
	for seed, n := uint64(0), 0; n < deadlines && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { n += pushInSteps(t, seed) })
	}
}

// pushInSteps works off an object with random deadlines, and returns how many there
// were.
func pushInSteps(t *testing.T, seed uint64) (calls int) {
	r := rand.New(rand.NewPCG(seed, 19))
	s := newSceneWith(t, sink.Limits{BatchMessages: 10})
	s.inMemory()
	s.cfg.Pack.TargetBytes = 500 + r.IntN(5000)
	s.cfg.Pack.PerObject = r.IntN(2) == 0
	s.cfg.Concurrency = 1 + r.IntN(4)
	s.cfg.Transform = slowly(time.Duration(1+r.IntN(200)) * time.Millisecond)
	s.put("a", 1+r.IntN(500), 1200)
	for settled := false; !settled; calls++ {
		require.Less(t, calls, 500, "no progress")
		d := time.Duration(1 + r.Int64N(8_000_000_000))
		ctx, cancel := context.WithTimeout(t.Context(), d)
		began := time.Now()
		if r.IntN(2) == 0 {
			resp, err := s.push(ctx, "a")
			require.NotErrorIs(t, err, processor.ErrHeld, "seed %d: it was given back at once", seed)
			require.Equal(t, err != nil, resp.Status == processor.StatusStopped, "seed %d: %v", seed, err)
			require.Zero(t, resp.Abandoned+resp.Lost+resp.RetryErrors)
			settled = err == nil
		} else {
			resp, err := s.run(ctx)
			require.NoError(t, err)
			settled = resp.Status == processor.StatusOK
		}
		cancel()
		require.Less(t, time.Since(began), d, "seed %d", seed)
		s.free()
	}
	s.exactlyOnce()
	if t.Failed() {
		t.Log("seed", seed)
	}
	return calls
}

// What one call has settled of an object another one does not repeat: be it begun by
// an event and continued by a listing or the other way round.
func TestPushProgressIsThatOfRun(t *testing.T) {
	for _, pushFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.put("a", 400, 1500)
			s.cfg.Transform = slowly(100 * time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			call := func(ctx context.Context, push bool) (*processor.Response, error) {
				if push {
					return s.push(ctx, "a")
				}
				return s.run(ctx)
			}
			first, err := call(ctx, pushFirst)
			assert.Equal(t, pushFirst, errors.Is(err, processor.ErrUnread), "an event has to come again")
			assert.Equal(t, processor.StatusStopped, first.Status)
			assert.EqualValues(t, 1, first.Released)
			assert.Positive(t, first.Delivered)
			assert.NotEmpty(t, s.claims.Progress("a"))
			second, err := call(t.Context(), !pushFirst)
			require.NoError(t, err)
			assert.EqualValues(t, 400, first.Delivered+second.Delivered)
			assert.Equal(t, 1, s.claims.Attempts("a"), "a deadline is no failure")
			s.exactlyOnce()
		})
	}
}

// Events and listings race over one source: each record is sent once.
func TestPushRacesWithRun(t *testing.T) {
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 20))
			s := newSceneWith(t, sink.Limits{BatchMessages: 10})
			s.cfg.Pack.TargetBytes = 5000
			s.cfg.Transform = slowly(5 * time.Millisecond)
			var wg sync.WaitGroup
			var finished atomic.Int64
			const objects = 20
			for i := range objects {
				key := fmt.Sprint("in/", i)
				s.put(key, 1+r.IntN(20)*r.IntN(20), 2000)
				wait := time.Duration(r.Int64N(int64(3 * time.Second)))
				for range 1 + r.IntN(2) { // S3 may tell of an object twice
					wg.Go(func() {
						time.Sleep(wait)
						for {
							rep, err := s.service().Do(t.Context(), &processor.Request{Object: &source.Object{Key: key, Size: -1}, Claim: true})
							finished.Add(rep.BaseResponse().Finished)
							if err == nil {
								return
							}
							assert.ErrorIs(t, err, processor.ErrHeld)
							time.Sleep(time.Second)
						}
					})
				}
			}
			for range 2 {
				wait := time.Duration(r.Int64N(int64(2 * time.Second)))
				wg.Go(func() {
					time.Sleep(wait)
					rep, err := s.service().Run(t.Context())
					assert.NoError(t, err)
					finished.Add(rep.BaseResponse().Finished)
				})
			}
			wg.Wait()
			assert.EqualValues(t, objects, finished.Load())
			s.exactlyOnce()
			s.free()
		})
	}
}

// A worker that dies, at whichever call to the claim store, leaves its object to its
// lease: the event comes again until that has run out, and nothing is lost.
func TestPushOfAWorkerThatDies(t *testing.T) {
	for _, dead := range []int64{0, 1, 2, 4, 6} {
		synctest.Test(t, func(t *testing.T) {
			s := newSceneWith(t, sink.Limits{BatchMessages: 2})
			s.cfg.Pack.TargetBytes = 20_000
			s.cfg.Transform = slowly(5 * time.Millisecond)
			s.put("a", 300, 2000)
			var calls atomic.Int64
			s.claims.OnCall = func(context.Context, processortest.Call, []string) (error, bool) {
				if calls.Add(1) > dead {
					return errAway, false
				}
				return nil, false
			}
			s.hook = func(context.Context, []sink.Message) error {
				if calls.Load() > dead {
					return errAway
				}
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := s.push(ctx, "a")
			died := calls.Load() > dead
			assert.Equal(t, died, err != nil)
			s.claims.OnCall, s.hook = nil, nil
			if died && dead > 0 {
				_, err := s.push(t.Context(), "a")
				require.ErrorIs(t, err, processor.ErrHeld, "its lease runs on")
			}
			s.pushed("a")
			s.nothingLost()
			if !died {
				s.exactlyOnce()
			}
			s.free()
		})
	}
}

// Answers of the claim store that are lost lose and repeat nothing, and cost no
// attempt.
func TestPushLostAnswers(t *testing.T) {
	for _, call := range []processortest.Call{processortest.CallClaim, processortest.CallExtend, processortest.CallComplete, processortest.CallRelease} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.put("a", 300, 2000)
			s.cfg.Transform = slowly(100 * time.Millisecond)
			var lost atomic.Int64
			s.claims.OnCall = func(_ context.Context, c processortest.Call, _ []string) (error, bool) {
				if c == call && lost.Add(1) <= 2 {
					return errAway, true
				}
				return nil, false
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := s.push(ctx, "a")
			require.Error(t, err)
			require.NotErrorIs(t, err, processor.ErrHeld)
			s.pushed("a")
			assert.Positive(t, lost.Load(), call)
			assert.Equal(t, 1, s.claims.Attempts("a"), call)
			s.exactlyOnce()
		})
	}
}

// A claim store that is away holds the event up, and costs nothing.
func TestPushWhileTheClaimStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 10)
		back := time.Now().Add(time.Minute)
		s.claims.OnCall = func(context.Context, processortest.Call, []string) (error, bool) {
			if time.Now().Before(back) {
				return errAway, false
			}
			return nil, false
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := s.push(ctx, "a")
		require.ErrorIs(t, err, processor.ErrUnread)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.Zero(t, resp.Loaded)
		resp, err = s.push(t.Context(), "a")
		require.NoError(t, err)
		assert.EqualValues(t, 1, resp.Finished)
		assert.Equal(t, 1, s.claims.Attempts("a"))
		s.exactlyOnce()
	})
}

// A lease that is lost in the middle: nothing more is sent under it, and the event
// comes again, because nobody knows what becomes of the other holder.
func TestPushLosesItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 100, 50)
		var stalled, back atomic.Bool
		s.claims.OnCall = func(_ context.Context, call processortest.Call, _ []string) (error, bool) {
			if call != processortest.CallClaim && !back.Load() {
				return errAway, false
			}
			return nil, false
		}
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if rec.Offset > 2000 && stalled.CompareAndSwap(false, true) {
				time.Sleep(10 * time.Minute)
				results, err := s.store.Claim(context.Background(), "other", "n", []string{"a"}, time.Hour)
				assert.NoError(t, err)
				assert.Equal(t, claim.Granted, results[0].Status)
				back.Store(true)
			}
			out.Emit(rec.Data)
			return nil
		})
		s.cfg.Concurrency = 1
		resp, err := s.push(t.Context(), "a")
		require.ErrorIs(t, err, claim.ErrLost)
		assert.EqualValues(t, 1, resp.Lost)
		assert.Empty(t, s.sent())
	})
}

// What is gone cannot be settled by anybody, with a claim or without.
func TestPushOfAnObjectThatIsGone(t *testing.T) {
	for _, claims := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			resp, err := s.request(t.Context(), &processor.Request{Object: &source.Object{Key: "gone", Size: -1}, Claim: claims})
			require.NoError(t, err)
			assert.Equal(t, processor.StatusOK, resp.Status)
			assert.Empty(t, resp.Errors)
			assert.Equal(t, []int64{1, 1, 0, 0}, []int64{resp.Objects, resp.Vanished, resp.Finished, resp.Loaded})
			s.free()
			assert.Empty(t, s.envelopes("retry"))

			s.put("gone", 1, 1) // it comes back
			time.Sleep(time.Minute)
			resp, err = s.request(t.Context(), &processor.Request{Object: &source.Object{Key: "gone", Size: -1}, Claim: claims})
			require.NoError(t, err)
			assert.EqualValues(t, 1, resp.Finished)
		})
	}
}

// An object that is not the one the event tells of is not settled; whoever sent the
// event can ask for what it is now, at once.
func TestPushOfAnObjectThatWasReplaced(t *testing.T) {
	for _, claims := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.put("a", 10, 10)
			for _, o := range []source.Object{{Key: "a", Version: "other", Size: -1}, {Key: "a", Size: -1}} {
				resp, err := s.request(t.Context(), &processor.Request{Object: &o, Claim: claims})
				if o.Version == "" {
					require.NoError(t, err)
					assert.EqualValues(t, 1, resp.Finished)
					continue
				}
				require.ErrorIs(t, err, source.ErrChanged)
				assert.NotEmpty(t, resp.Errors)
				assert.Equal(t, []int64{0, 0, 0}, []int64{resp.Finished, resp.Vanished, resp.Loaded})
			}
			s.exactlyOnce()
		})
	}
}

// An object that cannot be read fails by itself: after so many attempts a ticket in
// the failed destination settles it.
func TestPushOfAnObjectThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 100)
		s.src.OnOpen = brokenObject("a")
		s.cfg.MaxRetries = 2
		resp, err := s.push(t.Context(), "a")
		require.ErrorContains(t, err, "input/output error")
		assert.NotEmpty(t, resp.Errors)
		_, err = s.push(t.Context(), "a")
		require.ErrorIs(t, err, processor.ErrHeld, "not before its next try")
		s.pushed("a")
		assert.Equal(t, 3, s.claims.Attempts("a"))
		assert.Len(t, s.envelopes("failed"), 1)
	})
}

// Without Pre nothing is claimed, and without Post nothing is completed.
func TestPushWithPreAndPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 10)
		stages := &pushStages{}
		s.cfg.Processor, s.cfg.Sink = stages, nil
		stages.pre = errAway
		_, err := s.push(t.Context(), "a")
		require.ErrorIs(t, err, errAway)
		assert.Zero(t, s.claims.Attempts("a"))
		stages.pre, stages.post = nil, errAway
		resp, err := s.push(t.Context(), "a")
		require.ErrorIs(t, err, errAway)
		assert.EqualValues(t, 10, resp.Returned)
		assert.Empty(t, s.claims.Progress("a"))
		assert.Empty(t, s.envelopes("retry"), "it can be read again")
		stages.post = nil
		s.pushed("a")
		assert.EqualValues(t, 20, stages.processed.Load())
	})
}

type pushStages struct {
	pre, post error
	processed atomic.Int64
}

func (p *pushStages) Process(context.Context, []byte, processor.Reporter) error {
	p.processed.Add(1)
	return nil
}

func (p *pushStages) Pre(ctx context.Context, _ processor.Reporter) (context.Context, error) {
	return ctx, p.pre
}
func (p *pushStages) Post(context.Context, processor.Reporter) error { return p.post }

func TestPushMistakes(t *testing.T) {
	s := newDoneScene(t, nil, func(context.Context, string) error { return nil })
	s.cfg.OnDone = processor.OnDoneDelete
	svc, err := processor.New(s.cfg)
	require.NoError(t, err)
	_, err = svc.Do(t.Context(), &processor.Request{Object: &source.Object{Key: "a"}, Claim: true})
	require.ErrorContains(t, err, "Config.OnDone")
	_, err = svc.Do(t.Context(), &processor.Request{Claim: true})
	require.ErrorContains(t, err, "Request.Claim: needs an Object")
}
