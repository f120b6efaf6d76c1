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

// SyntaxError is a violation of the JSON grammar.
type SyntaxError struct {
	Offset int    // in data
	Msg    string // without payload
}

func (e *SyntaxError) Error() string { return e.Msg }

// Value validates the JSON value that starts at data[i] (no white space
// before it) and returns the index after it. It accepts exactly what
// encoding/json accepts, up to maxDepth nested arrays and objects; invalid
// UTF-8 is accepted, as there. A number that touches the end of data is taken
// as complete. It never panics, recurses or allocates, but for its error.
func Value(data []byte, i, maxDepth int) (end int, err error) { panic("to be written") }

// Valid validates that data is one JSON value with white space around it.
func Valid(data []byte, maxDepth int) error { panic("to be written") }

// SkipSpace returns the index of the first byte at or after i that is not
// JSON white space, or len(data).
func SkipSpace(data []byte, i int) int { panic("to be written") }
