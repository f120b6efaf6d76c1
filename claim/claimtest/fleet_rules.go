package claimtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// fleetRules are about several workers that share a store.
var fleetRules = []rule{
	{"RaceForExpired", "of all who race to take over an expired lease, exactly one is granted it", checkRaceForExpired},
	{"SideBySide", "whatever one client does with a claim holds for every other client of the store", beside(func(h, other *harness) {
		l := h.grant("a", long, "k")
		other.want(claim.Held, "k", "for another client")
		l.Progress = "half"
		other.ok(other.extend(long, l), "Extend of another client's lease")
		h.ok(h.release(claim.Return{Lease: l, Counted: true}), "Release")
		other.ok(other.release(claim.Return{Lease: l, Counted: true}), "Release repeated by another client")
		if l = other.grant("b", long, "k"); l.Attempt != 2 || l.Progress != "half" {
			h.fail("the other client is granted %+v, want attempt 2 and progress half", l)
		}
		h.want(claim.Held, "k", "when another client has claimed it")
		h.ok(h.complete(l), "Complete of another client's lease")
		other.ok(other.complete(l), "Complete repeated by another client")
		other.want(claim.Done, "k", "when another client has completed it")

		nonce := h.nonce()
		first := h.claimAs("a", nonce, long, "r1", "r2")
		again := other.claimAs("a", nonce, long, "r1", "r2")
		if !slices.Equal(first, again) {
			h.fail("a call repeated by another client gave %+v, want %+v", again, first)
		}
	})},
	{"SkewedClocks", "a lease lasts its time, and then ends, though the clocks of workers are off by a quarter of it", func(h *harness) {
		if h.fleet.Worker == nil {
			h.Skip("the store has one worker")
		}
		ttl := h.opts.Expiry
		for i, skew := range []struct{ holder, other time.Duration }{
			{0, ttl / 4}, {-ttl / 4, 0}, {0, -ttl / 4}, {ttl / 4, 0},
		} {
			holder := h.as(h.fleet.Worker(h.TB, skew.holder))
			other := h.as(h.fleet.Worker(h.TB, skew.other))
			key := fmt.Sprintf("k%d", i)
			start := h.now()
			holder.grant("a", ttl, key)
			h.lasts(other, key, start, fmt.Sprintf("of a worker off by %v, for one off by %v", skew.holder, skew.other))

			key += "-extended"
			l := holder.grant("a", long, key)
			start = h.now()
			h.ok(holder.extend(ttl, l), "Extend")
			h.lasts(other, key, start, fmt.Sprintf("extended by a worker off by %v, for one off by %v", skew.holder, skew.other))
		}
	}},
}

// beside is a check of two clients of a store.
func beside(check func(h, other *harness)) func(*harness) {
	return func(h *harness) {
		if h.fleet.Worker == nil {
			h.Skip("the store has one worker")
		}
		check(h, h.as(h.fleet.Worker(h.TB, 0)))
	}
}

// lasts requires that a lease of [Options.Expiry], which began at start or
// later, is not granted to the other worker before its time, and is granted
// some time after.
func (h *harness) lasts(other *harness, key string, start moment, what string) {
	h.Helper()
	ttl := h.opts.Expiry
	for waited := time.Duration(0); ; waited += ttl / 8 {
		status := other.claim("b", long, key)[0].Status
		if status == claim.Granted {
			if early := ttl - h.passed(start); early > 0 {
				h.fail("a lease of %v %s: taken over %v before its end", ttl, what, early)
			}
			return
		}
		if status != claim.Held {
			h.fail("a lease %s: its key is %v", what, status)
		}
		if waited > 3*ttl {
			h.fail("a lease of %v %s: not taken over after %v", ttl, what, waited)
		}
		h.advance(ttl / 8)
	}
}

// checkRaceForExpired lets workers race for leases that have expired.
func checkRaceForExpired(h *harness) {
	keys := manyKeys(min(h.opts.Keys, 200))
	stale := make([]claim.Lease, len(keys))
	for i, r := range h.claim("a", h.opts.Expiry, keys...) {
		stale[i] = r.Lease
	}
	h.expire()
	var (
		mu     sync.Mutex
		grants = make(map[string][]claim.Lease, len(keys))
		errs   []error
		wg     sync.WaitGroup
	)
	for range h.opts.Workers {
		nonce := h.nonce()
		wg.Go(func() {
			results, err := h.store.Claim(h.Context(), "worker", nonce, slices.Clone(keys), long)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			for _, r := range results {
				if r.Status == claim.Granted {
					grants[r.Lease.Key] = append(grants[r.Lease.Key], r.Lease)
				}
			}
		})
	}
	wg.Wait()
	h.ok(errors.Join(errs...), "a worker")
	for i, key := range keys {
		g := grants[key]
		if len(g) != 1 {
			h.fail("key %q was granted %d times, want once", key, len(g))
		}
		if g[0].Attempt != 2 || g[0].Token == stale[i].Token {
			h.fail("key %q was granted as %+v, want attempt 2 and a new token", key, g[0])
		}
	}
}
