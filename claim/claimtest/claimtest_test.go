package claimtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	text   strings.Builder
	failed bool
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.mu.Lock()
	r.failed = true
	fmt.Fprintf(&r.text, format, args...)
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Skip(...any) { runtime.Goexit() }

// failures runs the suite on a broken store and returns what broken rules
// printed, by their names.
func failures(t *testing.T, open func() claim.Claimer) map[string]string {
	return fleetFailures(t, func() Fleet { return Fleet{Store: open()} })
}

func fleetFailures(t *testing.T, open func() Fleet) map[string]string {
	broken := make(map[string]string)
	opts := Options{Keys: 500, Workers: 8}.withDefaults()
	for _, r := range rules() {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				r.run(rec, func(testing.TB) Fleet { return open() }, opts)
			}()
			<-done
			if rec.failed {
				broken[r.name] = rec.text.String()
			}
		})
	}
	return broken
}

func TestASoundStoreBreaksNoRule(t *testing.T) {
	require.Empty(t, failures(t, func() claim.Claimer { return memory.New() }))
}

// A Claimer that is no Inspector need not be one.
func TestInspectorIsOptional(t *testing.T) {
	require.Empty(t, failures(t, func() claim.Claimer { return struct{ claim.Claimer }{memory.New()} }))
}

func TestRulesAreNamedOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range rules() {
		require.False(t, seen[r.name], r.name)
		require.NotEmpty(t, r.text, r.name)
		seen[r.name] = true
	}
}

// mutant is a store in memory with one defect. Its functions replace what the
// store does, where they are set.
type mutant struct {
	*memory.Store
	claim    func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error)
	extend   func(m *mutant, ctx context.Context, leases []claim.Lease, ttl time.Duration) error
	complete func(m *mutant, ctx context.Context, leases []claim.Lease) error
	release  func(m *mutant, ctx context.Context, returns []claim.Return) error

	mu     *sync.Mutex
	tokens map[string]string // the last token of each key
	calls  int
	// For defects that remember leases.
	granted map[string]claim.Lease // by nonce
	kept    []claim.Lease
}

func (m *mutant) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) (r []claim.Result, err error) {
	if m.claim != nil {
		r, err = m.claim(m, ctx, owner, nonce, keys, ttl)
	} else {
		r, err = m.Store.Claim(ctx, owner, nonce, keys, ttl)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range r {
		if r[i].Status == claim.Granted {
			m.tokens[r[i].Lease.Key] = r[i].Lease.Token
		}
	}
	return r, err
}

func (m *mutant) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if m.extend != nil {
		return m.extend(m, ctx, leases, ttl)
	}
	return m.Store.Extend(ctx, leases, ttl)
}

func (m *mutant) Complete(ctx context.Context, leases []claim.Lease) error {
	if m.complete != nil {
		return m.complete(m, ctx, leases)
	}
	return m.Store.Complete(ctx, leases)
}

func (m *mutant) Release(ctx context.Context, returns []claim.Return) error {
	if m.release != nil {
		return m.release(m, ctx, returns)
	}
	return m.Store.Release(ctx, returns)
}

// ended notes the nonce of a call about one key, and reports whether it had it
// before and the lease of the key has ended since.
func (m *mutant) ended(ctx context.Context, nonce string, keys []string) bool {
	if len(keys) != 1 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, again := m.granted[nonce]
	m.granted[nonce] = claim.Lease{}
	e, err := m.Inspect(ctx, keys)
	return again && err == nil && e[0].State == claim.Processing && !e[0].Expires.After(time.Now())
}

// unfenced returns the leases with the tokens that would be right.
func (m *mutant) unfenced(leases []claim.Lease) []claim.Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	leases = slices.Clone(leases)
	for i := range leases {
		if token, ok := m.tokens[leases[i].Key]; ok {
			leases[i].Token = token
		}
	}
	return leases
}

// numbered returns leases whose token is the number of their attempt with their
// real one.
func (m *mutant) numbered(leases []claim.Lease) []claim.Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	leases = slices.Clone(leases)
	for i, l := range leases {
		for _, k := range m.kept {
			if k.Key == l.Key && fmt.Sprint(k.Attempt) == l.Token {
				leases[i].Token = k.Token
			}
		}
	}
	return leases
}

