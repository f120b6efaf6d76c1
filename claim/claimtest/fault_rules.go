package claimtest

import (
	"errors"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// faultRules are about a store that cannot be reached, or not wholly, or whose
// answers are lost.
var faultRules = []rule{
	{"LostAnswers", "a call whose answer was lost is interrupted, and can be repeated", failing(mute, func(h, far *harness, on func(bool)) {
		nonce := h.nonce()
		on(true)
		_, err := far.try("a", nonce, long, "k1", "k2", "k3")
		far.interrupted(err, "Claim")
		on(false)
		leases := make([]claim.Lease, 3)
		for i, r := range far.claimAs("a", nonce, long, "k1", "k2", "k3") {
			if r.Status != claim.Granted || r.Lease.Attempt != 1 {
				h.fail("Claim repeated: result %d is %+v, want granted as attempt 1", i, r)
			}
			leases[i] = r.Lease
		}
		leases[2].Progress = "half"

		on(true)
		far.interrupted(far.extend(long, leases...), "Extend")
		on(false)
		h.ok(far.extend(long, leases...), "Extend repeated")

		on(true)
		far.interrupted(far.complete(leases[:2]...), "Complete")
		on(false)
		h.ok(far.complete(leases[:2]...), "Complete repeated")
		h.want(claim.Done, "k1", "after Complete")
		h.want(claim.Done, "k2", "after Complete")

		back := claim.Return{Lease: leases[2]}
		on(true)
		far.interrupted(far.release(back), "Release")
		on(false)
		h.ok(far.release(back), "Release repeated")
		if l := h.grant("b", long, "k3"); l.Attempt != 1 || l.Progress != "half" {
			h.fail("after Release it is granted as %+v, want attempt 1 and progress half", l)
		}
	})},
	{"Outage", "a store that is away interrupts its callers, and costs no lease and no attempt", failing(away, func(h, far *harness, on func(bool)) {
		mine := far.claim("a", long, "k1", "k2")
		lost := far.grant("a", h.opts.Expiry, "k3")
		done, back := mine[0].Lease, mine[1].Lease
		nonce := h.nonce()
		on(true)
		_, err := far.try("a", nonce, long, "new")
		far.interrupted(err, "Claim")
		far.interrupted(far.extend(long, done, back), "Extend")
		far.interrupted(far.complete(done), "Complete")
		far.interrupted(far.release(claim.Return{Lease: back, Counted: true}), "Release")
		h.expire()
		fresh := h.grant("b", long, "k3")
		on(false)
		if r := far.claimAs("a", nonce, long, "new")[0]; r.Status != claim.Granted || r.Lease.Attempt != 1 {
			h.fail("Claim repeated: %+v, want granted as attempt 1", r)
		}
		h.ok(far.extend(long, done, back), "Extend when it is back")
		h.ok(far.complete(done), "Complete when it is back")
		h.ok(far.release(claim.Return{Lease: back}), "Release when it is back")
		if l := h.grant("b", long, "k2"); l.Attempt != 1 {
			h.fail("after a clean release the attempt is %d, want 1", l.Attempt)
		}
		far.lost(far.complete(lost), "Complete of what was taken over during the outage", 0)
		h.unharmed(fresh)
	})},
	{"PartOfAStore", "where a part of the store is away, exactly its keys fail, interrupted, and can be repeated", failing(partly, func(h, far *harness, on func(bool)) {
		keys := manyKeys(min(100, h.opts.Keys))
		nonce := h.nonce()
		on(true)
		results, err := far.try("a", nonce, long, keys...)
		failed := far.partlyInterrupted(err, "Claim", len(keys))
		for i, r := range results {
			if want := failed[i]; want != (r.Status == 0) || !want && r.Status != claim.Granted {
				h.fail("result %d is %+v, and it failed is %v", i, r, want)
			}
		}
		on(false)
		leases := make([]claim.Lease, len(keys))
		for i, r := range far.claimAs("a", nonce, long, keys...) {
			if r.Status != claim.Granted || r.Lease.Attempt != 1 || !failed[i] && r != results[i] {
				h.fail("Claim repeated: result %d is %+v, want granted as attempt 1", i, r)
			}
			leases[i] = r.Lease
		}

		on(true)
		far.partlyInterrupted(far.extend(long, leases...), "Extend", len(keys))
		half := len(leases) / 2
		failed = far.partlyInterrupted(far.complete(leases[:half]...), "Complete", half)
		on(false)
		for i, r := range h.claim("b", long, keys[:half]...) {
			if !failed[i] && r.Status != claim.Done {
				h.fail("key %q did not fail, and is %v after Complete", keys[i], r.Status)
			}
		}
		h.ok(far.complete(leases[:half]...), "Complete repeated")

		var back []claim.Return
		for _, l := range leases[half:] {
			back = append(back, claim.Return{Lease: l})
		}
		on(true)
		far.partlyInterrupted(far.release(back...), "Release", len(back))
		on(false)
		h.ok(far.release(back...), "Release repeated")
		for i, r := range h.claim("b", long, keys...) {
			want := claim.Done
			if i >= half {
				want = claim.Granted
			}
			if r.Status != want || r.Lease.Attempt > 1 {
				h.fail("at the end key %q is %+v, want %v, as attempt 1", keys[i], r, want)
			}
		}
	})},
}

func mute(f Faulty) func(bool)   { return f.Mute }
func away(f Faulty) func(bool)   { return f.Away }
func partly(f Faulty) func(bool) { return f.Partly }

// failing is a check of a client with faults on the way, which a function
// turns on and off. h speaks to the store without them.
func failing(which func(Faulty) func(bool), check func(h, far *harness, on func(bool))) func(*harness) {
	return func(h *harness) {
		if h.fleet.Faulty == nil {
			h.Skip("the store has no way to it that could fail")
		}
		f := h.fleet.Faulty(h.TB)
		on := which(f)
		if on == nil {
			h.Skip("the store has no such faults")
		}
		defer on(false)
		far := h.as(f.Store)
		check(h, far, func(fault bool) {
			on(fault)
			if !fault {
				far.reach()
			}
		})
	}
}

// reach waits until all parts of the store can be reached again: clients may
// be slow to notice.
func (h *harness) reach() {
	h.Helper()
	const patience = 30 * time.Second
	probes := manyKeys(min(100, h.opts.Keys))
	for i := range probes {
		probes[i] = "probe-" + h.run + probes[i]
	}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		_, err := h.try("probe", h.nonce(), time.Millisecond, probes...)
		if err == nil {
			return
		}
		if !fault.Is(err, fault.ClassInterrupted) || time.Since(start) > patience {
			h.fail("Claim after a fault: %v", err)
		}
	}
}

