// Package claimtest is the conformance suite of claim stores. A driver's test
// is a few lines:
//
//	func TestConformance(t *testing.T) {
//		claimtest.Run(t, func(t testing.TB) claim.Claimer { return memory.New() },
//			claimtest.Options{Bubble: true})
//	}
//
// A store that many workers share over a network proves more of itself with
// [RunFleet].
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
	// Keys is the number of keys in the rules about many keys, and the most
	// that any rule has but those about the keys themselves. Defaults to 10,000,
	// and to 1,000 under go test -short; with fewer than 256 only so many of all
	// bytes are tried as keys.
	Keys int
	// Workers is how many goroutines race for keys. Defaults to 64, and to 16
	// under go test -short.
	Workers int
	// Parallel checks the rules in parallel, each with a store of its own: for
	// stores with which leases take real time to expire.
	Parallel bool
}

// Fleet is one empty store, and what several workers see of it. Rules about
// what is nil are skipped.
type Fleet struct {
	// Store is the store as a worker reaches it. Required.
	Store claim.Claimer
	// Worker returns another client of the same store, as another worker has
	// it: of another version of the driver, where there are two. Its own clock
	// is ahead of the store's by skew, which may be negative; a client that
	// knows no clock but the store's has nothing to do for it.
	Worker func(t testing.TB, skew time.Duration) claim.Claimer
	// Faulty returns another client of the same store, with faults on the way.
	// It must fail at the first fault it sees, or soon after.
	Faulty func(t testing.TB) Faulty
	// Later makes the store one of a later version of the driver, which this
	// one cannot share; where versions are told apart by key, at least what is
	// known of the key "k". Clients that are open stay open.
	Later func(t testing.TB)
}

// Faulty is a client of a store, and what can be done to the way between them.
// Each function turns a fault on and off. A [Network] does the first two for
// clients that can be told how to dial.
type Faulty struct {
	Store claim.Claimer
	// Mute loses the answers: requests reach the store and take effect.
	Mute func(on bool)
	// Away lets nothing through.
	Away func(on bool)
	// Partly lets nothing through about some of the keys, about half of them,
	// as where one of several servers is away.
	Partly func(on bool)
}

// long is the time to live of leases that do not expire within a rule.
const long = 5 * time.Minute

// Run checks every rule of [claim.Claimer] against stores that open returns,
// and those of [claim.Inspector] if the store is one. open must return an empty
// store; what it has to close it registers with t.Cleanup. A failure prints
// the rule that was broken.
func Run(t *testing.T, open func(t testing.TB) claim.Claimer, opts Options) {
	t.Helper()
	RunFleet(t, func(t testing.TB) Fleet { return Fleet{Store: open(t)} }, opts)
}

// RunFleet is [Run] for stores that several workers share. It checks the rules
// about them too.
func RunFleet(t *testing.T, open func(t testing.TB) Fleet, opts Options) {
	t.Helper()
	opts = opts.withDefaults()
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if opts.Parallel {
				t.Parallel()
			}
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
	keys, workers := 10_000, 64
	if testing.Short() {
		keys, workers = 1_000, 16
	}
	if o.Keys == 0 {
		o.Keys = keys
	}
	if o.Workers == 0 {
		o.Workers = workers
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
	return slices.Concat(leaseRules, fencingRules, inputRules, inspectorRules, fleetRules, versionRules, faultRules)
}

func (r rule) run(t testing.TB, open func(testing.TB) Fleet, opts Options) {
	t.Helper()
	fleet := open(t)
	h := &harness{TB: t, rule: r.text, fleet: fleet, store: fleet.Store, opts: opts, run: rand.Text()}
	r.check(h)
}

// harness is what a rule works with. It overwrites every slice it has passed
// to the store, so that a store which keeps one is found out.
type harness struct {
	testing.TB
	rule  string
	fleet Fleet
	store claim.Claimer // the one that is spoken to
	opts  Options
	run   string // makes nonces unique where stores outlive a run
	calls int

	advanced time.Duration // by Options.Advance, beyond what passed on this machine
}

// fail ends the rule as broken.
func (h *harness) fail(format string, args ...any) {
	h.Helper()
	h.Fatalf("broken rule: %s\n\t%s", h.rule, fmt.Sprintf(format, args...))
}

// expire lets leases of [Options.Expiry] expire.
func (h *harness) expire() { h.advance(h.opts.Expiry + h.opts.Expiry/4) }

func (h *harness) advance(d time.Duration) {
	start := time.Now()
	h.opts.Advance(d)
	h.advanced += max(0, d-time.Since(start))
}

// passed returns how much time can have passed on the store's clock since the
// harness was at the given place in time, at most. What a rule says must not
// happen before some time is only judged by it, so that a slow machine breaks
// no rule.
func (h *harness) passed(since moment) time.Duration {
	return time.Since(since.at) + h.advanced - since.advanced
}

// moment is a place in time.
type moment struct {
	at       time.Time
	advanced time.Duration
}

func (h *harness) now() moment { return moment{time.Now(), h.advanced} }

// as returns the harness of the same rule that speaks to another client.
func (h *harness) as(store claim.Claimer) *harness {
	return &harness{TB: h.TB, rule: h.rule, fleet: h.fleet, store: store, opts: h.opts, run: h.run + "-" + rand.Text()}
}

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
