// Package jsonscan validates JSON text at speed, without building anything:
// the one scanner behind the splitter and the projector.
package jsonscan

import "errors"

var (
	// ErrIncomplete means that data ended inside the value: with more bytes it
	// may be valid.
	ErrIncomplete = errors.New("unexpected end of JSON")
	// ErrDepth means that the value nests deeper than allowed.
	ErrDepth = errors.New("JSON nested too deep")
)

// MaxDepth is the greatest nesting any limit can allow; a greater maxDepth
// counts as this one. It bounds the stack of [Value].
const MaxDepth = 1 << 20

// SyntaxError is a violation of the JSON grammar.
type SyntaxError struct {
	Offset int    // in data, of the first byte that no valid JSON can have there
	Msg    string // without payload
}

func (e *SyntaxError) Error() string { return e.Msg }

// Valid validates that data is one JSON value with white space around it.
func Valid(data []byte, maxDepth int) error {
	end, err := Value(data, SkipSpace(data, 0), maxDepth)
	if err != nil {
		return err
	}
	if i := SkipSpace(data, end); i < len(data) {
		return &SyntaxError{i, "unexpected byte after the JSON value"}
	}
	return nil
}

// SkipSpace returns the index of the first byte at or after i that is not
// JSON white space, or len(data).
func SkipSpace(data []byte, i int) int {
	for i < len(data) && IsSpace(data[i]) {
		i++
		for blanks := 8; blanks == 8 && i+8 <= len(data); i += blanks { // indentation
			blanks = first(load8(textOf(data), i) ^ ' '*ones)
		}
	}
	return i
}

// IsSpace reports whether c is JSON white space.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// Value validates the JSON value that starts at data[i] (no white space
// before it) and returns the index after it. It accepts exactly what
// encoding/json accepts, up to maxDepth nested arrays and objects; invalid
// UTF-8 is accepted, as there. A number that touches the end of data is taken
// as complete. It never panics or allocates, but for its error, and recurses
// only once in 63 levels of nesting.
//
// Where data is both cut short and invalid, the first fault in reading order
// decides.
func Value(data []byte, i, maxDepth int) (end int, err error) {
	s := newScanner(data, i, maxDepth)
	if !s.run() {
		return 0, s.err
	}
	return s.i, nil
}

// Text is [Value] for those who want to know whether the value is valid UTF-8
// as well, which the same pass finds out.
func Text(data []byte, i, maxDepth int) (end int, validUTF8 bool, err error) {
	s := newScanner(data, i, maxDepth)
	if !s.run() {
		return 0, false, s.err
	}
	return s.i, !s.badUTF8, nil
}
