package transform

import (
	"context"

	"github.com/unspool-go/unspool/source"
)

// Map returns a transform that turns each record into one output value. f
// appends that value to dst and returns the extended slice; it may just as
// well return a slice of its own, which is copied. It must not keep dst or
// rec.Data, and is called by many goroutines at once.
func Map(f func(ctx context.Context, dst []byte, rec source.Record) ([]byte, error)) Transform {
	return Func(func(ctx context.Context, rec source.Record, out *Output) error {
		value, err := f(ctx, out.Buffer(), rec)
		if err != nil {
			return err
		}
		out.SetBuffer(value)
		out.End()
		return nil
	})
}

// Filter returns a transform that lets the records pass, unchanged, for which
// keep returns true, and drops the others. keep must not keep rec.Data, and is
// called by many goroutines at once.
func Filter(keep func(rec source.Record) bool) Transform { return filter(keep) }

type filter func(rec source.Record) bool

func (f filter) Apply(_ context.Context, rec source.Record, out *Output) error {
	if f(rec) {
		out.Emit(rec.Data)
	}
	return nil
}

// EmitsJSON reports true: what passes is unchanged.
func (f filter) EmitsJSON() bool { return true }
