package processor

import (
	"sync"
	"time"

	"github.com/unspool-go/unspool/source"
)

// oldest is the time of the oldest object that the last listing met and this
// call left to others: because they hold it, or because it had to stop.
type oldest struct {
	mu sync.Mutex
	at time.Time
}

func (t *oldest) note(src source.Source, o source.Object) {
	at := source.DateOf(src, o)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = earlier(t.at, at)
}

func (t *oldest) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = time.Time{}
}

// oldestLeft returns the time of the oldest object that is known to be
// unfinished and is not in work.
func (r *run) oldestLeft() time.Time {
	r.left.mu.Lock()
	at := r.left.at
	r.left.mu.Unlock()
	at = earlier(at, r.closer.oldestWaiting())
	if r.again != nil {
		at = earlier(at, r.again.oldest(r.cfg.Source))
	}
	return at
}

func (c *closer) oldestWaiting() (at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting {
		at = earlier(at, w.date)
	}
	return at
}

func (a *again) oldest(src source.Source) (at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range a.visits {
		at = earlier(at, source.DateOf(src, v.object))
	}
	return at
}
