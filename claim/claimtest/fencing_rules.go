package claimtest

import (
	"time"

	"github.com/unspool-go/unspool/claim"
)

// fencingRules are about what can be done with a lease, and what cannot any
// more.
var fencingRules = []rule{
	{"ExtendIsFenced", "a lease that was taken over cannot be extended", func(h *harness) {
		stale, fresh := h.takenOver()
		stale.Progress = "stale"
		h.lost(h.extend(long, stale), "Extend of a lost lease", 0)
		h.unharmed(fresh)
	}},
	{"CompleteIsFenced", "a lease that was taken over cannot be completed", func(h *harness) {
		stale, fresh := h.takenOver()
		h.lost(h.complete(stale), "Complete of a lost lease", 0)
		h.unharmed(fresh)
	}},
	{"ReleaseIsFenced", "a lease that was taken over cannot be released", func(h *harness) {
		stale, fresh := h.takenOver()
		stale.Progress = "stale"
		h.lost(h.release(claim.Return{Lease: stale}), "Release of a lost lease", 0)
		h.unharmed(fresh)
	}},
	{"FencedAfterCompletion", "a lease is lost once another holder has completed the key", func(h *harness) {
		stale, fresh := h.takenOver()
		h.ok(h.complete(fresh), "Complete")
		h.lost(h.extend(long, stale), "Extend", 0)
		h.lost(h.complete(stale), "Complete of a lost lease", 0)
		h.lost(h.release(claim.Return{Lease: stale}), "Release", 0)
		h.want(claim.Done, "k", "after all that")
	}},
	{"FencedAfterRelease", "a lease that was given back is no longer its holder's", func(h *harness) {
		l := h.grant("a", long, "k")
		h.ok(h.release(claim.Return{Lease: l, Counted: true}), "Release")
		h.lost(h.extend(long, l), "Extend", 0)
		h.lost(h.complete(l), "Complete", 0)
		h.want(claim.Granted, "k", "after all that")
	}},
	{"FencedAfterOwnCompletion", "a lease that was completed can be neither extended nor released", func(h *harness) {
		l := h.grant("a", long, "k")
		h.ok(h.complete(l), "Complete")
		h.lost(h.extend(long, l), "Extend", 0)
		h.lost(h.release(claim.Return{Lease: l}), "Release", 0)
		h.want(claim.Done, "k", "after all that")
	}},
	{"FencedAfterForget", "a lease is lost once its key was completed, forgotten and claimed again", inspecting(func(h *harness, in claim.Inspector) {
		stale := h.grant("a", long, "k")
		h.ok(h.complete(stale), "Complete")
		h.ok(in.Forget(h.Context(), []string{"k"}), "Forget")
		fresh := h.grant("b", long, "k")
		if fresh.Token == stale.Token {
			h.fail("both grants have the token %q", fresh.Token)
		}
		h.lost(h.extend(long, stale), "Extend", 0)
		h.lost(h.complete(stale), "Complete of a lost lease", 0)
		h.lost(h.release(claim.Return{Lease: stale}), "Release", 0)
		h.unharmed(fresh)
	})},
	{"UnknownTokens", "a token that was never given out proves nothing", func(h *harness) {
		l := h.grant("a", long, "k")
		other := h.grant("b", long, "other")
		for _, bad := range []claim.Lease{
			{Key: "k", Token: other.Token + "x"},
			{Key: "k", Token: ""},
			{Key: "never claimed", Token: l.Token},
		} {
			h.lost(h.extend(long, bad), "Extend", 0)
			h.lost(h.complete(bad), "Complete", 0)
			h.lost(h.release(claim.Return{Lease: bad}), "Release", 0)
		}
		h.want(claim.Held, "k", "after all that")
		h.want(claim.Granted, "never claimed", "after all that")
	}},
	{"CompleteTwice", "Complete may be repeated with the same token", func(h *harness) {
		l := h.grant("a", h.opts.Expiry, "k")
		h.ok(h.complete(l), "Complete")
		h.ok(h.complete(l), "Complete repeated")
		h.expire()
		h.ok(h.complete(l, l), "Complete repeated later")
	}},
	{"ReleaseTwice", "Release may be repeated with the same token, until the key is claimed again", func(h *harness) {
		l := h.grant("a", long, "k")
		back := claim.Return{Lease: l, Counted: true}
		h.ok(h.release(back), "Release")
		h.ok(h.release(back), "Release repeated")
		h.grant("b", long, "k")
		h.lost(h.release(back), "Release repeated after the key was claimed", 0)
		h.want(claim.Held, "k", "after all that")
	}},
	{"PartOfExtend", "Extend reports exactly the leases that were lost, and extends all others", func(h *harness) {
		leases := h.partlyLost(h.opts.Expiry)
		h.lost(h.extend(long, leases...), "Extend", 1, 3)
		h.expire()
		h.want(claim.Held, "k0", "after it was extended with others")
		h.want(claim.Held, "k2", "after it was extended with others")
		h.want(claim.Held, "k4", "after it was extended with others")
	}},
	{"PartOfComplete", "Complete reports exactly the leases that were lost, and completes all others", func(h *harness) {
		leases := h.partlyLost(long)
		h.lost(h.complete(leases...), "Complete", 1, 3)
		h.want(claim.Done, "k0", "after it was completed with others")
		h.want(claim.Held, "k1", "after its old lease was completed")
		h.want(claim.Done, "k2", "after it was completed with others")
		h.want(claim.Held, "k3", "after its old lease was completed")
		h.want(claim.Done, "k4", "after it was completed with others")
	}},
	{"PartOfRelease", "Release reports exactly the leases that were lost, and releases all others", func(h *harness) {
		var returns []claim.Return
		for _, l := range h.partlyLost(long) {
			returns = append(returns, claim.Return{Lease: l})
		}
		h.lost(h.release(returns...), "Release", 1, 3)
		h.want(claim.Granted, "k0", "after it was released with others")
		h.want(claim.Held, "k1", "after its old lease was released")
		h.want(claim.Granted, "k2", "after it was released with others")
		h.want(claim.Held, "k3", "after its old lease was released")
		h.want(claim.Granted, "k4", "after it was released with others")
	}},
}

// takenOver returns a lease of key k that was lost, and the one it was lost to.
func (h *harness) takenOver() (stale, fresh claim.Lease) {
	h.Helper()
	stale = h.grant("a", h.opts.Expiry, "k")
	h.expire()
	return stale, h.grant("b", long, "k")
}

// unharmed requires that l is as it was granted.
func (h *harness) unharmed(l claim.Lease) {
	h.Helper()
	h.want(claim.Held, l.Key, "after the call")
	h.ok(h.release(claim.Return{Lease: l, Counted: true}), "Release by the one who took over")
	if next := h.grant("c", long, l.Key); next.Attempt != l.Attempt+1 || next.Progress != "" {
		h.fail("the next lease is %+v, want attempt %d and no progress", next, l.Attempt+1)
	}
}

// partlyLost returns leases of k0 to k4, of which k1 and k3 were lost.
func (h *harness) partlyLost(ttl time.Duration) []claim.Lease {
	h.Helper()
	lost := []claim.Lease{h.grant("a", h.opts.Expiry, "k1"), h.grant("a", h.opts.Expiry, "k3")}
	h.expire()
	h.grant("b", long, "k1")
	h.grant("b", long, "k3")
	return []claim.Lease{
		h.grant("a", ttl, "k0"), lost[0], h.grant("a", ttl, "k2"), lost[1], h.grant("a", ttl, "k4"),
	}
}
