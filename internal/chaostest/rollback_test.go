//go:build linux

package chaostest

// rollback is a crash after which the store did not know any more all that it
// had acknowledged.
type rollback struct {
	kept moment // what was acknowledged before is kept
	span        // of the crash
}

// forgot reports whether what the store acknowledged at the given moment may be
// unknown to it when it granted w.
func (j *judge) forgot(at moment, w *life) bool {
	for _, r := range j.history.rollbacks {
		if r.kept <= at && at <= r.to && r.from <= w.granted {
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
		if h.from < w.asked && !j.forgot(h.to, w) {
			last = max(last, h.from)
		}
	}
	return last
}