// interrupted requires the error of a store that is away.
func (h *harness) interrupted(err error, op string) {
	h.Helper()
	switch {
	case err == nil:
		h.fail("%s: no error", op)
	case errors.Is(err, claim.ErrLost):
		h.fail("%s: %v, though no lease was lost", op, err)
	case !fault.Is(err, fault.ClassInterrupted):
		h.fail("%s: %v, which is marked %v, want interrupted", op, err, fault.Of(err))
	}
}

// partlyInterrupted requires that some of n entries failed, and not all, each
// with the error of a store that is away. It returns which.
func (h *harness) partlyInterrupted(err error, op string, n int) map[int]bool {
	h.Helper()
	batch, ok := errors.AsType[*claim.BatchError](err)
	if !ok {
		h.fail("%s: %v, want a *BatchError", op, err)
	}
	failed := make(map[int]bool)
	for _, f := range batch.Failed {
		h.interrupted(f.Err, op)
		if f.Index < 0 || f.Index >= n || failed[f.Index] {
			h.fail("%s: entry %d of %d failed, or failed twice", op, f.Index, n)
		}
		failed[f.Index] = true
	}
	if len(failed) == n {
		h.fail("%s: all of %d entries failed, want those whose part of the store is away", op, n)
	}
	return failed
}
