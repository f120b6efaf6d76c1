package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	"github.com/unspool-go/unspool/sink"
)

// The tests of this file are named after what was seen to go wrong in the service
// that this module is modelled on, as those of package processor are.

// staged is a processor with Pre and Post.
type staged struct {
	processor.Processor
	pre, post error
}

func (s staged) Pre(ctx context.Context, _ processor.Reporter) (context.Context, error) {
	return ctx, s.pre
}
func (s staged) Post(context.Context, processor.Reporter) error { return s.post }

// Pre or Post failed, nothing was in retry, and the message was acknowledged.
func TestDefect04AMessageIsNotAcknowledgedUnlessItsRecordsAreSomewhere(t *testing.T) {
	lines := []string{"a", "b", "c"}
	for name, stage := range map[string]staged{"Pre": {pre: errors.New("no")}, "Post": {post: errors.New("no")}} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			stage.Processor = s.cfg.Processor
			s.cfg.Processor = stage
			out, err := invoke(t, s.messages().Handle, batch(strings.Join(lines, "\n")))
			require.NoError(t, err)
			assert.JSONEq(t, `{"batchItemFailures":[]}`, out)
			assert.Equal(t, lines, s.kept("retry"), "acknowledged, as it is in retry")
			assert.Equal(t, processor.StatusError, s.report.Status)
			assert.NotEmpty(t, s.report.Errors)
		})
		t.Run(name+", and retry cannot be written", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				stage.Processor = s.cfg.Processor
				s.cfg.Processor, s.cfg.RetryURL = stage, "/dev/null/retry"
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := s.messages().Handle(ctx, batch(strings.Join(lines, "\n")))
				require.ErrorIs(t, err, processor.ErrUnread, "not acknowledged")
			})
		})
	}
}

// mute is a sink that cannot say what it takes.
type mute struct{ sink.Sink }

func (mute) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{}, fault.Fatal(errors.New("the queue does not exist"))
}

// A call that fails before it looks at its input has settled nothing of it.
func TestDefect04AMessageIsNotAcknowledgedThatNobodyLookedAt(t *testing.T) {
	s := newScene(t)
	s.cfg.Processor, s.cfg.Sink = nil, mute{}
	_, err := invoke(t, s.messages().Handle, batch(`{"a":1}`))
	require.ErrorContains(t, err, "the queue does not exist")
}

// The rows of an event that came twice were fused into one line, or overwritten.
func TestDefect13AnEventThatComesTwiceDoesNotDamageWhatIsInRetry(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "1\n2\n")
	s.process(func(context.Context, string) error { return errors.New("not now") })
	h := s.objects()
	for range 2 {
		_, err := invoke(t, h.Handle, json.RawMessage(created("in/a", "in/a")))
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"1", "1", "2", "2"}, s.kept("retry"), "each time once, and whole")
	_, err := invoke(t, h.Handle, batch(created("in/a"), created("in/a")))
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "1", "1", "2", "2", "2"}, s.kept("retry"))
}

// Margins were taken from nine minutes: with a deadline of ten seconds nothing was
// processed. Here much is, and each record is in one place.
func TestDefect07MessagesShareOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.process(func(ctx context.Context, _ string) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		var bodies []string
		for i := range 20 {
			bodies = append(bodies, fmt.Sprintf("%02d a\n%02d b\n%02d c", i, i, i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		answer, err := s.messages().Handle(ctx, batch(bodies...))
		require.NoError(t, err)
		assert.Less(t, time.Since(began), 10*time.Second)
		assert.GreaterOrEqual(t, len(s.processed()), 4*8, "four at once, a second each")
		assert.Equal(t, processor.StatusStopped, s.report.Status)
		assert.NotEmpty(t, answer.Again())
		inOnePlace(t, s, bodies, answer.Again(), func(string) bool { return false })
	})
}

// inOnePlace checks that each line of each message was processed, or is in retry,
// or in a message that comes again, and only in one of these, but for what may be
// repeated.
func inOnePlace(t *testing.T, s *scene, bodies, again []string, repeated func(line string) bool) {
	t.Helper()
	places := map[string]int{}
	for _, line := range slices.Concat(s.processed(), s.kept("retry"), s.kept("failed")) {
		places[line]++
	}
	lines := 0
	for i, body := range bodies {
		for line := range strings.SplitSeq(body, "\n") {
			lines++
			if slices.Contains(again, fmt.Sprint("m", i)) {
				places[line]++
			}
			if n := places[line]; n != 1 && (n != 2 || !repeated(line)) {
				t.Errorf("line %s is in %d places", line, n)
			}
		}
	}
	require.Len(t, places, lines)
}

// With any deadline and records that take any time, one in ten of which honours no
// context for a while: the answer leaves in time, and every record is in one place.
// Only one that goes on after its context ended may be in retry and processed as
// well: Do does not wait for it.
func TestEveryRecordIsInOnePlaceWithAnyDeadline(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			s := newScene(t)
			s.cfg.Concurrency = 1 + rng.IntN(3)
			var n atomic.Uint64
			var late sync.Map
			s.process(func(ctx context.Context, line string) error {
				own := rand.New(rand.NewPCG(seed, n.Add(1)))
				takes := time.Duration(own.IntN(2000)) * time.Millisecond
				wait := ctx.Done()
				if own.IntN(10) == 0 {
					wait = nil
				}
				select {
				case <-time.After(takes):
					if ctx.Err() != nil {
						late.Store(line, true)
					}
					return nil
				case <-wait:
					return ctx.Err()
				}
			})
			var bodies []string
			for i := range 1 + rng.IntN(12) {
				var lines []string
				for j := range 1 + rng.IntN(6) {
					lines = append(lines, fmt.Sprint(i, "-", j))
				}
				bodies = append(bodies, strings.Join(lines, "\n"))
			}
			limit := time.Duration(100+rng.IntN(15_000)) * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			h, began := s.messages(), time.Now()
			answer, err := h.Handle(ctx, batch(bodies...))
			require.Less(t, time.Since(began), limit, "seed %d", seed)
			again := answer.Again()
			if err != nil {
				require.ErrorContains(t, err, "none of")
				for i := range bodies {
					again = append(again, fmt.Sprint("m", i))
				}
			}
			inOnePlace(t, s, bodies, again, func(line string) bool { _, ok := late.Load(line); return ok })
			time.Sleep(time.Minute) // for what was abandoned to end
		})
	}
}
