package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
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

// slowly passes records on, each after a while.
func slowly(d time.Duration) transform.Transform {
	return transform.Func(func(ctx context.Context, rec source.Record, out *transform.Output) error {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		out.Emit(rec.Data)
		return nil
	})
}

// Run returns before the deadline, whatever that is, gives back what is
// unfinished at once, and repeats nothing in the next run.
func TestDeadlineRandom(t *testing.T) {
	for seed := range rounds(15) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			s := newSceneWith(t, sink.Limits{BatchMessages: 10})
			s.cfg.Pack.TargetBytes = 500 + r.IntN(5000)
			s.cfg.Pack.PerObject = r.IntN(2) == 0
			s.cfg.Concurrency = 1 + r.IntN(4)
			s.cfg.Transform = slowly(time.Duration(1+r.IntN(20)) * time.Millisecond)
			for i := range 20 {
				s.put(fmt.Sprint("small", i), 20, 100)
			}
			s.put("large", sized(4000, 2000), 150)
			for range 3 {
				d := time.Duration(1 + r.Int64N(8_000_000_000))
				ctx, cancel := context.WithTimeout(t.Context(), d)
				began := time.Now()
				resp, err := s.run(ctx)
				cancel()
				require.NoError(t, err, "seed %d", seed)
				assert.Less(t, time.Since(began), d, "seed %d: Run returns before the deadline", seed)
				assert.Zero(t, resp.Abandoned)
				n, err := s.store.Count(t.Context())
				require.NoError(t, err)
				assert.Zero(t, n.Processing, "seed %d: everything is given back at once", seed)
			}
			s.drained(t.Context())
			s.exactlyOnce()
			if t.Failed() {
				t.Log("seed", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// Cancellation starts the drain: what is packed is sent, the rest given back.
func TestDeadlineCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		s.cfg.Transform = slowly(10 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		began := time.Now()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.Positive(t, resp.Delivered)
		assert.Less(t, time.Since(began), 9*time.Second)
		n, err := s.store.Count(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n.Processing)
		s.drained(t.Context())
		s.exactlyOnce()
	})
}

// A context that is over already gets nothing done and claims nothing.
func TestDeadlineAlreadyOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.Zero(t, resp.Loaded)
	})
}

// stuckTransform ignores its context for some records until released.
type stuckTransform struct {
	release chan struct{}
	stuck   func(id string) bool
	held    sync.Map // what the record data was when it got stuck
}

func (s *stuckTransform) Apply(_ context.Context, rec source.Record, out *transform.Output) error {
	if s.stuck(string(rec.Data)) {
		before := string(rec.Data)
		<-s.release
		if string(rec.Data) != before {
			s.held.Store(before, string(rec.Data))
		}
	}
	out.Emit(rec.Data)
	return nil
}

// User code that ignores its context is left behind: Run returns all the same,
// says so, never uses those buffers again, and lets those leases expire.
func TestDeadlineStuckTransform(t *testing.T) {
	for _, perObject := range []bool{false, true} {
		large := sized(4000, 2500) // records of several windows
		for _, where := range []string{`"small3/7"`, `"large/3"`, `"large/2000"`, fmt.Sprintf(`"large/%d"`, large-1)} {
			t.Run(fmt.Sprint(where, perObject), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSceneWith(t, sink.Limits{BatchMessages: 10})
					s.cfg.Pack.TargetBytes, s.cfg.Pack.PerObject = 1000, perObject
					s.put("large", large, 150)
					for i := range 20 {
						s.put(fmt.Sprint("small", i), 20, 100)
					}
					stuck := &stuckTransform{release: make(chan struct{}), stuck: func(d string) bool { return strings.Contains(d, where) }}
					s.cfg.Transform = stuck
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					began := time.Now()
					resp, err := s.run(ctx)
					require.NoError(t, err)
					assert.Less(t, time.Since(began), 10*time.Second)
					assert.Equal(t, processor.StatusStopped, resp.Status)
					assert.EqualValues(t, 1, resp.Abandoned)
					n, err := s.store.Count(t.Context())
					require.NoError(t, err)
					assert.EqualValues(t, 1, n.Processing, "just the abandoned object's lease is left to expire")
					// Another run goes on in the same process, and does not use what the
					// stuck one holds.
					s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
						out.Emit(rec.Data)
						return nil
					})
					time.Sleep(2 * time.Minute)
					s.drained(t.Context())
					close(stuck.release)
					synctest.Wait()
					stuck.held.Range(func(_, _ any) bool {
						t.Error("the buffer of an abandoned call was used again")
						return false
					})
					object, _, _ := cutLast(strings.Trim(where, `"`))
					s.exactlyOnceBut(func(id string) bool { return strings.HasPrefix(id, object+"/") })
				})
			})
		}
	}
}

