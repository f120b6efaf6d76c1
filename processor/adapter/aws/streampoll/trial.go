package streampoll

import (
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// trial is how a shard fares: how many changes its next batch has, and how often the
// first of them was tried.
type trial struct {
	most           int           // changes in a batch
	first, longest time.Duration // pause

	size     int // of the next batch
	attempts int // at the next change
	pause    time.Duration
}

// settled notes that a whole batch was: the next may be larger.
func (t *trial) settled() {
	t.size = min(2*t.size, t.most)
	t.attempts, t.pause = 0, 0
}

// failed notes that only the first n changes of a batch were settled, and returns how
// long to wait before the next is tried. A batch of which nothing was is halved, which
// is waited for once; an outage is no reason for that.
func (t *trial) failed(n, size int, outage bool) time.Duration {
	if n > 0 {
		t.attempts, t.pause = 0, 0
	}
	if !outage {
		t.attempts++
		if n == 0 && size > 1 {
			t.size = size / 2
			if t.attempts > 1 {
				return 0
			}
		}
	}
	t.pause = min(max(2*t.pause, t.first), t.longest)
	return t.pause
}

// isOutage reports whether an error is not the fault of any change.
func isOutage(err error) bool {
	return fault.Is(err, fault.ClassInterrupted) || fault.Is(err, fault.ClassFatal)
}