// returned maps the leases of returns.
func returned(returns []claim.Return, change func([]claim.Lease) []claim.Lease) []claim.Return {
	returns = slices.Clone(returns)
	for i := range returns {
		returns[i].Lease = change([]claim.Lease{returns[i].Lease})[0]
	}
	return returns
}

// withoutLost hides which entries failed.
func withoutLost(err error) error {
	if _, ok := errors.AsType[*claim.BatchError](err); ok {
		return nil
	}
	return err
}

// onResults is a defect of what Claim answers.
func onResults(change func(m *mutant, nonce string, r []claim.Result)) mutant {
	return mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
		r, err := m.Store.Claim(ctx, owner, nonce, keys, ttl)
		change(m, nonce, r)
		return r, err
	}}
}

// onKeys is a store that changes keys.
func onKeys(change func(string) string) mutant {
	leases := func(all []claim.Lease) []claim.Lease {
		all = slices.Clone(all)
		for i := range all {
			all[i].Key = change(all[i].Key)
		}
		return all
	}
	return mutant{
		claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			changed := make([]string, len(keys))
			for i := range keys {
				changed[i] = change(keys[i])
			}
			r, err := m.Store.Claim(ctx, owner, nonce, changed, ttl)
			for i := range r {
				r[i].Lease.Key = keys[i]
			}
			return r, err
		},
		extend: func(m *mutant, ctx context.Context, l []claim.Lease, ttl time.Duration) error {
			return m.Store.Extend(ctx, leases(l), ttl)
		},
		complete: func(m *mutant, ctx context.Context, l []claim.Lease) error { return m.Store.Complete(ctx, leases(l)) },
		release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			return m.Store.Release(ctx, returned(r, leases))
		},
	}
}

