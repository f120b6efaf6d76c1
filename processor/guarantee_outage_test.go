package processor_test

import (
	"context"
	"errors"
	"os"
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
)

var errAway = fault.Interrupted(errors.New("service is away"))

// Outages are not failures: whatever is away for 20 seconds costs no attempts
// and writes no retry files, and everything is delivered once.
func TestOutageSinkAway(t *testing.T) {
	answers := map[string]func(batch []sink.Message) error{
		"call fails": func([]sink.Message) error { return errAway },
		"entries fail": func(batch []sink.Message) error {
			e := &sink.BatchError{}
			for i := range batch {
				e.Failed = append(e.Failed, sink.EntryError{Index: i, Err: errAway})
			}
			return e
		},
		"unclassified": func([]sink.Message) error { return errors.New("connection refused") },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := manyObjects(t)
				began := time.Now()
				s.hook = func(_ context.Context, batch []sink.Message) error {
					if since := time.Since(began); since > 50*time.Millisecond && since < 20*time.Second {
						return answer(batch)
					}
					return nil
				}
				resp, err := s.run(t.Context())
				require.NoError(t, err)
				assert.Equal(t, processor.StatusOK, resp.Status)
				s.noAttempts()
				s.exactlyOnce()
			})
		})
	}
}

// manyObjects is a scene of small objects and a large one, listed so slowly that
// an outage falls into the work.
func manyObjects(t *testing.T) *scene {
	s := newSceneWith(t, sink.Limits{BatchMessages: 10})
	s.cfg.Pack.TargetBytes = 1000
	s.cfg.ClaimBlock = 8
	for i := range 200 {
		s.put("small/"+time.Duration(i).String(), 5, 100)
	}
	s.put("large", sized(10_000, 4000), 100)
	s.src.OnList = func(context.Context, int) error { time.Sleep(time.Millisecond); return nil }
	return s
}

// noAttempts checks that nothing went to a destination and no object needed
// more than one attempt.
func (s *scene) noAttempts() {
	s.t.Helper()
	assert.Empty(s.t, s.envelopes("retry"), "an outage writes no retry files")
	assert.Empty(s.t, s.envelopes("failed"))
	for key := range s.loaded {
		key, _, _ = cutLast(key)
		if n := s.claims.Attempts(key); n > 1 {
			s.t.Fatalf("an outage costs no attempts: %s is at its attempt %d", key, n)
		}
	}
}

func cutLast(id string) (string, string, bool) {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '/' {
			return id[:i], id[i+1:], true
		}
	}
	return id, "", false
}

func TestOutageSinkAwayAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		began := time.Now()
		var away atomic.Bool
		away.Store(true)
		s.hook = func(context.Context, []sink.Message) error {
			if away.Load() && time.Since(began) > 50*time.Millisecond {
				return errAway
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.Less(t, time.Since(began), 30*time.Second)
		s.noAttempts()
		away.Store(false)
		resp, err = s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		s.noAttempts()
		s.nothingLost()
	})
}

func TestOutageClaimStoreAway(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for _, away := range []time.Duration{20 * time.Second, 5 * time.Minute} {
			t.Run(away.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := manyObjects(t)
					began := time.Now()
					s.claims.OnCall = func(context.Context, processortest.Call, []string) (error, bool) {
						if since := time.Since(began); since > 50*time.Millisecond && since < away {
							return errAway, lost
						}
						return nil, false
					}
					resp, err := s.run(t.Context())
					require.NoError(t, err)
					if resp.Status != processor.StatusOK || resp.Held > 0 {
						time.Sleep(2 * time.Minute) // grants that nobody knows of run out
						s.drained(t.Context())
					}
					assert.Empty(t, s.envelopes("retry"))
					s.exactlyOnce()
				})
			})
		}
	}
}

// An error of a claim store is no verdict on an object, whatever its class says: only one
// that is fatal ends the waiting.
func TestOutageClaimStoreIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		began := time.Now()
		s.claims.OnCall = func(context.Context, processortest.Call, []string) (error, bool) {
			if time.Since(began) < time.Second {
				return fault.Corruptf("an answer that cannot be read"), false
			}
			return nil, false
		}
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		s.exactlyOnce()
	})
}

func TestOutageDestinationAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		s.src.Put("bad", []byte("{oops}\n"))
		require.NoError(t, os.WriteFile(s.dir+"/corrupt", nil, 0o600)) // no folder can be made there
		go func() {
			time.Sleep(20 * time.Second)
			_ = os.Remove(s.dir + "/corrupt")
		}()
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		assert.EqualValues(t, 1, resp.CorruptionErrors)
		assert.Len(t, s.envelopes("corrupt"), 1)
		s.noAttempts()
		s.exactlyOnce()
	})
}

func TestOutageDestinationAwayAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		s.src.Put("bad", []byte("{oops}\n"))
		require.NoError(t, os.WriteFile(s.dir+"/corrupt", nil, 0o600))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		assert.Error(t, err, "what could not be written is an error")
		assert.Equal(t, processor.StatusError, resp.Status)
		assert.Zero(t, resp.CorruptionErrors)
		require.NoError(t, os.Remove(s.dir+"/corrupt"))
		s.drained(t.Context())
		assert.Len(t, s.envelopes("corrupt"), 1)
		s.nothingLost()
	})
}

// The source's transport fails now and then: interrupted reads cost no attempt.
func TestOutageSourceInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		var mu sync.Mutex
		opened := map[string]int{}
		s.src.OnOpen = func(_ context.Context, o source.Object, _ int64) processortest.ReadFault {
			mu.Lock()
			defer mu.Unlock()
			opened[o.Key]++
			switch n := opened[o.Key]; {
			case n == 1:
				return processortest.ReadFault{Open: errAway}
			case n < 4:
				return processortest.ReadFault{Cut: errAway, After: int64(n * 300)}
			}
			return processortest.ReadFault{}
		}
		s.drained(t.Context())
		s.noAttempts()
		s.exactlyOnce()
	})
}

func TestOutageListingFailsMidway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		var failed atomic.Bool
		s.src.OnList = func(_ context.Context, i int) error {
			if i == 100 && failed.CompareAndSwap(false, true) {
				return errAway
			}
			return nil
		}
		resp, err := s.run(t.Context())
		require.Error(t, err)
		assert.Equal(t, processor.StatusError, resp.Status)
		s.drained(t.Context())
		s.noAttempts()
		s.exactlyOnce()
	})
}

// A lost response of the sink is ambiguous: nothing is lost, and what comes
// twice is no more than what was in those calls.
func TestOutageLostResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := manyObjects(t)
		flaky := &lossy{Sink: s.out}
		s.cfg.Sink = flaky
		s.drained(t.Context())
		s.nothingLost()
		s.noAttempts()
		twice := 0
		for _, n := range s.sent() {
			twice += n - 1
		}
		assert.EqualValues(t, flaky.repeated.Load(), twice)
	})
}

// lossy loses every fifth response.
type lossy struct {
	sink.Sink
	calls, repeated atomic.Int64
}

func (l *lossy) Send(ctx context.Context, batch []sink.Message) error {
	err := l.Sink.Send(ctx, batch)
	if err == nil && l.calls.Add(1)%5 == 0 {
		for _, m := range batch {
			l.repeated.Add(int64(m.Records))
		}
		return errAway
	}
	return err
}
