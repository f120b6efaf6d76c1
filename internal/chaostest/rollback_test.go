//go:build linux

package chaostest

// rollback is a crash after which the store did not know any more all that it
// had acknowledged.
type rollback struct {
	kept moment // what was acknowledged before is kept
	span        // of the crash
}

// forgot reports whether what the store acknowledged some time within the given
// span may be unknown to it when it granted w. A span ends when the worker noted the
// answer, which may be long after the store gave it.
func (j *judge) forgot(at span, w *life) bool {
	for _, r := range j.history.rollbacks {
		if r.kept <= at.to && at.from <= r.to && r.from <= w.granted {
			return true
		}
	}
	return false
}

// known is the last moment before w was asked for from which u had a full TTL,
// as far as the store knew when it granted w. It is long ago where the store
// knew nothing of u.
func (j *judge) known(u, w *life) moment {
	last := -never
	for _, h := range u.held {
		if h.from < w.asked && !j.forgot(h, w) {
			last = max(last, h.from)
		}
	}
	return last
}