// exactlyOnceBut is exactlyOnce where the records of loose may come twice.
func (s *scene) exactlyOnceBut(loose func(id string) bool) {
	s.t.Helper()
	s.nothingLost()
	for id, n := range s.sent() {
		if n > 1 && !loose(id) {
			s.t.Errorf("%s was sent %d times", id, n)
			return
		}
	}
}

// Do leaves the rest in the retry destination, exactly.
func TestDeadlineDoLeavesTheRest(t *testing.T) {
	for _, object := range []bool{false, true} {
		for _, records := range []int{50, sized(30_000, 12_000)} {
			t.Run(fmt.Sprint(object, records), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSceneWith(t, sink.Limits{BatchMessages: 10})
					s.cfg.Pack.TargetBytes = 1000
					s.put("in/numbers.txt", records, 100)
					s.cfg.Transform = slowly(time.Second)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					began := time.Now()
					resp, err := s.do(ctx, "in/numbers.txt", object)
					require.NoError(t, err)
					assert.Less(t, time.Since(began), 10*time.Second)
					assert.Equal(t, processor.StatusStopped, resp.Status)
					assert.Positive(t, resp.Delivered)
					assert.Positive(t, resp.RetryErrors)
					assert.Positive(t, resp.LoadTimeouts)
					assert.NotEmpty(t, resp.RetryURL)
					if object && records > 100 { // but for what was read already
						assert.Less(t, len(s.envelopes("retry")), records/2, "a ticket, not a copy")
					}
					s.cfg.Transform = slowly(0)
					s.cfg.Source = s.withoutObjects()
					time.Sleep(time.Minute)
					s.drained(t.Context())
					s.exactlyOnce()
				})
			})
		}
	}
}

// The deadline strikes while the body of an object is read, with records in the
// window that nobody has worked on: a ticket stands for all of the rest, and the
// call is settled, so that nothing comes twice.
func TestDeadlineDoWhileReading(t *testing.T) {
	for _, format := range []source.Format{source.FormatAuto, source.FormatLines} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.cfg.Split.Format = format
			s.put("in/numbers.txt", 2000, 100)
			s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
				reads := 0
				return processortest.ReadFault{Chunk: 50_000, Before: func(ctx context.Context) {
					if reads++; reads == 3 {
						<-ctx.Done()
					}
				}}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			resp, err := s.do(ctx, "in/numbers.txt", true)
			require.NoError(t, err)
			assert.Equal(t, processor.StatusStopped, resp.Status)
			assert.Len(t, s.envelopes("retry"), 1)
			s.src.OnOpen = nil
			s.cfg.Source = s.withoutObjects()
			time.Sleep(time.Minute)
			s.drained(t.Context())
			s.exactlyOnce()
		})
	}
}

// The deadline strikes in the middle of a corrupt record that is longer than any
// window: the rest comes again in one way, not in two.
func TestDeadlineDoWhileReadingACorruptRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.Split.MaxRecordBytes = 50_000
		s.src.Put("a.json", []byte(`{"id":"first"}`+"\n"+`{"id":"`+strings.Repeat("x", 3<<20)+`"}`+"\n"+`{"id":"last"}`+"\n"))
		s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
			reads := 0
			return processortest.ReadFault{Chunk: 200_000, Before: func(ctx context.Context) {
				if reads++; reads == 9 {
					<-ctx.Done()
				}
			}}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := s.do(ctx, "a.json", true)
		require.NoError(t, err)
		assert.EqualValues(t, 1, resp.Delivered)
		assert.Len(t, s.envelopes("retry"), 1)
		s.src.OnOpen = nil
		s.cfg.Source = s.withoutObjects()
		time.Sleep(time.Minute)
		s.drained(t.Context())
		assert.Equal(t, map[string]int{"first": 1, "last": 1}, s.sent())
		bytes := 0
		for _, e := range s.envelopes("corrupt") { // in pieces, as of a ticket
			bytes += len(e.Data)
		}
		assert.Equal(t, 3<<20+len(`{"id":""}`), bytes)
	})
}

// A call that could not begin has settled nothing, and says so.
func TestDoThatCannotBeginIsNotSettled(t *testing.T) {
	s := newScene(t)
	s.cfg.Sink = deafSink{}
	_, err := s.service().Do(t.Context(), processor.NewRequest(strings.NewReader(`{"id":1}`), nil, "a.json"))
	require.ErrorIs(t, err, processor.ErrUnread)
	require.ErrorIs(t, err, errDeaf)
}

