package lease

import "time"

// Clock tells Unix time in nanoseconds. It starts at the wall clock and runs
// on the monotonic one, so that setting the wall clock neither ends nor
// prolongs a lease.
type Clock struct{ start time.Time }

// NewClock returns a clock that starts now.
func NewClock() Clock { return Clock{time.Now()} }

// Now returns the time.
func (c Clock) Now() int64 { return c.start.UnixNano() + int64(time.Since(c.start)) }
