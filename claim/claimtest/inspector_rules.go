package claimtest

import (
	"maps"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// inspectorRules are those of [claim.Inspector].
var inspectorRules = []rule{
	{"Inspect", "Inspect returns the entry of each key, in order; unknown keys are free", inspecting(func(h *harness, in claim.Inspector) {
		h.grant("a", long, "live")
		done := h.grant("a", long, "done")
		h.ok(h.complete(done), "Complete")
		back := h.grant("a", long, "back")
		back.Progress = "half"
		h.ok(h.release(claim.Return{Lease: back, Counted: true, Reason: "broken"}), "Release")

		keys := []string{"done", "unknown", "live", "back"}
		entries, err := in.Inspect(h.Context(), keys)
		h.ok(err, "Inspect")
		if len(entries) != len(keys) {
			h.fail("%d entries for %d keys", len(entries), len(keys))
		}
		for i, state := range []claim.State{claim.Finished, claim.Free, claim.Processing, claim.Free} {
			if entries[i].Key != keys[i] || entries[i].State != state {
				h.fail("entry %d is of %q in state %d, want %q in state %d", i, entries[i].Key, entries[i].State, keys[i], state)
			}
		}
		if e := entries[2]; e.Attempt != 1 || e.Owner != "" && e.Owner != "a" {
			h.fail("the live entry is %+v, want attempt 1 of owner a", e)
		}
		if e := entries[3]; e.Attempt != 1 || e.Progress != "half" || e.Reason != "" && e.Reason != "broken" {
			h.fail("the released entry is %+v, want attempt 1, progress half, reason broken", e)
		}
	})},
	{"Expired", "Expired lists the leases that expired at least grace ago and were not taken over", inspecting(func(h *harness, in claim.Inspector) {
		h.grant("a", long, "live")
		h.grant("a", h.opts.Expiry, "expired")
		h.grant("a", h.opts.Expiry, "taken over")
		h.ok(h.complete(h.grant("a", h.opts.Expiry, "done")), "Complete")
		h.ok(h.release(claim.Return{Lease: h.grant("a", h.opts.Expiry, "back"), Counted: true}), "Release")
		h.expire()
		h.grant("b", long, "taken over")
		for grace, want := range map[time.Duration][]string{0: {"expired"}, long: nil} {
			var got []string
			for e, err := range in.Expired(h.Context(), grace) {
				h.ok(err, "Expired")
				if e.State != claim.Processing || e.Attempt != 1 {
					h.fail("the entry of %q is %+v, want a lease of attempt 1", e.Key, e)
				}
				got = append(got, e.Key)
			}
			if !slices.Equal(got, want) {
				h.fail("with grace %v it lists %q, want %q", grace, got, want)
			}
		}
	})},
	{"Completed", "Completed lists every finished key once, and no other", inspecting(func(h *harness, in claim.Inspector) {
		keys := manyKeys(min(500, h.opts.Keys))
		want := make(map[string]bool)
		var leases []claim.Lease
		for i, r := range h.claim("a", long, keys...) {
			if i%3 != 0 {
				leases = append(leases, r.Lease)
				want[r.Lease.Key] = true
			}
		}
		h.ok(h.complete(leases...), "Complete")
		for _, err := range in.Completed(h.Context()) {
			h.ok(err, "Completed")
			break // must release what it holds
		}
		got := make(map[string]bool)
		for e, err := range in.Completed(h.Context()) {
			h.ok(err, "Completed")
			if e.State != claim.Finished || got[e.Key] {
				h.fail("entry %+v is not finished, or listed twice", e)
			}
			got[e.Key] = true
		}
		if !maps.Equal(got, want) {
			h.fail("it lists %d keys, want %d", len(got), len(want))
		}
	})},
	{"Forget", "Forget removes finished keys, and leaves others alone", inspecting(func(h *harness, in claim.Inspector) {
		live := h.grant("a", long, "live")
		h.ok(h.complete(h.grant("a", long, "done"), h.grant("a", long, "kept")), "Complete")
		h.ok(h.release(claim.Return{Lease: h.grant("a", long, "back"), Counted: true}), "Release")
		h.ok(in.Forget(h.Context(), []string{"live", "done", "back", "unknown", "done"}), "Forget")
		h.ok(h.extend(long, live), "Extend of a live lease")
		h.want(claim.Held, "live", "after Forget")
		h.want(claim.Done, "kept", "after Forget of another key")
		if l := h.grant("b", long, "back"); l.Attempt != 2 {
			h.fail("attempt of the released key is %d, want 2", l.Attempt)
		}
		l := h.grant("b", long, "done")
		if l.Attempt != 1 {
			h.fail("attempt of the forgotten key is %d, want 1", l.Attempt)
		}
		h.ok(h.complete(l), "Complete of the forgotten key")
		h.want(claim.Done, "done", "after it was completed again")
	})},
	{"Count", "Count returns the number of keys in each state", inspecting(func(h *harness, in claim.Inspector) {
		h.grant("a", h.opts.Expiry, "expired")
		h.expire()
		h.claim("a", long, "live1", "live2")
		h.ok(h.release(claim.Return{Lease: h.grant("a", long, "back"), Counted: true}), "Release")
		for _, r := range h.claim("a", long, "d1", "d2", "d3", "d4") {
			h.ok(h.complete(r.Lease), "Complete")
			h.ok(h.complete(r.Lease), "Complete repeated")
		}
		h.ok(in.Forget(h.Context(), []string{"d1", "d1", "unknown"}), "Forget")
		got, err := in.Count(h.Context())
		h.ok(err, "Count")
		if want := (claim.Counts{Processing: 2, Expired: 1, Waiting: 1, Finished: 3}); got != want {
			h.fail("counts are %+v, want %+v", got, want)
		}
	})},
}

// inspecting is a check that is skipped where the store is no Inspector.
func inspecting(check func(*harness, claim.Inspector)) func(*harness) {
	return func(h *harness) {
		in, ok := h.store.(claim.Inspector)
		if !ok {
			h.Skip("the store does not implement claim.Inspector")
		}
		check(h, in)
	}
}