var errDeaf = errors.New("no such queue")

// deafSink cannot even tell its limits.
type deafSink struct{}

func (deafSink) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{}, fault.Fatal(errDeaf)
}

func (deafSink) Send(context.Context, []sink.Message) error { return fault.Fatal(errDeaf) }

// do pushes an object, as itself or as a stream.
func (s *scene) do(ctx context.Context, key string, object bool) (*processor.Response, error) {
	s.t.Helper()
	for o, err := range s.src.Objects(ctx) {
		require.NoError(s.t, err)
		if o.Key != key {
			continue
		}
		req := &processor.Request{Object: &o}
		if !object {
			body, _, err := s.src.Open(context.WithoutCancel(ctx), o, 0, -1)
			require.NoError(s.t, err)
			req = processor.NewRequest(body, body, "s3://bucket/"+key)
		}
		rep, err := s.service().Do(ctx, req)
		require.NotNil(s.t, rep)
		s.age()
		return rep.BaseResponse(), err
	}
	s.t.Fatalf("no object %s", key)
	return nil, nil
}

// withoutObjects is the source with a listing that is empty: only what is in
// the retry destination is worked on.
func (s *scene) withoutObjects() source.Source { return unlisted{s.src} }

type unlisted struct{ source.Source }

func (unlisted) Objects(context.Context) iter.Seq2[source.Object, error] {
	return func(func(source.Object, error) bool) {}
}

// A Do whose input hangs, or whose user code does, returns as well, and says
// what it could not settle.
func TestDeadlineDoStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		release := make(chan struct{})
		in := io.MultiReader(strings.NewReader(`{"id":"a"}`+"\n"), readFunc(func([]byte) (int, error) { <-release; return 0, io.EOF }))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		rep, err := s.service().Do(ctx, processor.NewRequest(in, nil, "a.txt"))
		assert.Less(t, time.Since(began), 10*time.Second)
		require.ErrorIs(t, err, processor.ErrUnread)
		assert.EqualValues(t, 1, rep.BaseResponse().Abandoned)
		close(release)
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestDeadlineDoStuckTransform(t *testing.T) {
	for _, records := range []int{30, sized(5000, 3000)} {
		for _, at := range []string{"/0\"", "/17\"", fmt.Sprintf("/%d\"", records-1)} {
			t.Run(fmt.Sprint(records, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSceneWith(t, sink.Limits{BatchMessages: 10})
					s.cfg.Pack.TargetBytes = 1000
					s.put("in/numbers.txt", records, 100)
					stuck := &stuckTransform{release: make(chan struct{}), stuck: func(d string) bool { return strings.Contains(d, at) }}
					s.cfg.Transform = stuck
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					began := time.Now()
					resp, err := s.do(ctx, "in/numbers.txt", false)
					require.NoError(t, err)
					assert.Less(t, time.Since(began), 10*time.Second)
					assert.EqualValues(t, 1, resp.Abandoned)
					assert.Equal(t, processor.StatusStopped, resp.Status)
					assert.Positive(t, resp.RetryErrors)
					s.cfg.Transform = nil
					s.cfg.Source = s.withoutObjects()
					time.Sleep(time.Minute)
					s.drained(t.Context())
					s.exactlyOnce()
					close(stuck.release)
				})
			})
		}
	}
}

// Without a deadline of the caller's, MaxExecTime is one.
func TestDeadlineMaxExecTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		s.cfg.Transform = slowly(time.Second)
		s.cfg.MaxExecTime = 20 * time.Second
		s.cfg.DeadlineReduction = 5 * time.Second
		began := time.Now()
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Less(t, time.Since(began), 20*time.Second)
		assert.Greater(t, time.Since(began), 15*time.Second-time.Millisecond)
		assert.Equal(t, processor.StatusStopped, resp.Status)
	})
}

// Watch goes on until its context ends, and takes what comes meanwhile.
func TestDeadlineWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("first", 10, 10)
		time.AfterFunc(time.Minute, func() { s.put("second", 10, 10) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var told atomic.Int64
		s.cfg.Progress = func(r processor.Response) { told.Store(r.Delivered) }
		rep, err := s.service().Watch(ctx)
		require.NoError(t, err)
		assert.EqualValues(t, 20, rep.BaseResponse().Delivered)
		assert.EqualValues(t, 20, told.Load())
		s.exactlyOnce()
	})
}
