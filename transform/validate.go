package transform

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// UTF8 says what becomes of a record with bytes that are not UTF-8. JSON text
// must be UTF-8, but encoding/json does not insist, and queues do.
type UTF8 uint8

const (
	// RejectUTF8 makes the record corrupt.
	RejectUTF8 UTF8 = iota
	// ReplaceUTF8 puts U+FFFD in the place of each invalid byte, as
	// encoding/json does, before anything else is done with the record.
	ReplaceUTF8
)

// defaultMaxDepth is the nesting limit of encoding/json.
const defaultMaxDepth = 10_000

// Validate lets a record pass, less the white space around it, if it is one
// JSON value in valid UTF-8; any other is corrupt. What is accepted as JSON is
// exactly what encoding/json accepts, up to MaxDepth; escaped surrogates need
// not form pairs. The zero value is ready to use.
type Validate struct {
	// UTF8 says what becomes of invalid UTF-8. Defaults to [RejectUTF8].
	UTF8 UTF8
	// MaxDepth is how deep arrays and objects may nest. Defaults to 10,000, as
	// in encoding/json.
	MaxDepth int
}

var (
	_ Prefixer  = Validate{}
	_ EmitsJSON = Validate{}
	_ validator = Validate{}
)

// Apply implements [Transform].
func (v Validate) Apply(_ context.Context, rec source.Record, out *Output) error {
	if rec.Valid {
		out.Emit(rec.Data)
		return nil
	}
	data, maxDepth := trimSpace(rec.Data), orDefault(v.MaxDepth)
	end, validUTF8, err := jsonscan.Text(data, 0, maxDepth)
	switch {
	case err != nil || end < len(data):
		return fmt.Errorf("validate: %w", validJSON(data, maxDepth))
	case validUTF8:
		out.Emit(data)
	case v.UTF8 == ReplaceUTF8:
		out.SetBuffer(appendUTF8(out.Buffer(), data))
		out.End()
	default:
		return fmt.Errorf("validate: %w", errUTF8)
	}
	return nil
}

// ApplyPrefix implements [Prefixer].
func (v Validate) ApplyPrefix(_ context.Context, _ source.Record, data []byte, maxDepth int, out *Output) (n int, ok bool, err error) {
	n, validUTF8, err := jsonscan.Text(data, 0, min(maxDepth, orDefault(v.MaxDepth)))
	if err != nil || !validUTF8 || mayGoOn(data, n) {
		return 0, false, nil //nolint:nilerr // ok is false: Apply finds out why
	}
	out.Emit(data[:n])
	return n, true, nil
}

// EmitsJSON reports true.
func (v Validate) EmitsJSON() bool { return true }

func (v Validate) validates() {}

var errUTF8 = fault.Corrupt(errors.New("invalid UTF-8"))

// validJSON returns an error marked corrupt unless data is one JSON value,
// with white space around it.
func validJSON(data []byte, maxDepth int) error {
	err := jsonscan.Valid(data, maxDepth)
	if err == nil {
		return nil
	}
	if s, ok := errors.AsType[*jsonscan.SyntaxError](err); ok {
		return fault.Corruptf("invalid JSON at byte %d: %w", s.Offset, err)
	}
	return fault.Corruptf("invalid JSON: %w", err)
}

// mayGoOn reports whether the value data[:n] could be longer if data were: it
// is a number that touches the end.
func mayGoOn(data []byte, n int) bool {
	return n == len(data) && n > 0 && (data[0] == '-' || data[0]-'0' <= 9)
}

// trimSpace returns data without the JSON white space around it.
func trimSpace(data []byte) []byte {
	data = data[jsonscan.SkipSpace(data, 0):]
	n := len(data)
	for n > 0 && jsonscan.IsSpace(data[n-1]) {
		n--
	}
	return data[:n]
}

// appendUTF8 appends data to dst with U+FFFD for each byte that is not part of
// valid UTF-8.
func appendUTF8(dst, data []byte) []byte {
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		dst = utf8.AppendRune(dst, r)
		data = data[size:]
	}
	return dst
}

func orDefault(maxDepth int) int {
	if maxDepth <= 0 {
		return defaultMaxDepth
	}
	return maxDepth
}
