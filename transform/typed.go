package transform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Typed is a [Transform] made of a function on rows of a type of one's own, be
// they lines of JSON or of what a source decodes (CSV, parquet):
//
//	transform.Typed[Trade]{Do: func(ctx context.Context, t *Trade, out *transform.Output) error {
//		return out.EmitJSON(Position{t.Account, t.Price * t.Units})
//	}}
//
// A record that is no T is corrupt, with the member at fault for a reason.
type Typed[T any] struct {
	// Do is called under the rules of [Transform], with a row of its own, which
	// it may keep and change. Required.
	Do func(ctx context.Context, row *T, out *Output) error
	// Strict makes a record corrupt that has members which T has not.
	Strict bool
}

// Apply implements [Transform].
func (t Typed[T]) Apply(ctx context.Context, rec source.Record, out *Output) error {
	row, err := Decode[T](rec.Data, t.Strict)
	if err != nil {
		return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
	}
	return t.Do(ctx, &row, out)
}

// Decode returns the row that data is, by the rules of [encoding/json]; strict
// allows no members but those of T. Its error is marked fault.Corrupt, and holds
// nothing of data in its text; what encoding/json says it wraps.
func Decode[T any](data []byte, strict bool) (row T, err error) {
	if strict {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err = d.Decode(&row); err == nil && d.Decode(&struct{}{}) != io.EOF {
			err = errTrailing
		}
	} else {
		err = json.Unmarshal(data, &row)
	}
	if err != nil {
		return row, fault.Corrupt(&typeError{target: fmt.Sprintf("%T", row), err: err})
	}
	return row, nil
}

var errTrailing = errors.New("more than one value")

// typeError says why a record is no value of a type.
type typeError struct {
	target string
	err    error
}

// Error tells what can be told without a value of the record, which the errors of
// encoding/json, and those of the UnmarshalJSON of others, may hold.
func (e *typeError) Error() string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		if wrong.Field == "" {
			return fmt.Sprintf("is no %s: wants %v at byte %d", e.target, wrong.Type, wrong.Offset)
		}
		return fmt.Sprintf("is no %s: member %q is no %v", e.target, wrong.Field, wrong.Type)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](e.err); ok {
		return fmt.Sprintf("is no %s: no valid JSON at byte %d", e.target, syntax.Offset)
	}
	return fmt.Sprintf("is no %s: a member is not taken", e.target)
}

func (e *typeError) Unwrap() error { return e.err }

// EmitJSON writes v as JSON, without escapes for HTML, and ends the value. A
// value that cannot be written is a mistake of the program's, and no fault of the
// record's.
func (o *Output) EmitJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("emit %T: %w", v, err)
	}
	o.Emit(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return nil
}
