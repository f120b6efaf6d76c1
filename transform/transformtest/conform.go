package transformtest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// The rules, as a broken one is printed.
const (
	rulePanic      = "Apply must not panic, whatever the record"
	ruleReadOnly   = "rec.Data is read-only, and so are the bytes around it"
	ruleKeep       = "neither rec.Data nor out may be kept: they are used again after Apply"
	ruleSame       = "the same record must always give the same outputs"
	ruleAppend     = "Apply may only append to out: what others wrote before must stay"
	ruleEnd        = "each value that is written must be ended"
	ruleEmpty      = "a value must not be empty: to drop a record, end no value"
	ruleConcurrent = "Apply must be safe for concurrent use"
	ruleValid      = "a record marked Valid must give the same outputs as the same record unmarked"
	ruleJSON       = "EmitsJSON promises valid JSON in UTF-8 for a record that is"
	rulePrefix     = "ApplyPrefix must give what Apply gives for the same value, whatever follows it"
	ruleNotOK      = "ApplyPrefix without ok must leave out as it was and return no error"
	ruleTellOnly   = "ApplyPrefix must not be ok for what is invalid, incomplete or too deep"
)

// ordinary are records that every transform has to expect.
var ordinary = []string{
	"", " ", "{}", "[]", `{"id":1,"name":"x","tags":["a",{"b":null}]}`, `{"id":1`, `{"id":1}}`, "null", "12", `"text"`, "plain text", "\x00\xff\xfe binary",
	`{"a":"` + "\xff" + `"}`, `{"a":"\ud800"}`, `{"a":1,"a":{"b":2}}`, "# comment\n{}", "{\n\t\"a\" : [ 1.50 ]\n}",
}

// Conform fails t, printing the rule, unless tr keeps to the rules of
// [transform.Transform] with each of inputs and some records of its own, and
// to those of [transform.EmitsJSON] and [transform.Prefixer] if it is one. Run
// the test with -race to find data races. tr is called some thousand times.
func Conform(t testing.TB, tr transform.Transform, inputs ...string) {
	t.Helper()
	c := conformance{t: t, tr: tr, inputs: append(append([]string{}, inputs...), ordinary...)}
	for _, phase := range []func(){c.once, c.again, c.concurrently, c.marked, c.prefixes} {
		if phase(); c.failed {
			return // what follows would only repeat it
		}
	}
}

// conformance is one run of Conform.
type conformance struct {
	t      testing.TB
	tr     transform.Transform
	inputs []string
	want   []outcome // of each input, when it was first met
	failed bool
}

func (c *conformance) broken(rule, input string, format string, args ...any) {
	c.t.Helper()
	c.failed = true
	c.t.Errorf("broken rule: "+rule+"\n  record: %q\n  "+format, append([]any{input}, args...)...)
}

// guarded returns the record of data inside of a larger buffer, as it is in a
// run, and a function that tells whether all of the buffer is as it was.
func guarded(data string) (source.Record, func() bool) {
	const guard = "<guard>"
	all := guard + data + guard
	buf := []byte(all)
	rec := source.Record{Data: buf[len(guard) : len(guard)+len(data)], Object: &object, Offset: 42}
	return rec, func() bool { return string(buf) == all }
}

// once meets each record for the first time, with a fresh output and a buffer
// of its own, which is then overwritten.
func (c *conformance) once() {
	c.t.Helper()
	outs := make([]*transform.Output, 0, len(c.inputs))
	defer func() {
		for i, out := range outs {
			if out.Len() != len(c.want[i].values) {
				c.broken(ruleKeep, c.inputs[i], "the output of this call was changed by later ones")
			}
		}
	}()
	for _, in := range c.inputs {
		rec, untouched := guarded(in)
		out := new(transform.Output)
		got := apply(c.t.Context(), c.tr, rec, out)
		c.want = append(c.want, got)
		outs = append(outs, out)
		intact := untouched()
		overwrite(rec.Data)
		if got.panicked != nil {
			c.broken(rulePanic, in, "it panicked: %v", got.panicked)
			continue
		}
		if !intact {
			c.broken(ruleReadOnly, in, "they were changed")
		}
		if got.pending != 0 {
			c.broken(ruleEnd, in, "%d bytes were not", got.pending)
		}
		for i, value := range got.values {
			if value == "" {
				c.broken(ruleEmpty, in, "value %d is", i)
			}
			if e, ok := c.tr.(transform.EmitsJSON); ok && e.EmitsJSON() && valid(in) && !valid(value) {
				c.broken(ruleJSON, in, "value %d is not: %q", i, value)
			}
		}
	}
}

// again meets the records again, in the reverse order, in buffers that held
// others and are overwritten after each call, behind values of others in one
// output.
func (c *conformance) again() {
	c.t.Helper()
	const others = "the value of another record"
	var out transform.Output
	buf := make([]byte, 0, 1024)
	for range 2 {
		for i := len(c.inputs) - 1; i >= 0; i-- {
			in := c.inputs[i]
			out.Reset()
			out.Emit([]byte(others))
			buf = append(buf[:0], in...)
			rec := source.Record{Data: buf, Object: &object, Offset: 42}
			got := apply(c.t.Context(), c.tr, rec, &out)
			overwrite(buf)
			if out.Len() < 1 || string(out.Value(0)) != others {
				c.broken(ruleAppend, in, "it did not")
				continue
			}
			c.compare(ruleSame, i, got)
			for n, value := range got.values {
				if n+1 >= out.Len() || string(out.Value(n+1)) != value {
					c.broken(ruleKeep, in, "value %d changed with the record's buffer", n)
				}
			}
		}
	}
}

