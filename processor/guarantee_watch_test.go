package processor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// teller is a source that tells what appears in it.
type teller struct {
	source.Source
	mu     sync.Mutex
	fresh  []string
	wake   chan struct{}
	full   int   // listings of everything
	err    error // of the next Watch
	closed atomic.Bool
}

func newTeller(src source.Source) *teller { return &teller{Source: src, wake: make(chan struct{}, 1)} }

// appeared tells of objects.
func (s *teller) appeared(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = append(s.fresh, keys...)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *teller) listings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

func (s *teller) Watch(context.Context) (source.Changes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return &tellerChanges{teller: s}, err
}

type tellerChanges struct {
	*teller
	listed bool
}

func (c *tellerChanges) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.fresh
	c.fresh = nil
	if !c.listed || all {
		c.full++
		c.listed = true
		return c.Source.Objects(ctx)
	}
	return func(yield func(source.Object, error) bool) {
		for i, key := range fresh {
			if !yield(source.Object{Key: key, Size: -1}, nil) {
				c.appeared(fresh[i:]...)
				return
			}
		}
	}
}

func (c *tellerChanges) Wait(ctx context.Context, most time.Duration) {
	select {
	case <-c.wake:
	case <-time.After(most):
	case <-ctx.Done():
	}
}

func (c *tellerChanges) Close() error {
	c.closed.Store(true)
	return nil
}

// watch runs a Watch for an hour, with steps on the way.
func (s *scene) watch(steps map[time.Duration]func()) *processor.Response {
	s.t.Helper()
	began := time.Now()
	var stepping sync.WaitGroup
	stepping.Go(func() { // one after the other: they share the scene
		for _, at := range slices.Sorted(maps.Keys(steps)) {
			time.Sleep(at - time.Since(began))
			steps[at]()
		}
	})
	defer stepping.Wait()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Hour)
	defer cancel()
	rep, err := s.service().Watch(ctx)
	require.NoError(s.t, err)
	return rep.BaseResponse()
}

// watchedBothWays runs a test with a source that tells what appears, and one that is
// polled.
func watchedBothWays(t *testing.T, test func(t *testing.T, s *scene, put func(key string))) {
	t.Run("told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			src := newTeller(s.src)
			s.cfg.Source = src
			test(t, s, func(key string) { s.put(key, 5, 10); src.appeared(key) })
			assert.True(t, src.closed.Load())
		})
	})
	t.Run("polled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			test(t, s, func(key string) { s.put(key, 5, 10) })
		})
	})
}

// What is there and what appears is processed once, and claimed for once, but
// for the rescans.
func TestWatchTakesWhatAppears(t *testing.T) {
	watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
		s.put("first", 5, 10)
		s.cfg.RescanInterval = 25 * time.Minute // twice in an hour
		var claimed atomic.Int64
		s.claims.OnCall = func(_ context.Context, call processortest.Call, keys []string) (error, bool) {
			if call == processortest.CallClaim {
				claimed.Add(int64(len(keys)))
			}
			return nil, false
		}
		resp := s.watch(map[time.Duration]func(){
			time.Minute:                    func() { put("a") },
			2 * time.Minute:                func() { put("b"); put("c") },
			20 * time.Minute:               func() { put("d") },
			59*time.Minute + 1*time.Second: func() { put("e") },
		})
		s.exactlyOnce()
		assert.Equal(t, processor.StatusOK, resp.Status)
		assert.EqualValues(t, 6, resp.Finished)
		assert.EqualValues(t, 6+5+5, claimed.Load(), "each as it appears, and all but the last at two rescans")
	})
}

// What another worker holds is tried again, without a listing of everything.
func TestWatchComesBackToWhatOthersHeld(t *testing.T) {
	watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
		s.cfg.RescanInterval = 2 * time.Hour
		var delivered atomic.Int64
		s.hook = func(context.Context, []sink.Message) error { delivered.Add(1); return nil }
		s.put("b", 5, 10)
		other, err := s.store.Claim(t.Context(), "other", "nonce", []string{"a", "b"}, time.Hour)
		require.NoError(t, err)
		s.watch(map[time.Duration]func(){
			time.Minute:      func() { put("a") },
			10 * time.Minute: func() { assert.Zero(t, delivered.Load()) },
			20 * time.Minute: func() {
				assert.NoError(t, s.store.Release(t.Context(), []claim.Return{{Lease: other[0].Lease}, {Lease: other[1].Lease}}))
			},
			20*time.Minute + 10*time.Second: func() { assert.NotZero(t, delivered.Load()) },
		})
		s.exactlyOnce()
	})
}

