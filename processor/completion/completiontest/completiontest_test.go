package completiontest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/memory"
)

// recorder takes the failures of a rule for itself.
type recorder struct {
	testing.TB
	failed bool
}

type stop struct{}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Skip(...any)           { panic(stop{}) }
func (r *recorder) Fatalf(string, ...any) {
	r.failed = true
	panic(stop{})
}

// broken is a store that breaks a promise.
type broken struct {
	completion.Store
	arrive  func(set completion.Set, a []completion.Arrival) (completion.Set, []completion.Arrival)
	swap    func(completion.Change) completion.Change
	missing func([]string) []string
	deaf    bool
}

func (b broken) context(ctx context.Context) context.Context {
	if b.deaf {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (b broken) Arrive(ctx context.Context, set completion.Set, a []completion.Arrival) (int, error) {
	if b.arrive != nil {
		set, a = b.arrive(set, a)
	}
	return b.Store.Arrive(b.context(ctx), set, a)
}

func (b broken) Swap(ctx context.Context, set completion.Set, c completion.Change) (bool, error) {
	if b.swap != nil {
		c = b.swap(c)
	}
	return b.Store.Swap(b.context(ctx), set, c)
}

func (b broken) Missing(ctx context.Context, set completion.Set, keys []string) ([]string, error) {
	gone, err := b.Store.Missing(b.context(ctx), set, keys)
	if b.missing != nil {
		gone = b.missing(gone)
	}
	return gone, err
}

// Each way of being broken is told of by the rule that it breaks.
func TestTheSuiteSeesWhatIsBroken(t *testing.T) {
	n := 0
	each := func(change func(*completion.Arrival)) func(completion.Set, []completion.Arrival) (completion.Set, []completion.Arrival) {
		return func(set completion.Set, a []completion.Arrival) (completion.Set, []completion.Arrival) {
			a = slices.Clone(a)
			for i := range a {
				change(&a[i])
			}
			return set, a
		}
	}
	for name, c := range map[string]struct {
		rule  string
		store broken
	}{
		"counts again":      {"CountsOnce", broken{arrive: each(func(a *completion.Arrival) { n++; a.Key += strings.Repeat("x", n) })}},
		"counts no records": {"CountsAll", broken{arrive: each(func(a *completion.Arrival) { a.Records = 0 })}},
		"mixes sets": {"CountsAll", broken{arrive: func(set completion.Set, a []completion.Arrival) (completion.Set, []completion.Arrival) {
			set.Run = ""
			return set, a
		}}},
		"drops a block": {"Many", broken{arrive: func(set completion.Set, a []completion.Arrival) (completion.Set, []completion.Arrival) {
			return set, a[:min(len(a), 99)]
		}}},
		"folds case":          {"OddKeys", broken{arrive: each(func(a *completion.Arrival) { a.Key = strings.ToLower(a.Key) })}},
		"cuts keys":           {"OddKeys", broken{arrive: each(func(a *completion.Arrival) { a.Key = strings.TrimRight(a.Key, " \x00") })}},
		"misses out of order": {"Missing", broken{missing: func(keys []string) []string { slices.Sort(keys); return keys }}},
		"misses nothing":      {"Missing", broken{missing: func([]string) []string { return nil }}},
		"loses a part":        {"Swap", broken{swap: func(c completion.Change) completion.Change { c.To.Attempts = 0; return c }}},
		"ignores the count":   {"SwapCounted", broken{swap: func(c completion.Change) completion.Change { c.Arrivals = completion.Any; return c }}},
		"ignores the context": {"Context", broken{deaf: true}},
	} {
		t.Run(name, func(t *testing.T) {
			i := slices.IndexFunc(rules, func(r rule) bool { return r.name == c.rule })
			assert.True(t, fails(t, rules[i], func() completion.Store { b := c.store; b.Store = memory.New(); return b }))
		})
	}
	for _, r := range rules {
		assert.False(t, fails(t, r, func() completion.Store { return memory.New() }), r.name)
	}
}

// fails reports whether a store breaks a rule.
func fails(t *testing.T, r rule, open func() completion.Store) bool {
	t.Helper()
	rec := &recorder{TB: t}
	store := open()
	func() {
		defer func() {
			if v := recover(); v != nil && v != (stop{}) {
				panic(v)
			}
		}()
		r.run(&scene{TB: rec, ctx: t.Context(), rule: r.text, store: store, another: store, opts: Options{Workers: 4, Arrivals: 200}})
	}()
	return rec.failed
}
