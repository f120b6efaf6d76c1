//go:build linux

package chaostest

import "time"

// fencing looks at each two leases of a file that followed one another.
func (j *judge) fencing() {
	ttl := moment(j.opts.lease)
	for file, all := range j.byFile {
		tokens := map[string]leaseID{}
		for i, v := range all {
			if other, ok := tokens[v.token]; ok {
				j.breaks("no two grants have the same token", "file %d: %v and %v", file, other, v.id)
			}
			tokens[v.token] = v.id
			if i+1 < len(all) && all[i+1].asked > v.completed.to && !j.forgot(v.completed, all[i+1]) {
				j.breaks("what is completed is not granted again", "file %d: by worker %d, then to worker %d", file, v.id.worker, all[i+1].id.worker)
			}
			if i == 0 {
				continue
			}
			u := all[i-1]
			if ends := j.known(u, v) + ttl; v.granted < ends && v.granted < u.releasing {
				j.breaks("at most one lease is live", "file %d: worker %d had it for %v more when worker %d got it", file,
					u.id.worker, time.Duration(ends-v.granted), v.id.worker)
			}
		}
	}
	sends := map[callID]map[leaseID]bool{}
	for _, d := range j.all {
		id := callID{d.worker, d.call}
		if sends[id] == nil {
			sends[id] = map[leaseID]bool{}
		}
		sends[id][leaseID{d.worker, d.lease}] = true
	}
	for id, leases := range sends {
		for lease := range leases {
			j.sentInTime(j.calls[id], j.leases[lease])
		}
	}
}

// sentInTime: a send begins only while the lease outlives it. A worker that
// finds it does, and is stopped before it sends, cannot know better: but it then
// sends as soon as it runs again.
func (j *judge) sentInTime(c *call, v *life) {
	if c == nil || v == nil {
		return // told by lawful
	}
	need := moment(j.opts.lease/4 + 250*time.Millisecond) // the time-out of a send, and the processor's margin
	late := span{v.lastHeld(c.From) + moment(j.opts.lease) - need, c.From}
	if late.from >= late.to {
		return
	}
	worker := int(v.id.worker)
	still := max(overlap(late, j.stood(worker, late)), overlap(late, j.history.stopped[worker]))
	if running := time.Duration(late.to-late.from) - still; running > time.Duration(need) {
		j.breaks("nothing is sent once the lease could be another's", "file %d: worker %d had run for %v since it last could begin %v", v.file,
			worker, running, c)
	}
}
