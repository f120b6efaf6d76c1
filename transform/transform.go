// Package transform defines what happens to a record between its object and
// the queue ([Transform]), and the transforms everyone needs: [StripPreamble],
// [Project], [Filter], [Map] and [Chain].
//
// A transform of your own is tested with transform/transformtest.
package transform

import (
	"context"

	"github.com/unspool-go/unspool/source"
)

// Transform turns one record into any number of output values.
//
// Apply writes each output value to out and ends it with [Output.End] (or both
// with [Output.Emit]). A call that ends no value drops the record: that is a
// fate of its own, and counted. An error rolls back everything the call wrote
// and decides the record's fate by its fault class: corrupt, or retry for any
// other. fault.PartialRetry is the exception: what was ended before it is kept
// and only the remainder is tried again.
//
// Apply is called by many goroutines at once and must be safe for that. rec is
// read-only and valid until Apply returns; out belongs to the caller and must
// not be kept. A panic is caught and counts as a retryable error of the record.
// ctx ends when the run stops working: a transform that waits for anything must
// honour it.
//
// The same record must always give the same outputs: message identities rest
// on that.
type Transform interface {
	Apply(ctx context.Context, rec source.Record, out *Output) error
}

// Func is a [Transform] made of a function.
type Func func(ctx context.Context, rec source.Record, out *Output) error

// Apply calls f.
func (f Func) Apply(ctx context.Context, rec source.Record, out *Output) error {
	return f(ctx, rec, out)
}

// Prefixer is an optional fast path of a [Transform] that validates as it
// goes: one pass both finds the end of a value and transforms it.
type Prefixer interface {
	Transform
	// ApplyPrefix transforms the JSON value that starts at data[0], whatever
	// follows it, and returns the value's length. ok is false, with out rolled
	// back, when it cannot tell (the value is invalid, incomplete or beyond
	// maxDepth): the caller then goes the slow way, which finds out why. rec is
	// the record with Data not yet set. It obeys the rules of Apply otherwise,
	// and gives the same outputs.
	ApplyPrefix(ctx context.Context, rec source.Record, data []byte, maxDepth int, out *Output) (n int, ok bool, err error)
}

// EmitsJSON is implemented by a [Transform] each of whose output values is
// known to be valid JSON in UTF-8 whenever its input is. The outputs of other
// transforms are validated before they are packed into a JSON array or into
// lines.
type EmitsJSON interface{ EmitsJSON() bool }

// Output collects the output values of records. The zero value is ready to
// use. It is not safe for concurrent use.
type Output struct {
	buf   []byte
	ends  []int
	start int // where the value being written begins in buf
}

// Write appends p to the value being written. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.buf = append(o.buf, p...)
	return len(p), nil
}

// WriteString appends s to the value being written. It never fails.
func (o *Output) WriteString(s string) (int, error) {
	o.buf = append(o.buf, s...)
	return len(s), nil
}

// WriteByte appends c to the value being written. It never fails.
func (o *Output) WriteByte(c byte) error {
	o.buf = append(o.buf, c)
	return nil
}

// Buffer returns an empty slice with the spare room of the output, to be
// appended to and handed to [Output.SetBuffer]: the way for encoders that
// append. Nothing may be written in between.
func (o *Output) Buffer() []byte { return o.buf[len(o.buf):] }

// SetBuffer appends p, which was made by appending to [Output.Buffer], to the
// value being written, without copying it where it still fits.
func (o *Output) SetBuffer(p []byte) {
	if len(p) == 0 {
		return
	}
	n := len(o.buf)
	if cap(o.buf)-n >= len(p) && &o.buf[n : n+1][0] == &p[0] {
		o.buf = o.buf[:n+len(p)]
		return
	}
	o.buf = append(o.buf, p...)
}

// End ends the value being written. An empty value is a mistake of the
// transform's: queues take none, so it is treated like a corrupt output.
func (o *Output) End() {
	o.ends = append(o.ends, len(o.buf))
	o.start = len(o.buf)
}

// Emit is Write(p) and End.
func (o *Output) Emit(p []byte) {
	o.buf = append(o.buf, p...)
	o.End()
}

// Len returns the number of ended values.
func (o *Output) Len() int { return len(o.ends) }

// Size returns the number of bytes written, those of a value not yet ended
// included.
func (o *Output) Size() int { return len(o.buf) }

// Value returns the i-th ended value. It is valid until the output is reset,
// and must not be changed; its capacity is clipped.
func (o *Output) Value(i int) []byte {
	from := 0
	if i > 0 {
		from = o.ends[i-1]
	}
	return o.buf[from:o.ends[i]:o.ends[i]]
}

// Mark is a position in an [Output].
type Mark struct{ bytes, values int }

// Mark returns the position after the last ended value.
func (o *Output) Mark() Mark { return Mark{o.start, len(o.ends)} }

// Rollback takes everything back that was written or ended since m.
func (o *Output) Rollback(m Mark) {
	o.buf, o.ends, o.start = o.buf[:m.bytes], o.ends[:m.values], m.bytes
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() { o.Rollback(Mark{}) }