// However many objects are looked at again, and whenever, a source that tells
// nothing is listed at the interval that is set, and what is due at about the same
// time is asked for together.
func TestWatchListsAtItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.ClaimBlock, s.cfg.PollInterval = 16, 10*time.Second
		const files = 300
		var keys []string
		steps := map[time.Duration]func(){}
		for i := range files {
			keys = append(keys, fmt.Sprintf("f%03d", i))
			steps[time.Minute+time.Duration(i)*7*time.Millisecond] = func() { s.put(keys[i], 1, 1) }
		}
		held, err := s.store.Claim(t.Context(), "other", "nonce", keys, time.Hour)
		require.NoError(t, err)
		steps[30*time.Minute] = func() {
			for _, h := range held {
				assert.NoError(t, s.store.Release(t.Context(), []claim.Return{{Lease: h.Lease}}))
			}
		}
		var listings, calls, asked atomic.Int64
		s.src.OnList = func(_ context.Context, i int) error {
			if i == 0 {
				listings.Add(1)
			}
			return nil
		}
		s.claims.OnCall = func(_ context.Context, call processortest.Call, keys []string) (error, bool) {
			if call == processortest.CallClaim {
				calls.Add(1)
				asked.Add(int64(len(keys)))
				time.Sleep(20 * time.Millisecond)
			}
			return nil, false
		}
		s.watch(steps)
		s.exactlyOnce()
		assert.LessOrEqual(t, listings.Load(), int64(360))
		assert.Greater(t, asked.Load()/calls.Load(), int64(s.cfg.ClaimBlock/2))
	})
}

// What was given back, because of whatever, is tried again.
func TestWatchComesBackToWhatItGaveBack(t *testing.T) {
	for name, fail := range map[string]processortest.ReadFault{
		"by its own fault": {Cut: errors.New("input/output error"), After: 10},
		"interrupted":      {Open: fault.Interrupted(errors.New("connection reset"))},
		"changed":          {Open: source.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
				s.cfg.RescanInterval = 2 * time.Hour
				var failed atomic.Bool
				s.src.OnOpen = func(_ context.Context, o source.Object, _ int64) processortest.ReadFault {
					if o.Key == "a" && failed.CompareAndSwap(false, true) {
						return fail
					}
					return processortest.ReadFault{}
				}
				resp := s.watch(map[time.Duration]func(){time.Minute: func() { put("a") }})
				s.exactlyOnce()
				assert.True(t, failed.Load())
				assert.EqualValues(t, 1, resp.Finished)
			})
		})
	}
}

// A claim store that is away when something appears, or does not answer for all
// of it: nothing is forgotten.
func TestWatchForgetsNothingItCouldNotClaim(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
			s.cfg.RescanInterval = 2 * time.Hour
			s.cfg.MaxOutage = time.Minute // of which a Watch takes no notice
			var away atomic.Bool
			s.claims.OnCall = func(_ context.Context, call processortest.Call, _ []string) (error, bool) {
				if call == processortest.CallClaim && away.Load() {
					return errors.New("store is away"), false
				}
				return nil, false
			}
			s.watch(map[time.Duration]func(){
				time.Minute:      func() { away.Store(true) },
				2 * time.Minute:  func() { put("a"); put("b") },
				30 * time.Minute: func() { away.Store(false) },
			})
			s.exactlyOnce()
		})
	})
	t.Run("some", func(t *testing.T) {
		watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
			s.cfg.RescanInterval = 2 * time.Hour
			throttled := &throttled{Claimer: s.store}
			s.cfg.Claimer = throttled
			s.watch(map[time.Duration]func(){
				time.Minute:     func() { throttled.next.Store(3) },
				2 * time.Minute: func() { put("a"); put("b") },
			})
			s.exactlyOnce()
			assert.Negative(t, throttled.next.Load())
		})
	})
}

// throttled is a claim store that does not answer for the last key of the next
// calls.
type throttled struct {
	claim.Claimer
	next atomic.Int32
}

func (c *throttled) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if c.next.Load() < 0 || c.next.Load() == 0 {
		return c.Claimer.Claim(ctx, owner, nonce, keys, ttl)
	}
	if c.next.Add(-1) == 0 {
		c.next.Store(-1)
	}
	last := len(keys) - 1
	results := []claim.Result{}
	if last > 0 {
		var err error
		if results, err = c.Claimer.Claim(ctx, owner, nonce, keys[:last], ttl); err != nil {
			return nil, err
		}
	}
	return append(results, claim.Result{}), &claim.BatchError{
		Failed: []claim.EntryError{{Index: last, Err: errors.New("throughput exceeded")}},
	}
}

