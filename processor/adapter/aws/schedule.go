package aws

import (
	"context"
	"time"
)

// schedule is what an invocation does when, computed once from its deadline.
type schedule struct {
	begin  time.Time // no request begins from then on
	end    time.Time // the deadline of requests
	answer time.Time // the answer leaves, whatever is still under way
}

// maxReserve bounds the time that is kept back for the answer itself.
const maxReserve = 250 * time.Millisecond

// scheduleOf returns the schedule of an invocation that starts now. Without a
// deadline its times are zero.
func (c *Config) scheduleOf(ctx context.Context) schedule {
	deadline, ok := ctx.Deadline()
	if !ok {
		return schedule{}
	}
	left := max(0, time.Until(deadline))
	margin := c.Margin
	if margin == 0 {
		margin = min(max(left/100, time.Second), left/4)
	}
	margin = min(margin, left)
	reserve := min(margin/10, maxReserve)
	return schedule{begin: deadline.Add(-margin), end: deadline.Add(-reserve), answer: deadline.Add(-reserve / 2)}
}

// open reports whether a request may begin.
func (s schedule) open(ctx context.Context) bool {
	return ctx.Err() == nil && (s.begin.IsZero() || time.Now().Before(s.begin))
}

// context derives the context of requests.
func (s schedule) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, s.end)
}
