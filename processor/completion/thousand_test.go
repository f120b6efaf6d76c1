package completion_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
)

// What is assumed of producers and of the way that events take.
const (
	greatestGap = 20 * time.Second
	greatestLag = 15 * time.Second
)

// outcome is how a simulated set ended.
type outcome struct {
	produced int // so many arrivals in all
	calls    int
	early    int // arrivals that had happened when it completed and were not counted, or that were yet to happen
	late     int // times that late arrivals were told of
	last     completion.Completion
	over     int // lines of looks that have ended
	lines    int
}

// upTo is a random time of less than d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// simulate produces one set whose events come doubled, out of order and late, and has
// several lines of looks at it, some of which come twice.
func simulate(t *testing.T, rng *rand.Rand, p completion.Policy) outcome {
	t.Helper()
	var (
		do    agenda
		out   outcome
		store = memory.New()
		id    = completion.Set{Run: fmt.Sprint(rng.Uint64())}
	)
	late := completion.LatePolicy{Tell: func(context.Context, completion.Late) error { out.late++; return nil }}
	monitor, err := completion.NewMonitor(completion.MonitorConfig{Store: store, Late: late})
	require.NoError(t, err)
	observer, err := completion.New(completion.Config{
		Store: store, Policy: p, Late: late,
		Complete: func(_ context.Context, c completion.Completion) error {
			out.calls, out.last = out.calls+1, c
			out.early = out.produced - int(c.Count.Objects)
			return nil
		},
	})
	require.NoError(t, err)

	out.produced = 1 + rng.IntN(40)
	at := upTo(rng, time.Minute) // the first may be a while in coming
	for i := range out.produced {
		tell := func() {
			_, err := monitor.Arrive(t.Context(), id, completion.Object(fmt.Sprint(i), 0))
			require.NoError(t, err)
		}
		do.in(at+upTo(rng, greatestLag), tell)
		for range rng.IntN(3) { // again, in time or hours after
			do.in(at+upTo(rng, greatestLag)+upTo(rng, time.Hour)*time.Duration(rng.IntN(2)), tell)
		}
		at += upTo(rng, greatestGap)
	}
	var look func(st completion.State)
	look = func(st completion.State) {
		step, err := observer.Look(t.Context(), st)
		require.NoError(t, err)
		if step.Over {
			out.over++
			return
		}
		require.GreaterOrEqual(t, step.Wait, completion.MinDelay)
		do.in(step.Wait+upTo(rng, time.Second), func() { look(step.State) })
		if rng.IntN(100) == 0 && out.lines < 10 { // the message comes twice
			out.lines++
			do.in(step.Wait+upTo(rng, time.Minute), func() { look(step.State) })
		}
	}
	for range 1 + rng.IntN(3) {
		out.lines++
		do.in(upTo(rng, 2*time.Minute), func() { look(completion.State{Set: id}) })
	}
	do.run()
	return out
}

// policies are quiet for longer than the greatest gap and lag together, each in its way.
func policies(rng *rand.Rand) completion.Policy {
	p := []completion.Policy{
		{Window: 1, Delay: completion.Constant(36 * time.Second)},
		{Window: 12, Delay: completion.Constant(3 * time.Second)},
		{Window: 6, Delay: completion.Divided(12 * time.Second)},
		{Window: 10, Delay: completion.Exponential(20 * time.Second)},
		{Window: 40, Delay: func(int) time.Duration { return 0 }}, // raised to a second
	}
	return p[rng.IntN(len(p))]
}

// A thousand sets with doubled, reordered and delayed events: each completes once, and
// never while something that had happened was uncounted, or was yet to happen.
func TestThousandSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(some(1000)) {
			rng := rand.New(rand.NewPCG(seed, 7))
			p := policies(rng)
			require.Greater(t, p.Quiet(), greatestGap+greatestLag)
			out := simulate(t, rng, p)
			require.Equal(t, 1, out.calls, "seed %d: it fires once", seed)
			require.Zero(t, out.early, "seed %d: something was uncounted", seed)
			require.Zero(t, out.late, "seed %d: what comes again is not late", seed)
			require.Equal(t, out.lines, out.over, "seed %d: every line of looks ends", seed)
			require.Equal(t, completion.Complete, out.last.Outcome)
			require.Equal(t, completion.Quiet, out.last.Reason)
		}
	})
}

// The same with a window that is too short goes wrong now and then, so that the test
// above says something; and what goes wrong is told of.
func TestTooShortAWindowIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := 0
		for seed := range uint64(some(200)) {
			rng := rand.New(rand.NewPCG(seed, 8))
			out := simulate(t, rng, completion.Policy{Window: 5, Delay: completion.Constant(3 * time.Second)})
			require.Equal(t, 1, out.calls, "seed %d", seed)
			if out.early > 0 {
				wrong++
				assert.Positive(t, out.late, "seed %d", seed)
			}
		}
		assert.Greater(t, wrong, some(20))
	})
}
