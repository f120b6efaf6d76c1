package transformtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// recorder is a testing.TB that remembers instead of failing.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// prefixer gives a transform an ApplyPrefix.
type prefixer struct {
	transform.Transform
	apply func(rec source.Record, data []byte, maxDepth int, out *transform.Output) (int, bool, error)
}

func (p prefixer) ApplyPrefix(_ context.Context, rec source.Record, data []byte, maxDepth int, out *transform.Output) (int, bool, error) {
	return p.apply(rec, data, maxDepth, out)
}

// emitter makes a transform promise JSON.
type emitter struct{ transform.Transform }

func (emitter) EmitsJSON() bool { return true }

// on makes a transform of a function that cannot fail.
func on(f func(rec source.Record, out *transform.Output)) transform.Transform {
	return transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		f(rec, out)
		return nil
	})
}

// Each broken transform breaks one rule, and that is the rule that is printed.
func TestConformNamesTheBrokenRule(t *testing.T) {
	pass := on(func(rec source.Record, out *transform.Output) { out.Emit(append([]byte("="), rec.Data...)) })
	validate := transform.Validate{}
	var kept []byte
	var keptOut *transform.Output
	var calls atomic.Int64
	var shared []byte
	var mu sync.Mutex
	for _, c := range []struct {
		name string
		tr   transform.Transform
		rule string
	}{
		{"panics", on(func(rec source.Record, out *transform.Output) { out.Emit([]byte{'=', rec.Data[0]}) }), rulePanic},
		{"changes the record", on(func(rec source.Record, out *transform.Output) {
			out.Emit(append([]byte("="), bytes.ToUpper(rec.Data)...))
			if len(rec.Data) > 0 {
				rec.Data[0]++
			}
		}), ruleReadOnly},
		{"appends to the record", on(func(rec source.Record, out *transform.Output) { out.Emit(append(rec.Data, "!"...)) }), ruleReadOnly},
		{"keeps the record", on(func(rec source.Record, out *transform.Output) {
			mu.Lock()
			defer mu.Unlock()
			if kept == nil {
				kept = rec.Data
			}
			out.Emit(append([]byte("="), kept...))
		}), ruleSame},
		{"keeps out", on(func(rec source.Record, out *transform.Output) {
			mu.Lock()
			defer mu.Unlock()
			if keptOut == nil {
				keptOut = out
			} else if keptOut != out {
				keptOut.Emit([]byte("more"))
			}
			out.Emit([]byte("x"))
		}), ruleKeep},
		{"counts its calls", on(func(_ source.Record, out *transform.Output) { out.Emit(fmt.Append(nil, calls.Add(1))) }), ruleSame},
		{"empties the output", on(func(_ source.Record, out *transform.Output) { out.Reset(); out.Emit([]byte("x")) }), ruleAppend},
		{"forgets to end", on(func(rec source.Record, out *transform.Output) { out.WriteString("x") }), ruleEnd},
		{"ends nothing", on(func(_ source.Record, out *transform.Output) { out.End() }), ruleEmpty},
		{"breaks JSON", emitter{on(func(rec source.Record, out *transform.Output) { out.Emit(append([]byte("="), rec.Data...)) })}, ruleJSON},
		{"believes a mark too much", on(func(rec source.Record, out *transform.Output) {
			if rec.Valid {
				out.WriteString("valid")
			}
			out.WriteString("=")
			out.Emit(rec.Data)
		}), ruleValid},
		{"gives another value fast", prefixer{pass, func(rec source.Record, data []byte, maxDepth int, out *transform.Output) (int, bool, error) {
			return validate.ApplyPrefix(t.Context(), rec, data, maxDepth, out)
		}}, rulePrefix},
		{"takes what follows", prefixer{validate, func(_ source.Record, data []byte, _ int, out *transform.Output) (int, bool, error) {
			if len(data) == 0 || data[0] != '{' {
				return 0, false, nil
			}
			n, ok, err := validate.ApplyPrefix(t.Context(), source.Record{}, data, 1, out)
			return min(n+1, len(data)), ok, err
		}}, rulePrefix},
		{"ignores the limit", prefixer{validate, func(rec source.Record, data []byte, _ int, out *transform.Output) (int, bool, error) {
			return validate.ApplyPrefix(t.Context(), rec, data, 10_000, out)
		}}, ruleTellOnly},
		{"leaves a mess", prefixer{validate, func(rec source.Record, data []byte, maxDepth int, out *transform.Output) (int, bool, error) {
			n, ok, err := validate.ApplyPrefix(t.Context(), rec, data, maxDepth, out)
			if !ok {
				out.WriteString("mess")
			}
			return n, ok, err
		}}, ruleNotOK},
		{"uses one buffer for all", on(func(rec source.Record, out *transform.Output) {
			mu.Lock()
			shared = append(shared[:0], rec.Data...)
			mu.Unlock()
			time.Sleep(time.Nanosecond) // in a bubble of synctest: until all others have been here
			mu.Lock()
			defer mu.Unlock()
			out.WriteString("=")
			out.Emit(shared)
		}), ruleConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{TB: t}
			synctest.Test(t, func(t *testing.T) {
				r.TB = t
				Conform(r, c.tr, `{"id":7}`)
			})
			if assert.NotEmpty(t, r.failures, "not noticed") {
				for _, f := range r.failures {
					rule, _, _ := strings.Cut(strings.TrimPrefix(f, "broken rule: "), "\n")
					assert.Equal(t, c.rule, rule, f)
				}
			}
		})
	}
}