// Each defect must break the rules that are about it, and the text of the rule
// must be printed.
func TestEachDefectBreaksItsRule(t *testing.T) {
	for name, c := range map[string]struct {
		mutant mutant
		rules  []string
	}{
		"Extend is not fenced": {mutant{extend: func(m *mutant, ctx context.Context, l []claim.Lease, ttl time.Duration) error {
			return m.Store.Extend(ctx, m.unfenced(l), ttl)
		}}, []string{"ExtendIsFenced", "PartOfExtend", "UnknownTokens"}},
		"Complete is not fenced": {mutant{complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			return m.Store.Complete(ctx, m.unfenced(l))
		}}, []string{"CompleteIsFenced", "FencedAfterCompletion", "PartOfComplete"}},
		"Release is not fenced": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			return m.Store.Release(ctx, returned(r, m.unfenced))
		}}, []string{"ReleaseIsFenced", "PartOfRelease", "ReleaseTwice"}},
		"lost leases are not reported": {mutant{
			extend: func(m *mutant, ctx context.Context, l []claim.Lease, ttl time.Duration) error {
				return withoutLost(m.Store.Extend(ctx, l, ttl))
			},
			complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
				return withoutLost(m.Store.Complete(ctx, l))
			},
			release: func(m *mutant, ctx context.Context, r []claim.Return) error {
				return withoutLost(m.Store.Release(ctx, r))
			},
		}, []string{"ExtendIsFenced", "CompleteIsFenced", "ReleaseIsFenced", "FencedAfterRelease", "FencedAfterOwnCompletion"}},
		"a failed entry fails all": {mutant{complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			entries, err := m.Store.Inspect(ctx, []string{"k1"})
			if err == nil && len(l) > 1 && entries[0].Attempt == 2 {
				return errors.New("transaction failed")
			}
			return m.Store.Complete(ctx, l)
		}}, []string{"PartOfComplete"}},
		"indexes are off by one": {mutant{extend: func(m *mutant, ctx context.Context, l []claim.Lease, ttl time.Duration) error {
			err := m.Store.Extend(ctx, l, ttl)
			if batch, ok := errors.AsType[*claim.BatchError](err); ok {
				for i := range batch.Failed {
					batch.Failed[i].Index++
				}
			}
			return err
		}}, []string{"PartOfExtend"}},
		"completing twice is refused": {mutant{complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			if len(l) == 0 {
				return nil
			}
			entries, err := m.Store.Inspect(ctx, []string{l[0].Key})
			if err == nil && entries[0].State == claim.Finished {
				return &claim.BatchError{Failed: []claim.EntryError{{Index: 0, Err: claim.ErrLost}}}
			}
			return m.Store.Complete(ctx, l)
		}}, []string{"CompleteTwice", "Count"}},
		"attempts are counted twice": {onResults(func(_ *mutant, _ string, r []claim.Result) {
			for i := range r {
				r[i].Lease.Attempt *= 2
			}
		}), []string{"Granted", "TakenOverAfterExpiry", "CountedRelease"}},
		"a clean release counts": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			r = slices.Clone(r)
			for i := range r {
				r[i].Counted = true
			}
			return m.Store.Release(ctx, r)
		}}, []string{"CleanRelease", "ExpiredMayBeReleased"}},
		"a counted release is refunded": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			r = slices.Clone(r)
			for i := range r {
				r[i].Counted = false
			}
			return m.Store.Release(ctx, r)
		}}, []string{"CountedRelease", "ReleaseIsFenced", "Inspect"}},
		"the delay is ignored": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			r = slices.Clone(r)
			for i := range r {
				r[i].Delay = 0
			}
			return m.Store.Release(ctx, r)
		}}, []string{"Delay"}},
		"every release has a delay": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			r = slices.Clone(r)
			for i := range r {
				r[i].Delay += time.Second
			}
			return m.Store.Release(ctx, r)
		}}, []string{"ReleasedAtOnce", "Delay"}},
		"a duplicate key is granted twice": {onResults(func(_ *mutant, _ string, r []claim.Result) {
			for i := range r {
				for j := range i {
					if r[j].Lease.Key == "k" && r[i].Status == claim.Held {
						r[i] = r[j]
					}
				}
			}
		}), []string{"TwiceInOneCall"}},
		"held keys are granted": {onResults(func(_ *mutant, nonce string, r []claim.Result) {
			for i := range r {
				if r[i].Status == claim.Held {
					r[i] = claim.Result{Status: claim.Granted, Lease: claim.Lease{Key: "k2", Token: nonce, Attempt: 1}}
				}
			}
		}), []string{"Held", "Delay", "TwiceInOneCall"}},
		"every hundredth key is done": {onResults(func(_ *mutant, _ string, r []claim.Result) {
			for i := range r {
				if i%100 == 42 {
					r[i] = claim.Result{Status: claim.Done}
				}
			}
		}), []string{"NotDone", "ManyKeys"}},
		"done keys are held": {onResults(func(_ *mutant, _ string, r []claim.Result) {
			for i := range r {
				if r[i].Status == claim.Done {
					r[i].Status = claim.Held
				}
			}
		}), []string{"Done", "FencedAfterCompletion", "HostileKeys"}},
		"leases never expire": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			return m.Store.Claim(ctx, owner, nonce, keys, ttl+time.Hour)
		}}, []string{"TakenOverAfterExpiry", "Expired"}},
		"Extend does not extend": {mutant{extend: func(m *mutant, ctx context.Context, l []claim.Lease, _ time.Duration) error {
			return m.Store.Extend(ctx, l, time.Nanosecond)
		}}, []string{"ExtendKeepsALease", "PartOfExtend"}},
		"an expired lease cannot be extended": {mutant{extend: func(m *mutant, ctx context.Context, l []claim.Lease, ttl time.Duration) error {
			if len(l) == 0 {
				return nil
			}
			e, err := m.Store.Inspect(ctx, []string{l[0].Key})
			if err == nil && !e[0].Expires.After(time.Now()) {
				return &claim.BatchError{Failed: []claim.EntryError{{Index: 0, Err: claim.ErrLost}}}
			}
			return m.Store.Extend(ctx, l, ttl)
		}}, []string{"ExpiredMayBeExtended"}},
		"an expired lease cannot be completed": {mutant{complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			for i := range l {
				e, err := m.Store.Inspect(ctx, []string{l[i].Key})
				if err == nil && e[0].State == claim.Processing && !e[0].Expires.After(time.Now()) {
					return &claim.BatchError{Failed: []claim.EntryError{{Index: i, Err: claim.ErrLost}}}
				}
			}
			return m.Store.Complete(ctx, l)
		}}, []string{"ExpiredMayBeCompleted"}},
		"a nonce brings back what was lost": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if l, ok := m.granted[nonce]; ok && len(keys) == 1 {
				return []claim.Result{{Status: claim.Granted, Lease: l}}, nil
			}
			r, err := m.Store.Claim(ctx, owner, nonce, keys, ttl)
			if len(r) == 1 && r[0].Status == claim.Granted {
				m.granted[nonce] = r[0].Lease
			}
			return r, err
		}}, []string{"SameNonceLater"}},
		"a repetition does not prolong the lease": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			m.mu.Lock()
			l, ok := m.granted[nonce]
			m.mu.Unlock()
			if ok && len(keys) == 1 && !m.ended(ctx, nonce, keys) {
				return []claim.Result{{Status: claim.Granted, Lease: l}}, nil
			}
			r, err := m.Store.Claim(ctx, owner, nonce, keys, ttl)
			if len(r) == 1 && r[0].Status == claim.Granted {
				m.mu.Lock()
				m.granted[nonce] = r[0].Lease
				m.mu.Unlock()
			}
			return r, err
		}}, []string{"SameNonceRenews"}},
		"a nonce ends with its lease": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			if m.ended(ctx, nonce, keys) {
				nonce += "-late"
			}
			return m.Store.Claim(ctx, owner, nonce, keys, ttl)
		}}, []string{"SameNonceExpired"}},
		"a repetition leaves the lease ended": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			if m.ended(ctx, nonce, keys) {
				ttl = time.Nanosecond
			}
			return m.Store.Claim(ctx, owner, nonce, keys, ttl)
		}}, []string{"SameNonceExpired"}},
		"Extend forgets progress": {mutant{extend: func(m *mutant, ctx context.Context, l []claim.Lease, ttl time.Duration) error {
			l = slices.Clone(l)
			for i := range l {
				l[i].Progress = ""
			}
			return m.Store.Extend(ctx, l, ttl)
		}}, []string{"ProgressOfExtend"}},
		"Release forgets progress": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			r = slices.Clone(r)
			for i := range r {
				r[i].Lease.Progress = ""
			}
			return m.Store.Release(ctx, r)
		}}, []string{"ProgressOfRelease", "LongProgress", "KeepsNoSlices"}},
		"progress is cut": {mutant{release: func(m *mutant, ctx context.Context, r []claim.Return) error {
			r = slices.Clone(r)
			for i := range r {
				r[i].Lease.Progress = r[i].Lease.Progress[:min(1024, len(r[i].Lease.Progress))]
			}
			return m.Store.Release(ctx, r)
		}}, []string{"LongProgress"}},
		"the nonce is ignored": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			m.mu.Lock()
			m.calls++
			nonce = fmt.Sprint(nonce, "-", m.calls)
			m.mu.Unlock()
			return m.Store.Claim(ctx, owner, nonce, keys, ttl)
		}}, []string{"SameNonce"}},
		"a repeated call counts again": {onResults(func(m *mutant, nonce string, r []claim.Result) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for i := range r {
				if m.tokens[r[i].Lease.Key] == r[i].Lease.Token {
					r[i].Lease.Attempt++
				}
			}
		}), []string{"SameNonce"}},
		"tokens are numbers of attempts": {mutant{
			claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
				r, err := m.Store.Claim(ctx, owner, nonce, keys, ttl)
				m.mu.Lock()
				defer m.mu.Unlock()
				for i := range r {
					if r[i].Status == claim.Granted {
						m.kept = append(m.kept, r[i].Lease)
						r[i].Lease.Token = fmt.Sprint(r[i].Lease.Attempt)
					}
				}
				return r, err
			},
			complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
				return m.Store.Complete(ctx, m.numbered(l))
			},
			release: func(m *mutant, ctx context.Context, r []claim.Return) error {
				return m.Store.Release(ctx, returned(r, m.numbered))
			},
		}, []string{"TokensAreNew"}},
		"slices are kept": {mutant{
			complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
				m.mu.Lock()
				m.kept = l // written behind the caller's back
				m.mu.Unlock()
				return nil
			},
			claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
				m.mu.Lock()
				kept := m.kept
				m.kept = nil
				m.mu.Unlock()
				if kept != nil {
					m.Store.Complete(ctx, kept)
				}
				return m.Store.Claim(ctx, owner, nonce, keys, ttl)
			},
		}, []string{"KeepsNoSlices", "Done"}},
		"keys are cut at NUL":       {onKeys(func(k string) string { k, _, _ = strings.Cut(k, "\x00"); return k + "." }), []string{"HostileKeys"}},
		"keys are trimmed":          {onKeys(func(k string) string { return strings.TrimSpace(k) + "." }), []string{"HostileKeys"}},
		"keys have no case":         {onKeys(strings.ToLower), []string{"HostileKeys"}},
		"keys are cleaned paths":    {onKeys(func(k string) string { return strings.ReplaceAll(k, "//", "/") }), []string{"HostileKeys"}},
		"keys are made valid UTF-8": {onKeys(func(k string) string { return strings.ToValidUTF8(k, "\ufffd") }), []string{"HostileKeys"}},
		"keys are cut to 1,024":     {onKeys(func(k string) string { return k[:min(len(k), 1024)] }), []string{"HostileKeys"}},
		"an empty key is a key": {onKeys(func(k string) string {
			return "prefix/" + k
		}), []string{"EmptyKey"}},
		"only so many keys a call": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			return m.Store.Claim(ctx, owner, nonce, keys[:min(len(keys), 100)], ttl)
		}}, []string{"ManyKeys"}},
		"look, then claim": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			e, err := m.Store.Inspect(ctx, keys)
			if err != nil {
				return nil, err
			}
			time.Sleep(time.Millisecond) // where a network would be
			r, err := m.Store.Claim(ctx, owner, nonce, keys, ttl)
			for i := range e {
				if e[i].State == claim.Free && r[i].Status != claim.Granted {
					r[i] = claim.Result{Status: claim.Granted, Lease: claim.Lease{Key: keys[i], Token: "x"}}
				}
			}
			return r, withoutLost(err)
		}, complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			return withoutLost(m.Store.Complete(ctx, l))
		}}, []string{"Race"}},
		"contexts are ignored": {mutant{
			claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
				return m.Store.Claim(context.WithoutCancel(ctx), owner, nonce, keys, ttl)
			},
			complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
				return m.Store.Complete(context.WithoutCancel(ctx), l)
			},
		}, []string{"EndedContext"}},
		"a takeover looks first": {mutant{claim: func(m *mutant, ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
			e, err := m.Store.Inspect(ctx, keys)
			if err != nil {
				return nil, err
			}
			time.Sleep(time.Millisecond) // where a network would be
			r, err := m.Store.Claim(ctx, owner, nonce, keys, ttl)
			for i := range r {
				if e[i].State == claim.Processing && !e[i].Expires.After(time.Now()) && r[i].Status == claim.Held {
					r[i] = claim.Result{Status: claim.Granted, Lease: claim.Lease{Key: keys[i], Token: nonce, Attempt: 2}}
				}
			}
			return r, err
		}}, []string{"RaceForExpired"}},
		"a completion is remembered for ever": {mutant{complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			m.mu.Lock()
			again := len(l) == 1 && slices.Contains(m.kept, l[0])
			m.kept = append(m.kept, l...)
			m.mu.Unlock()
			if again {
				return nil
			}
			return m.Store.Complete(ctx, l)
		}}, []string{"FencedAfterForget"}},
		"two bytes are the same": {onKeys(func(k string) string { return strings.ReplaceAll(k, "\x1c", "\x1d") }), []string{"EveryByte"}},
		"an empty list is an error": {mutant{complete: func(m *mutant, ctx context.Context, l []claim.Lease) error {
			if len(l) == 0 {
				return errors.New("no leases")
			}
			return m.Store.Complete(ctx, l)
		}}, []string{"NothingToDo"}},
	} {
		t.Run(name, func(t *testing.T) {
			broken := failures(t, func() claim.Claimer {
				m := c.mutant
				m.mu, m.Store = new(sync.Mutex), memory.New()
				m.tokens, m.granted = make(map[string]string), make(map[string]claim.Lease)
				return &m
			})
			if alone[name] {
				require.Len(t, broken, 1)
			}
			for _, rule := range c.rules {
				require.Contains(t, broken, rule)
				require.Contains(t, broken[rule], "broken rule: "+text(rule))
			}
		})
	}
}

