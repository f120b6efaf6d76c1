package claimtest

import (
	"github.com/unspool-go/unspool/claim"
)

// leaseRules are about who gets a key, and what a lease carries.
var leaseRules = []rule{
	{"Granted", "a key that nobody has claimed is granted, as attempt 1, without progress", func(h *harness) {
		for i, r := range h.claim("a", long, "k1", "k2") {
			key := []string{"k1", "k2"}[i]
			if r.Status != claim.Granted {
				h.fail("result %d is %v, want granted", i, r.Status)
			}
			l := r.Lease
			if l.Key != key || l.Token == "" || l.Attempt != 1 || l.Progress != "" {
				h.fail("lease %d is %+v, want key %q, a token, attempt 1, no progress", i, l, key)
			}
		}
	}},
	{"Held", "a key with a live lease is held, for everybody, while others are granted", func(h *harness) {
		h.grant("a", long, "k2")
		for _, owner := range []string{"a", "b"} {
			r := h.claim(owner, long, owner+"1", "k2", owner+"3")
			if r[0].Status != claim.Granted || r[1].Status != claim.Held || r[2].Status != claim.Granted {
				h.fail("owner %s got %v, %v, %v, want granted, held, granted", owner, r[0].Status, r[1].Status, r[2].Status)
			}
		}
	}},
	{"Done", "a completed key is done, for everybody and for good", func(h *harness) {
		l := h.grant("a", h.opts.Expiry, "k")
		h.ok(h.complete(l), "Complete")
		h.want(claim.Done, "k", "after Complete")
		h.expire()
		h.want(claim.Done, "k", "after Complete and the lease's time")
	}},
	{"NotDone", "only a completed key is done", func(h *harness) {
		keys := manyKeys(min(100, h.opts.Keys))
		for _, r := range h.claim("a", long, keys...) {
			if len(r.Lease.Key)%2 == 0 {
				h.ok(h.complete(r.Lease), "Complete")
			} else {
				h.ok(h.release(claim.Return{Lease: r.Lease}), "Release")
			}
		}
		for i, r := range h.claim("b", long, keys...) {
			want := claim.Granted
			if len(keys[i])%2 == 0 {
				want = claim.Done
			}
			if r.Status != want {
				h.fail("key %q is %v, want %v", keys[i], r.Status, want)
			}
		}
	}},
	{"TakenOverAfterExpiry", "an expired lease is taken over, with another token, as one more attempt", func(h *harness) {
		first := h.grant("a", h.opts.Expiry, "k")
		h.expire()
		second := h.grant("b", h.opts.Expiry, "k")
		if second.Token == first.Token {
			h.fail("both grants have the token %q", first.Token)
		}
		if second.Attempt != 2 {
			h.fail("attempt is %d, want 2", second.Attempt)
		}
		h.expire()
		if third := h.grant("a", long, "k"); third.Attempt != 3 || third.Token == first.Token || third.Token == second.Token {
			h.fail("third lease is %+v, want attempt 3 and a new token", third)
		}
	}},
	{"ExtendKeepsALease", "an extended lease lasts ttl from the call", func(h *harness) {
		l := h.grant("a", h.opts.Expiry, "k")
		h.ok(h.extend(long, l), "Extend")
		h.expire()
		h.want(claim.Held, "k", "after its first ttl")
		h.ok(h.extend(h.opts.Expiry, l), "Extend by less")
		h.expire()
		h.want(claim.Granted, "k", "after it was extended by less")
	}},
	{"ExpiredMayBeExtended", "a lease that expired but was not taken may be extended", func(h *harness) {
		l := h.grant("a", h.opts.Expiry, "k")
		h.expire()
		h.ok(h.extend(long, l), "Extend of an expired lease")
		h.want(claim.Held, "k", "after Extend")
		h.ok(h.complete(l), "Complete")
	}},
	{"ExpiredMayBeCompleted", "a lease that expired but was not taken may be completed", func(h *harness) {
		l := h.grant("a", h.opts.Expiry, "k")
		h.expire()
		h.ok(h.complete(l), "Complete of an expired lease")
		h.want(claim.Done, "k", "after Complete")
	}},
	{"ExpiredMayBeReleased", "a lease that expired but was not taken may be released", func(h *harness) {
		l := h.grant("a", h.opts.Expiry, "k")
		h.expire()
		h.ok(h.release(claim.Return{Lease: l}), "Release of an expired lease")
		if l = h.grant("b", long, "k"); l.Attempt != 1 {
			h.fail("attempt is %d after a clean release, want 1", l.Attempt)
		}
	}},
	{"CountedRelease", "a counted release keeps the attempt", func(h *harness) {
		for want := 1; want <= 4; want++ {
			l := h.grant("a", long, "k")
			if l.Attempt != want {
				h.fail("attempt is %d, want %d", l.Attempt, want)
			}
			h.ok(h.release(claim.Return{Lease: l, Counted: true, Reason: "broken"}), "Release")
		}
	}},
	{"CleanRelease", "a clean release refunds the attempt, once", func(h *harness) {
		l := h.grant("a", long, "k")
		h.ok(h.release(claim.Return{Lease: l, Counted: true}), "Release")
		for range 3 {
			l = h.grant("a", long, "k")
			if l.Attempt != 2 {
				h.fail("attempt is %d, want 2", l.Attempt)
			}
			h.ok(h.release(claim.Return{Lease: l}), "Release")
			h.ok(h.release(claim.Return{Lease: l}), "Release repeated")
		}
	}},
	{"ProgressOfExtend", "progress stored by Extend reaches the one who takes over", func(h *harness) {
		l := h.grant("a", long, "k")
		l.Progress = "one"
		h.ok(h.extend(long, l), "Extend")
		l.Progress = "two"
		h.ok(h.extend(h.opts.Expiry, l), "Extend")
		h.expire()
		if l = h.grant("b", long, "k"); l.Progress != "two" {
			h.fail("progress is %q, want %q", l.Progress, "two")
		}
	}},
	{"ProgressOfRelease", "progress stored by Release reaches the next holder", func(h *harness) {
		l := h.grant("a", long, "k")
		l.Progress = "half"
		h.ok(h.release(claim.Return{Lease: l}), "Release")
		if l = h.grant("b", long, "k"); l.Progress != "half" {
			h.fail("progress is %q, want %q", l.Progress, "half")
		}
		l.Progress = ""
		h.ok(h.release(claim.Return{Lease: l, Counted: true}), "Release")
		if l = h.grant("a", long, "k"); l.Progress != "" {
			h.fail("progress is %q, want none: the last holder cleared it", l.Progress)
		}
	}},
	{"Delay", "a key released with a delay is held until it has passed", func(h *harness) {
		l := h.grant("a", long, "k")
		released := h.now()
		h.ok(h.release(claim.Return{Lease: l, Counted: true, Delay: h.opts.Expiry}), "Release")
		status := h.claim("onlooker", h.opts.Expiry, "k")[0].Status
		if status != claim.Held && h.passed(released) < h.opts.Expiry {
			h.fail("during the delay it is %v, want held", status)
		}
		h.expire()
		h.want(claim.Granted, "k", "after the delay")
	}},
	{"ReleasedAtOnce", "a key released without a delay can be claimed at once", func(h *harness) {
		l := h.grant("a", long, "k")
		h.ok(h.release(claim.Return{Lease: l}), "Release")
		h.want(claim.Granted, "k", "after Release")
	}},
	{"SameNonce", "a call repeated with its nonce is granted the same leases, as the same attempt", func(h *harness) {
		h.grant("b", long, "k2")
		nonce := h.nonce()
		first := h.claimAs("a", nonce, long, "k1", "k2", "k1", "k3")
		again := h.claimAs("a", nonce, long, "k1", "k2", "k1", "k3")
		for i := range first {
			if first[i] != again[i] {
				h.fail("result %d is %+v, and %+v when repeated", i, first[i], again[i])
			}
		}
		h.ok(h.complete(again[0].Lease, again[3].Lease), "Complete")
		if r := h.claimAs("a", nonce, long, "k1")[0]; r.Status != claim.Done {
			h.fail("repeated after Complete it is %v, want done", r.Status)
		}
	}},
	{"SameNonceExpired", "a call repeated with its nonce when its leases have expired, taken by nobody, is granted them again, as the same attempt, for their whole time", func(h *harness) {
		nonce := h.nonce()
		first := h.claimAs("a", nonce, h.opts.Expiry, "k")[0]
		h.expire()
		if again := h.claimAs("a", nonce, long, "k")[0]; again != first {
			h.fail("the result is %+v, and %+v when repeated", first, again)
		}
		h.want(claim.Held, "k", "after the repetition")
		h.expire()
		h.want(claim.Held, "k", "long after the repetition")
		h.ok(h.complete(first.Lease), "Complete")
	}},
	{"SameNonceRenews", "a call repeated with its nonce makes its leases last their whole time from then on", func(h *harness) {
		nonce := h.nonce()
		first := h.claimAs("a", nonce, h.opts.Expiry, "k")[0]
		if again := h.claimAs("a", nonce, long, "k")[0]; again != first {
			h.fail("the result is %+v, and %+v when repeated", first, again)
		}
		h.expire()
		h.want(claim.Held, "k", "when its first time has passed")
		h.ok(h.complete(first.Lease), "Complete")
	}},
	{"SameNonceLater", "a nonce does not bring back a lease that was lost", func(h *harness) {
		nonce := h.nonce()
		h.claimAs("a", nonce, h.opts.Expiry, "k")
		h.expire()
		h.grant("b", long, "k")
		if r := h.claimAs("a", nonce, long, "k")[0]; r.Status != claim.Held {
			h.fail("repeated after a takeover it is %v, want held", r.Status)
		}
	}},
	{"TwiceInOneCall", "a key listed twice in one call is granted once and held the second time", func(h *harness) {
		r := h.claim("a", long, "k", "other", "k")
		if r[0].Status != claim.Granted || r[1].Status != claim.Granted || r[2].Status != claim.Held {
			h.fail("got %v, %v, %v, want granted, granted, held", r[0].Status, r[1].Status, r[2].Status)
		}
	}},
	{"TokensAreNew", "no two grants of a key have the same token", func(h *harness) {
		seen := make(map[string]bool)
		for range 20 {
			l := h.grant("a", long, "k")
			if seen[l.Token] {
				h.fail("token %q was given out before", l.Token)
			}
			seen[l.Token] = true
			h.ok(h.release(claim.Return{Lease: l}), "Release")
		}
	}},
}
