package processor

import "time"

// linger is the timer after which a worker sends what it has packed, however
// full. In a run that has an end it starts anew with all there is to do: as long
// as there is something, messages become full. In a Watch there may always be
// something, and never enough to fill a message soon: there the time counts from
// when something began to be pending.
type linger struct {
	wait  time.Duration
	watch bool
	timer *time.Timer
	armed bool
}

func newLinger(cfg Pack, watch bool) *linger {
	l := &linger{wait: max(0, cfg.Linger), watch: watch, timer: time.NewTimer(time.Hour)}
	l.timer.Stop()
	return l
}

// set arms the timer if something is pending, and disarms it otherwise. In a Watch
// an armed timer goes on.
func (l *linger) set(pending bool) {
	if pending && l.armed && l.watch {
		return
	}
	l.timer.Stop()
	if l.armed = pending; pending {
		l.timer.Reset(l.wait)
	}
}

// C is ready when the timer has run out; nil, and never ready, where unarmed. Who
// receives from it sends all that is pending, and calls set.
func (l *linger) C() <-chan time.Time {
	if !l.armed {
		return nil
	}
	return l.timer.C
}

func (l *linger) stop() { l.timer.Stop() }