// alone are the defects that only one rule can find.
var alone = map[string]bool{
	"a takeover looks first":              true,
	"a nonce ends with its lease":         true,
	"a repetition leaves the lease ended": true,
	"a completion is remembered for ever": true,
	"two bytes are the same":              true,
}

func text(name string) string {
	for _, r := range rules() {
		if r.name == name {
			return r.text
		}
	}
	return "no such rule: " + name
}

// blind is an Inspector with one defect.
type blind struct {
	*memory.Store
	inspect   func(e []claim.Entry)
	completed func(e claim.Entry) int // how often it is listed
	forget    func(keys []string) []string
	count     func(c *claim.Counts)
	grace     func(d time.Duration) time.Duration
}

func (b *blind) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	e, err := b.Store.Inspect(ctx, keys)
	if b.inspect != nil {
		b.inspect(e)
	}
	return e, err
}

func (b *blind) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	if b.completed == nil {
		return b.Store.Completed(ctx)
	}
	return func(yield func(claim.Entry, error) bool) {
		for e, err := range b.Store.Completed(ctx) {
			for range b.completed(e) {
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

func (b *blind) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	if b.grace != nil {
		grace = b.grace(grace)
	}
	return b.Store.Expired(ctx, grace)
}

func (b *blind) Forget(ctx context.Context, keys []string) error {
	if b.forget != nil {
		keys = b.forget(keys)
	}
	return b.Store.Forget(ctx, keys)
}

func (b *blind) Count(ctx context.Context) (claim.Counts, error) {
	c, err := b.Store.Count(ctx)
	if b.count != nil {
		b.count(&c)
	}
	return c, err
}

func TestEachDefectOfAnInspectorBreaksItsRule(t *testing.T) {
	for name, c := range map[string]struct {
		blind blind
		rule  string
	}{
		"entries are in order of keys": {blind{inspect: func(e []claim.Entry) {
			slices.SortFunc(e, func(a, b claim.Entry) int { return strings.Compare(a.Key, b.Key) })
		}}, "Inspect"},
		"progress is not shown":       {blind{inspect: func(e []claim.Entry) { e[len(e)-1].Progress = "" }}, "Inspect"},
		"grace is ignored":            {blind{grace: func(time.Duration) time.Duration { return 0 }}, "Expired"},
		"live leases are expired":     {blind{grace: func(d time.Duration) time.Duration { return d - time.Hour }}, "Expired"},
		"completed keys are missing":  {blind{completed: func(e claim.Entry) int { return len(e.Key) % 2 }}, "Completed"},
		"completed keys come twice":   {blind{completed: func(claim.Entry) int { return 2 }}, "Completed"},
		"Forget forgets the last":     {blind{forget: func(keys []string) []string { return keys[:1] }}, "Forget"},
		"Forget forgets all":          {blind{forget: func(keys []string) []string { return append(keys, "kept") }}, "Forget"},
		"expired leases are not told": {blind{count: func(c *claim.Counts) { c.Processing += c.Expired; c.Expired = 0 }}, "Count"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := failures(t, func() claim.Claimer {
				b := c.blind
				b.Store = memory.New()
				return &b
			})
			require.Contains(t, broken, c.rule)
			require.Contains(t, broken[c.rule], "broken rule: "+text(c.rule))
		})
	}
}
