//go:build linux

package chaostest

import (
	"cmp"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// repeated looks at a record that may have come more than once: each time after
// the first there must be a reason, and it must not have been on record that it
// was done.
func (j *judge) repeated(all []delivery) {
	if len(all) < 2 {
		return
	}
	began := func(d delivery) moment {
		if c := j.calls[callID{d.worker, d.call}]; c != nil {
			return c.From
		}
		return 0
	}
	slices.SortFunc(all, func(a, b delivery) int { return cmp.Compare(began(a), began(b)) })
	for i, d := range all[1:] {
		before := all[i] // what was sent before it, and did not count
		v, w := j.leases[leaseID{before.worker, before.lease}], j.leases[leaseID{d.worker, d.lease}]
		c := j.calls[callID{before.worker, before.call}]
		if v == nil || w == nil || c == nil {
			continue // told by lawful
		}
		if j.forgetful {
			j.again[byLoss]++
			continue
		}
		var why cause
		settled, dropped := j.wasSettled(w, d.offset)
		switch {
		case settled:
			j.breaks("what is durably settled is not sent again", "file %d, offset %d: by worker %d, then by worker %d", d.file, d.offset, before.worker, d.worker)
			continue
		case dropped:
			why = byRoom
		case !c.confirmed():
			why = j.whyUnsure(c, before)
		case v != w:
			why = j.whyUnrecorded(v, c, before, w)
		}
		if why == "" {
			j.breaks("nothing comes twice without a reason", "file %d, offset %d: by worker %d (lease %d, %s), then by worker %d (lease %d, call %d at %d)",
				d.file, d.offset, before.worker, before.lease, c, d.worker, d.lease, d.call, began(d))
			continue
		}
		j.again[why]++
	}
}

// wasSettled reports whether the store had acknowledged, before it was asked
// for lease w, that the record at offset is settled; or that it was, and that
// there was no room for it in a progress stored later.
func (j *judge) wasSettled(w *life, offset int64) (settled, dropped bool) {
	last := mark{}
	for _, v := range j.byFile[w.file] {
		if v.completed < w.asked {
			return true, false
		}
		for _, m := range v.marks {
			if m.at >= w.asked {
				continue
			}
			settled = settled || m.covers(offset)
			if m.at >= last.at {
				last = m
			}
		}
	}
	if settled && !last.covers(offset) && last.size >= fullProgress {
		return false, true
	}
	return settled, false
}

// grace is how long after a fault of a connection a call may still meet what is
// left of it: a connection that is dead and was not found out yet.
const grace = moment(time.Second)

// whyUnsure finds why a call to the queue was not confirmed though it took
// effect. It returns nothing where there is no reason.
func (j *judge) whyUnsure(c *call, d delivery) cause {
	worker := int(d.worker)
	killed, dead := j.history.killed[worker]
	switch {
	case c.To == never && dead:
		return byKill
	case c.To == never:
		return "" // it ended by itself, and left a call without an outcome
	}
	life := span{c.From, min(c.To, killedOr(killed, dead))}
	switch {
	case touches(life, j.cuts(worker, toQueue)):
		return byQueue
	case touches(life, j.history.stopped[worker]):
		return byStop
	case touches(life, j.stands[worker]):
		return byStand
	case c.Ended:
		return bySlow
	}
	return ""
}

// whyUnrecorded finds why a record that the queue had confirmed under lease v
// was not on record when w was granted: v's worker died before, or could not
// keep the lease. It returns nothing where there is no reason.
func (j *judge) whyUnrecorded(v *life, c *call, d delivery, w *life) cause {
	worker := int(d.worker)
	if killed, dead := j.history.killed[worker]; dead && killed < w.granted {
		unsafe := span{c.To, killed} // of which it may have stood still for a while
		still := max(overlap(unsafe, j.stands[worker]), overlap(unsafe, j.history.stopped[worker]))
		large := j.opts.large > 0 && v.file%j.opts.large == j.opts.large-1
		j.oldest[large] = max(j.oldest[large], time.Duration(killed-c.To)-still)
		return byKill
	}
	if r := v.released; r != nil && c.To < v.releasing && !r.covers(d.offset) {
		if r.size >= fullProgress {
			return byRoom
		}
		return "" // given back as if it had not been sent
	}
	// It was lost: from when its worker last had it for certain to when it was
	// granted to another, there must be a reason.
	lost := span{v.lastHeld(w.granted), w.granted}
	if n := j.next(v); n != nil { // w may be a later one
		lost = span{v.lastHeld(n.granted), n.granted}
	}
	switch {
	case touches(lost, j.cuts(worker, toStore)):
		return byStore
	case touches(lost, j.history.stopped[worker]):
		return byStop
	case touches(lost, j.history.restarts):
		return byRestart
	case touches(lost, j.stands[worker]):
		return byStand
	case touches(lost, j.slow[worker]):
		return bySlow
	}
	return ""
}

// fullProgress is the length from which a progress may have been cut to fit, in
// bytes: spans that have no room in claim.MaxProgressBytes are left out.
const fullProgress = claim.MaxProgressBytes / 2

// cuts returns when the connections of a worker were in trouble.
func (j *judge) cuts(worker int, link linkKind) (spans []span) {
	for _, c := range j.history.cut[worker%j.opts.workers] {
		if c.link == link {
			spans = append(spans, span{c.from, c.to + grace})
		}
	}
	return spans
}

func killedOr(t moment, dead bool) moment {
	if dead {
		return t
	}
	return never
}