// compare reports the rule unless got is what became of input i at first.
func (c *conformance) compare(rule string, i int, got outcome) {
	c.t.Helper()
	want := c.want[i]
	if want.panicked != nil || got.panicked != nil {
		return // reported already
	}
	if got.class != want.class || !slices.Equal(got.values, want.values) {
		c.broken(rule, c.inputs[i], "first: %s %q\n  now: %s %q", want.class, want.values, got.class, got.values)
	}
}

// concurrently meets the records in several goroutines.
func (c *conformance) concurrently() {
	c.t.Helper()
	const workers, rounds = 4, 20
	var wg sync.WaitGroup
	results := make([][]outcome, workers)
	for w := range workers {
		wg.Go(func() {
			var out transform.Output
			for n := range rounds * len(c.inputs) {
				i := (n + w) % len(c.inputs)
				rec, _ := guarded(c.inputs[i])
				out.Reset()
				results[w] = append(results[w], apply(context.WithoutCancel(c.t.Context()), c.tr, rec, &out))
				overwrite(rec.Data)
			}
		})
	}
	wg.Wait()
	reported := make(map[int]bool)
	for w := range workers {
		for n, got := range results[w] {
			i := (n + w) % len(c.inputs)
			want := c.want[i]
			if !reported[i] && (got.class != want.class || !slices.Equal(got.values, want.values)) {
				reported[i] = true
				c.compare(ruleConcurrent, i, got)
			}
		}
	}
}

// marked meets the valid records again, known to be valid.
func (c *conformance) marked() {
	c.t.Helper()
	for i, in := range c.inputs {
		if !valid(in) || strings.TrimSpace(in) != in {
			continue
		}
		rec := record(in)
		rec.Valid = true
		c.compare(ruleValid, i, apply(c.t.Context(), c.tr, rec, new(transform.Output)))
	}
}

// prefixes meets the records at the start of longer data.
func (c *conformance) prefixes() {
	p, ok := c.tr.(transform.Prefixer)
	if !ok {
		return
	}
	c.t.Helper()
	for i, in := range c.inputs {
		if strings.TrimSpace(in) != in {
			continue
		}
		for _, tail := range []string{"", "\n", ",1", "]", "\xff", "{}"} {
			for _, maxDepth := range []int{10_000, 1} {
				c.prefix(p, i, tail, maxDepth)
			}
		}
	}
}

func (c *conformance) prefix(p transform.Prefixer, i int, tail string, maxDepth int) {
	c.t.Helper()
	in := c.inputs[i]
	const others = "the value of another record"
	var out transform.Output
	out.Emit([]byte(others))
	rec, untouched := guarded(in + tail)
	data := rec.Data
	rec.Data = nil
	var n int
	var ok bool
	got := collect(&out, func() (err error) {
		n, ok, err = p.ApplyPrefix(c.t.Context(), rec, data, maxDepth, &out)
		return err
	})
	length, depth := measure(in + tail)
	switch {
	case got.panicked != nil:
		c.broken(rulePanic, in+tail, "ApplyPrefix panicked: %v", got.panicked)
	case !untouched():
		c.broken(ruleReadOnly, in+tail, "ApplyPrefix changed them")
	case !ok && (out.Size() != len(others) || got.err != nil):
		c.broken(ruleNotOK, in+tail, "out has %q, the error is %v", got.values, got.err)
	case ok && (length < 0 || depth > maxDepth):
		c.broken(ruleTellOnly, in+tail, "it was, with a limit of %d", maxDepth)
	case ok && n != length:
		c.broken(rulePrefix, in+tail, "it returned a length of %d, the value has %d", n, length)
	case ok && length == len(in):
		c.compare(rulePrefix, i, got)
	}
}

// measure returns the length and nesting of the JSON value at the start of
// data; the length is -1 if there is none, or if it is a number that may go on.
func measure(data string) (length, depth int) {
	var raw json.RawMessage
	dec := json.NewDecoder(strings.NewReader(data))
	if data == "" || strings.Trim(data[:1], " \t\r\n") == "" || dec.Decode(&raw) != nil {
		return -1, 0
	}
	length = int(dec.InputOffset())
	if length == len(data) && (data[0] == '-' || data[0]-'0' <= 9) {
		return -1, 0
	}
	nested := 0
	for tokens := json.NewDecoder(strings.NewReader(data[:length])); ; {
		token, err := tokens.Token()
		if err != nil {
			return length, depth
		}
		if d, ok := token.(json.Delim); ok && (d == '{' || d == '[') {
			nested++
			depth = max(depth, nested)
		} else if ok {
			nested--
		}
	}
}

func valid(data string) bool { return json.Valid([]byte(data)) && utf8.ValidString(data) }

func isPartial(err error) bool {
	_, ok := errors.AsType[*fault.Partial](err)
	return ok
}