// Listing fails in the middle, and cannot even begin: it is tried again, and
// nothing is lost.
func TestWatchSurvivesASourceThatIsAway(t *testing.T) {
	watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
		for i := range 600 {
			s.put(fmt.Sprintf("f%03d", i), 1, 1)
		}
		if src, ok := s.cfg.Source.(*teller); ok {
			src.err = errors.New("no such host")
		}
		var failures atomic.Int64
		s.src.OnList = func(_ context.Context, i int) error {
			if i == 500 && failures.Load() < 3 {
				failures.Add(1)
				return errors.New("connection reset")
			}
			return nil
		}
		s.watch(map[time.Duration]func(){time.Minute: func() { put("a") }})
		s.exactlyOnce()
		assert.EqualValues(t, 3, failures.Load())
	})
}

// What is in the retry destination is drained meanwhile.
func TestWatchDrainsTheRetryDestination(t *testing.T) {
	watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
		s.inMemory()
		var mu sync.Mutex
		var refused, sent []string
		s.hook = func(_ context.Context, batch []sink.Message) error {
			mu.Lock()
			defer mu.Unlock()
			var failed []sink.EntryError
			for i, m := range batch {
				ids := processortest.IDs(m.Body)
				if slices.Contains(ids, "a/0") && len(refused) == 0 {
					refused = ids
					failed = append(failed, sink.EntryError{Index: i, Err: errors.New("refused")})
					continue
				}
				sent = append(sent, ids...)
			}
			if failed != nil {
				return &sink.BatchError{Failed: failed}
			}
			return nil
		}
		resp := s.watch(map[time.Duration]func(){time.Minute: func() { put("a") }})
		assert.NotEmpty(t, refused)
		s.exactlyOnce()
		assert.Len(t, sent, 5)
		assert.False(t, s.retryLeft())
		assert.Equal(t, processor.StatusOK, resp.Status)
	})
}

// One slow object holds up no other.
func TestWatchIsNotHeldUpByASlowObject(t *testing.T) {
	watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
		s.put("slow", 100, 1000)
		s.src.OnOpen = func(_ context.Context, o source.Object, _ int64) processortest.ReadFault {
			if o.Key == "slow" {
				return processortest.ReadFault{Chunk: 1000, Before: func(ctx context.Context) {
					select {
					case <-time.After(10 * time.Second):
					case <-ctx.Done():
					}
				}}
			}
			return processortest.ReadFault{}
		}
		s.watch(map[time.Duration]func(){
			time.Minute:                     func() { put("a") },
			time.Minute + 10*time.Second:    func() { assert.Equal(t, 1, s.sent()["a/0"], "the slow one takes a quarter of an hour") },
			10 * time.Minute:                func() { put("b") },
			10*time.Minute + 10*time.Second: func() { assert.Equal(t, 1, s.sent()["b/4"]) },
		})
		s.exactlyOnce()
	})
}

// Where versions are claimed a source is listed though it knows that no name was
// added: a file that is written anew is not one.
func TestWatchOfVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.ClaimVersion = true
		s.cfg.RescanInterval = 2 * time.Hour
		s.cfg.Source = &relister{Source: s.src}
		s.put("a", 5, 10)
		resp := s.watch(map[time.Duration]func(){time.Minute: func() {
			s.src.Put("a", []byte(`{"id":"again"}`))
			s.loaded["again"] = true
		}})
		s.exactlyOnce()
		assert.EqualValues(t, 2, resp.Finished)
	})
}

// Where more has to be looked at again than is remembered, everything is listed.
func TestWatchListsAllWhereItCannotRemember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.RescanInterval = 2 * time.Hour
		src := newTeller(s.src)
		s.cfg.Source = src
		const n = processor.MaxAgain + 100
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprintf("k%06d", i)
			s.put(keys[i], 1, 1)
		}
		var others []claim.Return
		for block := range slices.Chunk(keys, 1000) {
			results, err := s.store.Claim(t.Context(), "other", "nonce"+block[0], block, 2*time.Hour)
			require.NoError(t, err)
			for _, r := range results {
				others = append(others, claim.Return{Lease: r.Lease})
			}
		}
		time.AfterFunc(2*time.Second, func() {
			for block := range slices.Chunk(others, 1000) {
				assert.NoError(t, s.store.Release(context.Background(), block))
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.service().Watch(ctx)
		require.NoError(t, err)
		s.exactlyOnce()
		assert.Greater(t, src.listings(), 1)
	})
}
