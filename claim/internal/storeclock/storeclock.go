// Package storeclock tells the time of a claim store that has a clock but no
// way to compare with it: one that does no more than date its answers.
//
// The Date header of HTTP has a resolution of one second, and says when the
// answer was made, at some moment between request and answer; servers that stamp
// answers from a timer say what it was up to a second before. So the time of
// the store is known as an interval: each answer gives one, and all of them
// together a narrower one. A lease is written to end at its latest possible
// end, and is judged by the earliest possible time: a lease never ends early,
// whatever the clocks of workers say, and is taken over late by the width of
// both intervals, less than 6 seconds.
package storeclock

import (
	"math"
	"sync"
	"time"
)

const (
	// resolution is that of the Date header: RFC 9110, section 5.6.7.
	resolution = time.Second
	// stampAge is how old a stamp may be: many servers make a new one each second,
	// at no particular moment of it.
	stampAge = time.Second
	// slack is how far the clocks of the hosts that make up a store may be
	// apart, and how late a host may be in making a new stamp.
	slack = 250 * time.Millisecond
	// drift is how much an interval widens: 1 part in a thousand of the time
	// that passes. Clocks that are disciplined slew by half of that at most.
	drift = 1000
	// unnoticed is how far the two local clocks may move apart in between two
	// answers for nothing: it is within slack.
	unnoticed = 20 * time.Millisecond
)

// Clock estimates the time of a store. It is safe for concurrent use.
//
// In between answers it runs on the local monotonic clock. That stands still
// while a machine or a function is suspended, which shows in the local wall
// clock: the interval widens by as much as the two have moved apart.
type Clock struct {
	local func() instant

	mu    sync.Mutex
	known bool
	at    instant       // when lo and hi were last true as they are
	lo    time.Duration // what to add to the monotonic clock for the store's
	hi    time.Duration // Unix time: the least and the most
}

// instant is the time of this machine, by both its clocks.
type instant struct{ monotonic, wall time.Duration }

// New returns a clock that knows nothing yet. now is the time of this machine:
// [time.Now], but for tests.
func New(now func() time.Time) *Clock {
	zero := now()
	return &Clock{local: func() instant {
		now := now()
		return instant{now.Sub(zero), time.Duration(now.UnixNano())}
	}}
}

// Start notes that a request is about to leave.
func (c *Clock) Start() time.Duration { return c.local().monotonic }

// Observe learns from an answer that has just arrived, to a request that left
// at start, and says date. An interval that contradicts all before replaces
// them: the process was frozen, or the store's clock was set.
func (c *Clock) Observe(start time.Duration, date time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.local()
	unix := time.Duration(date.UnixNano())
	lo, hi := unix-now.monotonic-slack, unix+resolution+stampAge-start+slack
	if c.known {
		oldLo, oldHi := c.offsets(now)
		if lo <= oldHi && oldLo <= hi {
			lo, hi = max(lo, oldLo), min(hi, oldHi)
		}
	}
	c.known, c.at, c.lo, c.hi = true, now, lo, hi
}

// offsets returns lo and hi as they are now.
func (c *Clock) offsets(now instant) (lo, hi time.Duration) {
	passed := max(0, now.monotonic-c.at.monotonic)
	widen := passed/drift + max(0, (now.wall-c.at.wall-passed).Abs()-unnoticed)
	return c.lo - widen, c.hi + widen
}

// Reading is the time of a store, as well as it is known.
type Reading struct {
	// Earliest and Latest are Unix times in milliseconds.
	Earliest, Latest int64

	hi time.Duration // offset of Latest
}

// Now returns the time of the store; false before the first answer.
func (c *Clock) Now() (Reading, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return Reading{}, false
	}
	now := c.local()
	lo, hi := c.offsets(now)
	return Reading{
		Earliest: (now.monotonic + lo).Milliseconds(),
		Latest:   (now.monotonic + hi).Milliseconds() + 1,
		hi:       hi,
	}, true
}

// Behind reports whether answers since have proved that it was later than r
// said: the local clock stood still while the process was frozen. A lease
// written by r ends too early.
func (c *Clock) Behind(r Reading) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	lo, _ := c.offsets(c.local())
	return lo > r.hi
}

// After is the Unix time in milliseconds when d has certainly passed since r,
// or the last one there is.
func (r Reading) After(d time.Duration) int64 {
	ms := max(0, d) / time.Millisecond
	if d%time.Millisecond > 0 {
		ms++
	}
	if int64(ms) > math.MaxInt64-r.Latest {
		return math.MaxInt64
	}
	return r.Latest + int64(ms)
}

// Middle is the best guess of the time, for operators: Unix milliseconds.
func (r Reading) Middle() int64 { return r.Earliest + (r.Latest-r.Earliest)/2 }
