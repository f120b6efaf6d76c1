package storeclock

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// host is a host of a store: its clock, and how it answers.
type host struct{ ahead time.Duration }

func (h host) date() time.Time { return time.Now().Add(h.ahead).Truncate(time.Second) }

// ask is a request that takes a while there and back.
func ask(c *Clock, h host, there, back time.Duration) {
	start := c.Start()
	time.Sleep(there)
	date := h.date()
	time.Sleep(back)
	c.Observe(start, date)
}

func TestNothingIsKnownBeforeTheFirstAnswer(t *testing.T) {
	_, ok := New(time.Now).Now()
	require.False(t, ok)
}

// The store's true time is within the interval at any moment, whatever the
// delays, and though its hosts disagree by up to 200 ms.
func TestTheTimeIsWithinTheInterval(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			some := func(most time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(most))) }
			offset := some(48*time.Hour) - 24*time.Hour
			c := New(time.Now)
			for range 200 {
				ask(c, host{offset + some(200*time.Millisecond) - 100*time.Millisecond}, some(300*time.Millisecond), some(300*time.Millisecond))
				time.Sleep(some(3 * time.Second))
				now, ok := c.Now()
				require.True(t, ok)
				truth := time.Now().Add(offset).UnixMilli()
				require.LessOrEqual(t, now.Earliest, truth, "seed %d", seed)
				require.GreaterOrEqual(t, now.Latest, truth, "seed %d", seed)
				require.LessOrEqual(t, now.Latest-now.Earliest, int64(3200), "seed %d", seed)
				require.False(t, c.Behind(now), "seed %d", seed)
			}
		})
	}
}

// A server that stamps its answers from a timer, at whatever moment of a second
// and with a period that drifts, is believed no further than that.
func TestStampsFromATimer(t *testing.T) {
	for phase := time.Duration(0); phase < time.Second; phase += 90 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			c := New(time.Now)
			began := time.Now()
			const period = time.Second + 3*time.Millisecond
			for range 300 {
				passed := time.Since(began) + phase
				stamp := began.Add(passed.Truncate(period) - phase).Truncate(time.Second)
				c.Observe(c.Start(), stamp)
				now, _ := c.Now()
				truth := time.Now().UnixMilli()
				require.LessOrEqual(t, now.Earliest, truth)
				require.GreaterOrEqual(t, now.Latest, truth, "%v after the first second began, %v later", phase, passed)
				time.Sleep(170 * time.Millisecond)
			}
		})
	}
}

func TestManyAnswersKnowItBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Now)
		for range 100 {
			ask(c, host{}, time.Millisecond, time.Millisecond)
			time.Sleep(37 * time.Millisecond)
		}
		now, _ := c.Now()
		require.Less(t, now.Latest-now.Earliest, int64(1600))
	})
}

func TestAPauseIsNoticedByTheNextAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Now)
		ask(c, host{}, 0, 0)
		before, _ := c.Now()
		ask(c, host{ahead: time.Minute}, 0, 0) // as if the local clock had stood still
		require.True(t, c.Behind(before))
		now, _ := c.Now()
		require.False(t, c.Behind(now))
		require.InDelta(t, time.Now().Add(time.Minute).UnixMilli(), now.Middle(), 1000)
	})
}

// What a suspended machine sees: its monotonic clock has missed 900 ms, too
// little to contradict the answers of before, and its wall clock has not.
func TestAShortPauseIsNoticedByTheWallClock(t *testing.T) {
	for truth := time.Duration(0); truth < time.Second; truth += 50 * time.Millisecond {
		mine := instant{wall: 5 * time.Second}
		store := 100*time.Second + truth
		c := &Clock{local: func() instant { return mine }}
		answer := func() { c.Observe(c.Start(), time.Unix(0, int64(store.Truncate(time.Second)))) }
		within := func(when string) {
			t.Helper()
			now, _ := c.Now()
			require.LessOrEqual(t, now.Earliest, store.Milliseconds(), when)
			require.GreaterOrEqual(t, now.Latest, store.Milliseconds(), when)
		}
		answer()
		within("after an answer")
		mine.wall += 900 * time.Millisecond
		store += 900 * time.Millisecond
		within("after the pause")
		answer()
		within("after the next answer")
	}
}

func TestAnIntervalWidensWithItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(time.Now)
		ask(c, host{}, 0, 0)
		young, _ := c.Now()
		time.Sleep(1000 * time.Second)
		old, _ := c.Now()
		require.Equal(t, young.Latest-young.Earliest+2000, old.Latest-old.Earliest)
	})
}

func TestAfter(t *testing.T) {
	r := Reading{Earliest: 900, Latest: 1000}
	require.EqualValues(t, 1001, r.After(time.Microsecond), "rounded up")
	require.EqualValues(t, 2000, r.After(time.Second))
	require.EqualValues(t, 1000, r.After(-time.Second))
	require.EqualValues(t, 950, r.Middle())
	r.Latest = math.MaxInt64 - 5
	require.EqualValues(t, math.MaxInt64, r.After(time.Second))
}
