// Package claimtest is the conformance suite of claim stores. A driver's test
// is a few lines:
//
//	func TestConformance(t *testing.T) {
//		claimtest.Run(t, func(t testing.TB) claim.Claimer { return memory.New() },
//			claimtest.Options{Bubble: true})
//	}
package claimtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unspool-go/unspool/claim"
)

// Options fits the suite to a store. The zero value suits a store with a clock
// and a network of its own.
type Options struct {
	// Bubble runs each rule in a bubble of testing/synctest, where time takes
	// no time. For stores that live in the process of the test, use its clock,
	// and do nothing in the background once they are closed.
	Bubble bool
	// Advance lets time pass on the store's clock. Defaults to time.Sleep.
	Advance func(time.Duration)
	// Expiry is the time to live of the leases that a rule lets expire, for
	// stores whose clock is coarse. Defaults to 200 ms.
	Expiry time.Duration
	// Keys is the number of keys in the rules about many keys. Defaults to
	// 10,000.
	Keys int
	// Workers is how many goroutines race for keys. Defaults to 32.
	Workers int
}

// long is the time to live of leases that do not expire within a rule.
const long = 5 * time.Minute

// Run checks every rule of [claim.Claimer] against stores that open returns,
// and those of [claim.Inspector] if the store is one. open must return an empty
// store; what it has to close it registers with t.Cleanup. A failure prints
// the rule that was broken.
func Run(t *testing.T, open func(t testing.TB) claim.Claimer, opts Options) {
	opts = opts.withDefaults()
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if opts.Bubble {
				synctest.Test(t, func(t *testing.T) { r.run(t, open, opts) })
				return
			}
			r.run(t, open, opts)
		})
	}
}

func (o Options) withDefaults() Options {
	if o.Advance == nil {
		o.Advance = time.Sleep
	}
	if o.Expiry == 0 {
		o.Expiry = 200 * time.Millisecond
	}
	if o.Keys == 0 {
		o.Keys = 10_000
	}
	if o.Workers == 0 {
		o.Workers = 32
	}
	return o
}

// rule is one promise of the port, and its proof.
type rule struct {
	name  string
	text  string
	check func(h *harness)
}

func rules() []rule {
	return slices.Concat(leaseRules, fencingRules, inputRules, inspectorRules)
}

func (r rule) run(t testing.TB, open func(testing.TB) claim.Claimer, opts Options) {
	t.Helper()
	h := &harness{TB: t, rule: r.text, store: open(t), opts: opts, run: rand.Text()}
	r.check(h)
}

// harness is what a rule works with. It overwrites every slice it has passed
// to the store, so that a store which keeps one is found out.
type harness struct {
	testing.TB
	rule  string
	store claim.Claimer
	opts  Options
	run   string // makes nonces unique where stores outlive a run
	calls int
}

// fail ends the rule as broken.
func (h *harness) fail(format string, args ...any) {
	h.Helper()
	h.Fatalf("broken rule: %s\n\t%s", h.rule, fmt.Sprintf(format, args...))
}

// expire lets leases of [Options.Expiry] expire.
func (h *harness) expire() { h.opts.Advance(h.opts.Expiry + h.opts.Expiry/4) }

// nonce returns a nonce that was never used.
func (h *harness) nonce() string {
	h.calls++
	return fmt.Sprintf("%s-%d", h.run, h.calls)
}

// try claims keys and returns whatever the store says.
func (h *harness) try(owner, nonce string, ttl time.Duration, keys ...string) ([]claim.Result, error) {
	passed := slices.Clone(keys)
	results, err := h.store.Claim(h.Context(), owner, nonce, passed, ttl)
	for i := range passed {
		passed[i] = "overwritten"
	}
	return results, err
}

// claim claims keys, which must be answered for without an error.
func (h *harness) claim(owner string, ttl time.Duration, keys ...string) []claim.Result {
	h.Helper()
	return h.claimAs(owner, h.nonce(), ttl, keys...)
}

func (h *harness) claimAs(owner, nonce string, ttl time.Duration, keys ...string) []claim.Result {
	h.Helper()
	results, err := h.try(owner, nonce, ttl, keys...)
	if err != nil {
		h.fail("Claim of %d keys: %v", len(keys), err)
	}
	if len(results) != len(keys) {
		h.fail("Claim of %d keys gave %d results", len(keys), len(results))
	}
	return results
}

// grant claims one key, which must be granted.
func (h *harness) grant(owner string, ttl time.Duration, key string) claim.Lease {
	h.Helper()
	r := h.claim(owner, ttl, key)[0]
	if r.Status != claim.Granted {
		h.fail("Claim of %q by %s: %v, want granted", key, owner, r.Status)
	}
	return r.Lease
}

// want claims one key, which must have the status.
func (h *harness) want(status claim.Status, key, when string) {
	h.Helper()
	if got := h.claim("onlooker", long, key)[0].Status; got != status {
		h.fail("Claim of %q %s: %v, want %v", key, when, got, status)
	}
}

func (h *harness) extend(ttl time.Duration, leases ...claim.Lease) error {
	passed := slices.Clone(leases)
	err := h.store.Extend(h.Context(), passed, ttl)
	for i := range passed {
		passed[i] = claim.Lease{Key: "overwritten", Token: "overwritten", Progress: "overwritten"}
	}
	return err
}

func (h *harness) complete(leases ...claim.Lease) error {
	passed := slices.Clone(leases)
	err := h.store.Complete(h.Context(), passed)
	for i := range passed {
		passed[i] = claim.Lease{Key: "overwritten", Token: "overwritten"}
	}
	return err
}

func (h *harness) release(returns ...claim.Return) error {
	passed := slices.Clone(returns)
	err := h.store.Release(h.Context(), passed)
	for i := range passed {
		passed[i] = claim.Return{Lease: claim.Lease{Key: "overwritten", Token: "overwritten"}, Reason: "overwritten"}
	}
	return err
}

// ok requires that a call succeeded.
func (h *harness) ok(err error, what string) {
	h.Helper()
	if err != nil {
		h.fail("%s: %v", what, err)
	}
}

// lost requires that exactly the given entries failed, with ErrLost.
func (h *harness) lost(err error, what string, indexes ...int) {
	h.Helper()
	h.failed(err, what, indexes...)
	batch, _ := errors.AsType[*claim.BatchError](err)
	for _, f := range batch.Failed {
		if !errors.Is(f.Err, claim.ErrLost) {
			h.fail("%s: entry %d failed with %v, want an error that wraps ErrLost", what, f.Index, f.Err)
		}
	}
}

// failed requires a *BatchError that lists exactly the given entries.
func (h *harness) failed(err error, what string, indexes ...int) {
	h.Helper()
	if err == nil {
		h.fail("%s: no error, want a *BatchError", what)
	}
	batch, ok := errors.AsType[*claim.BatchError](err)
	if !ok {
		h.fail("%s: %v, want a *BatchError", what, err)
	}
	var got []int
	for _, f := range batch.Failed {
		got = append(got, f.Index)
	}
	slices.Sort(got)
	if !slices.Equal(got, indexes) {
		h.fail("%s: entries %v failed, want %v", what, got, indexes)
	}
}

// cancelled returns a context that has ended.
func (h *harness) cancelled() context.Context {
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	return ctx
}