// Each wrong expectation is told from the right one.
func TestCheck(t *testing.T) {
	twice := transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		switch string(rec.Data) {
		case "fail":
			out.Emit([]byte("lost"))
			return errors.New("no luck")
		case "corrupt":
			return fault.Corruptf("oops")
		case "drop":
			return nil
		}
		out.Emit(rec.Data)
		out.Emit(rec.Data)
		return nil
	})
	right := []Case{
		{Name: "values", In: "a", Wants: []string{"a", "a"}},
		{Name: "drop", In: "drop"},
		{Name: "corrupt", In: "corrupt", Err: fault.ClassCorrupt},
		{Name: "retryable", In: "fail", Err: fault.ClassRetryable},
	}
	for _, c := range right {
		r := &recorder{TB: t}
		check(r, twice, c)
		assert.Empty(t, r.failures, c.Name)
	}
	for _, c := range []Case{
		{Name: "one of two values", In: "a", Want: "a"},
		{Name: "none of two values", In: "a"},
		{Name: "another value", In: "a", Wants: []string{"a", "b"}},
		{Name: "a value where none is", In: "drop", Want: "a"},
		{Name: "no error", In: "corrupt"},
		{Name: "another class", In: "fail", Err: fault.ClassCorrupt},
		{Name: "an error where none is", In: "a", Err: fault.ClassCorrupt},
	} {
		r := &recorder{TB: t}
		check(r, twice, c)
		assert.Len(t, r.failures, 1, c.Name)
	}
	r := &recorder{TB: t}
	check(r, on(func(source.Record, *transform.Output) { panic("boo") }), Case{In: "a", Err: fault.ClassRetryable})
	assert.Len(t, r.failures, 1)
}

// The transforms of the library keep to the rules.
func TestLibrary(t *testing.T) {
	upper := transform.Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
		return append(append(dst, '>'), bytes.ToUpper(rec.Data)...), nil
	})
	replace := transform.MustProject("id", "n=name")
	replace.UTF8 = transform.ReplaceUTF8
	for name, tr := range map[string]transform.Transform{
		"Map":           upper,
		"Filter":        transform.Filter(func(rec source.Record) bool { return len(rec.Data)%2 == 1 }),
		"StripPreamble": transform.StripPreamble{},
		"Validate":      transform.Validate{},
		"Validate UTF8": transform.Validate{UTF8: transform.ReplaceUTF8},
		"Project":       transform.MustProject("id", "b=tags.#.b", "n=tags.#", "q=tags.#(b==1)", "all=@this"),
		"Project UTF8":  replace,
		"Chain":         transform.Chain(transform.StripPreamble{}, transform.MustProject("id", "a"), transform.Validate{}, upper),
		"Chain of two":  transform.Chain(transform.StripPreamble{}, transform.MustProject("id", "a")),
		"Chain of none": transform.Chain(transform.Filter(func(rec source.Record) bool { return len(rec.Data) > 0 }), transform.Chain(), nil),
	} {
		t.Run(name, func(t *testing.T) { Conform(t, tr, `{"id":[1.0],"a":null}`, `{"id":1}`) })
	}
}
