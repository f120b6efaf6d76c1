// Package transformtest tests transforms: their results ([Run]) and that they
// keep to the rules of [transform.Transform] ([Conform]).
package transformtest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// Case is one record and what must become of it. Without Want, Wants and Err
// the record must be dropped.
type Case struct {
	// Name is the name of the sub-test.
	Name string
	// In is the record.
	In string
	// Want is the only output value.
	Want string
	// Wants are the output values, where there are several.
	Wants []string
	// Err is the class of the error.
	Err fault.Class
}

// Run applies tr to the record of each case, in a sub-test of its own, and
// then holds tr to the rules of [Conform] with all of these records.
func Run(t *testing.T, tr transform.Transform, cases []Case) {
	t.Helper()
	var inputs []string
	for _, c := range cases {
		inputs = append(inputs, c.In)
		t.Run(c.Name, func(t *testing.T) {
			t.Helper()
			check(t, tr, c)
		})
	}
	t.Run("conforms", func(t *testing.T) {
		t.Helper()
		Conform(t, tr, inputs...)
	})
}

// check applies tr to the record of c.
func check(t testing.TB, tr transform.Transform, c Case) {
	t.Helper()
	want := c.Wants
	if c.Want != "" {
		want = append([]string{c.Want}, want...)
	}
	got := apply(t.Context(), tr, record(c.In), new(transform.Output))
	switch {
	case got.panicked != nil:
		t.Errorf("record %q: Apply panicked: %v", c.In, got.panicked)
	case c.Err != got.class:
		t.Errorf("record %q: error of class %s, want %s: %v", c.In, got.class, c.Err, got.err)
	case !slices.Equal(got.values, want):
		t.Errorf("record %q: got values %q, want %q", c.In, got.values, want)
	}
}

// object is what all records under test come from.
var object = source.Object{Key: "transformtest/object.json", Size: -1}

func record(data string) source.Record {
	return source.Record{Data: []byte(data), Object: &object, Offset: 42}
}

// outcome is what became of a record.
type outcome struct {
	values   []string
	class    fault.Class
	err      error
	panicked any
	pending  int // bytes that were written and not ended
}

// apply applies tr to rec and treats out as the processor does: what was
// written before an error is rolled back, unless the record was processed in
// part.
func apply(ctx context.Context, tr transform.Transform, rec source.Record, out *transform.Output) outcome {
	return collect(out, func() error { return tr.Apply(ctx, rec, out) })
}

// collect makes an outcome of what call does to out.
func collect(out *transform.Output, call func() error) (o outcome) {
	mark, values, size := out.Mark(), out.Len(), out.Size()
	defer func() {
		if o.panicked = recover(); o.panicked != nil {
			o.class = fault.ClassRetryable
			out.Rollback(mark)
		}
	}()
	o.err = call()
	o.class = fault.Of(o.err)
	for i := values; i < out.Len(); i++ {
		value := out.Value(i)
		o.values = append(o.values, string(value))
		size += len(value)
	}
	o.pending = out.Size() - size
	if o.err != nil && !isPartial(o.err) && out.Len() >= values {
		o.values, o.pending = nil, 0
		out.Rollback(mark)
	}
	return o
}

// overwrite fills data with what no test expects.
func overwrite(data []byte) {
	copy(data, bytes.Repeat([]byte{0xaa}, len(data)))
}
