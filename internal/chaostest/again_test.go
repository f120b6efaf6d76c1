//go:build linux

package chaostest

import (
	"cmp"
	"slices"
	"time"
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
		var why cause
		settled, forgotten := j.wasSettled(w, d.offset)
		switch {
		case settled:
			j.breaks("what is durably settled is not sent again", "file %d, offset %d: by worker %d, then by worker %d", d.file, d.offset, before.worker, d.worker)
			continue
		case forgotten:
			why = byLoss
		case !c.confirmed():
			why = j.whyUnsure(c, before)
		case v != w:
			why = j.whyUnrecorded(v, c, w)
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
// for lease w, that the record at offset is settled; and whether it had, but
// has fallen back since.
func (j *judge) wasSettled(w *life, offset int64) (settled, forgotten bool) {
	note := func(at span) {
		switch {
		case at.to >= w.asked:
		case j.forgot(at, w):
			forgotten = true
		default:
			settled = true
		}
	}
	for _, v := range j.byFile[w.file] {
		note(v.completed)
		for _, m := range v.marks {
			if m.covers(offset) {
				note(m.at)
			}
		}
	}
	return settled, forgotten
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
	run := j.run(worker, c.From)
	late := c.Until != 0 && c.To >= c.Until
	last := run != nil && run.Until != 0 && c.To >= run.Until-drain
	switch {
	case touches(life, j.cuts(worker, toQueue)):
		return byQueue
	case !c.Ended || !late && !last: // nothing else makes it fail before its time is up
		return ""
	case touches(life, j.history.stopped[worker]):
		return byStop
	case len(j.stood(worker, life)) > 0:
		return byStand
	case late:
		return bySlow
	}
	return byEnd
}

// drain is what a run with a deadline keeps back, in which it cuts sends off:
// see processor.Config.DeadlineReduction.
const drain = moment(time.Second)

// whyUnrecorded finds why a record that the queue had confirmed under lease v
// was not on record when w was granted: v's worker died before, or could not
// keep the lease. It returns nothing where there is no reason.
func (j *judge) whyUnrecorded(v *life, c *call, w *life) cause {
	earlier, later := v, w
	if w.granted < v.granted { // both were sending
		earlier, later = w, v
	}
	for _, h := range earlier.held {
		if j.forgot(h, later) {
			return byLoss // the store did not know the lease any more, or not for how long
		}
	}
	if v.released != nil {
		return "" // given back as if it had not been sent
	}
	next := j.next(v) // w may be a later one
	if len(next) == 0 {
		next = []*life{w}
	}
	for _, n := range next {
		if why := j.whyLost(v, c, n); why != "" {
			return why
		}
	}
	return ""
}

// whyLost finds why v was lost to next before what its call had sent was on record.
func (j *judge) whyLost(v *life, c *call, next *life) cause {
	worker := int(v.id.worker)
	// From when its worker last had it for certain to when it was over, or granted
	// to another, or to when the worker could do nothing for it any more. How long
	// it was free afterwards is nobody's fault.
	lost := span{v.lastHeld(next.granted), next.granted}
	lost.to = min(lost.to, lost.from+moment(j.opts.lease))
	if run := j.run(worker, v.granted); run != nil {
		lost.to = min(lost.to, run.To)
	}
	killed, dead := j.history.killed[worker]
	if dead = dead && killed < lost.to; dead {
		lost.to = killed
	}
	troubles := []struct {
		cause
		spans []span
	}{
		{byStore, j.cuts(worker, toStore)}, {byStop, j.history.stopped[worker]}, {byRestart, j.history.restarts},
		{byStand, j.stood(worker, lost)}, {byFailure, v.trouble}, {byWait, j.waits(v)},
	}
	var all []span
	for _, t := range troubles {
		all = append(all, t.spans...)
	}
	if quiet(lost, all) >= j.opts.lease*3/4 {
		return "" // who has no trouble for three heartbeats keeps it
	}
	if dead {
		if j.overdue(v, killed) {
			return ""
		}
		j.unrecorded(v, c, killed)
		return byKill
	}
	for _, t := range troubles {
		if touches(lost, t.spans) {
			return t.cause
		}
	}
	return "" // its run ended, and neither completed it nor gave it back
}

// waits returns when the worker waited longer than usual for the store to answer
// a call on v. That the lease was lost is an answer that may have been true only
// when it came.
func (j *judge) waits(v *life) []span {
	waits := slices.Clone(v.waits)
	for _, d := range v.denials {
		if d.to > v.lastHeld(d.from)+moment(j.opts.lease) {
			waits = append(waits, d)
		}
	}
	return waits
}

// unrecorded notes for how long a record had been sent, and was not on record,
// when its worker was killed; without the time that the worker stood still.
func (j *judge) unrecorded(v *life, c *call, killed moment) {
	worker := int(v.id.worker)
	unsafe := span{c.To, killed}
	still := max(overlap(unsafe, j.stood(worker, unsafe)), overlap(unsafe, j.history.stopped[worker]))
	large := j.opts.large > 0 && v.file%j.opts.large == j.opts.large-1
	j.oldest[large] = max(j.oldest[large], time.Duration(killed-c.To)-still)
}

// patient is how often a worker may record what others of its files have come
// to, and leave out one that was sent to its end before. It should be never but
// for the round that was under way. A machine without time may make it more,
// though hardly this many: rounds are a quarter of a second apart.
const patient = 8

// overdue reports whether a file was sent to its end under v, and its worker,
// before it was killed, again and again completed others and not that one.
func (j *judge) overdue(v *life, killed moment) bool {
	if v.resumed.Offset != 0 || v.resumed.Spans != nil {
		return false // which records were still to do is not known
	}
	seen, sent := map[int32]bool{}, moment(0)
	for _, d := range j.arrivals[v.file] {
		c := j.calls[callID{d.worker, d.call}]
		if d.worker == v.id.worker && d.lease == v.id.lease && c != nil && c.confirmed() {
			seen[d.record] = true
			sent = max(sent, c.To)
		}
	}
	if len(seen) < recordsOf(j.opts.seed, v.file, j.opts.large) {
		return false
	}
	rounds := 0
	for _, c := range j.completes[int(v.id.worker)] {
		if c.From > sent && c.To < killed && !slices.Contains(c.Leases, int(v.id.lease)) {
			rounds++
		}
	}
	return rounds > patient
}

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
