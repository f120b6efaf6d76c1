// Package jsonscan validates JSON text at speed, without building anything:
// the one scanner behind the splitter and the projector.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

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
	}
	return i
}

// IsSpace reports whether c is JSON white space.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// levels is how many nested containers one call of value keeps in a register.
const levels = 64

// Value validates the JSON value that starts at data[i] (no white space
// before it) and returns the index after it. It accepts exactly what
// encoding/json accepts, up to maxDepth nested arrays and objects; invalid
// UTF-8 is accepted, as there. A number that touches the end of data is taken
// as complete. It never panics or allocates, but for its error, and recurses
// only once in 64 levels of nesting.
//
// Where data is both cut short and invalid, the first fault in reading order
// decides.
func Value(data []byte, i, maxDepth int) (end int, err error) {
	return value(data, i, min(maxDepth, MaxDepth))
}

func value(data []byte, i, maxDepth int) (int, error) {
	var (
		objects uint64 // bit n is set if the n-th container from within is an object
		depth   int
		c       byte
		err     error
	)
	limit := min(maxDepth, levels)

value:
	if i >= len(data) {
		return 0, ErrIncomplete
	}
	switch c = data[i]; c {
	case '"':
		if i, err = skipString(data, i); err != nil {
			return 0, err
		}
	case '{', '[':
		if depth >= limit {
			if maxDepth <= levels {
				return 0, ErrDepth
			}
			if i, err = value(data, i, maxDepth-levels); err != nil {
				return 0, err
			}
			break
		}
		depth++
		i = space(data, i+1)
		if i >= len(data) {
			return 0, ErrIncomplete
		}
		if c == '{' {
			objects = objects<<1 | 1
			if data[i] != '}' {
				goto key
			}
		} else {
			objects <<= 1
			if data[i] != ']' {
				goto value
			}
		}
		i++
		depth--
		objects >>= 1
	case 't':
		if i, err = literal(data, i, "true"); err != nil {
			return 0, err
		}
	case 'f':
		if i, err = literal(data, i, "false"); err != nil {
			return 0, err
		}
	case 'n':
		if i, err = literal(data, i, "null"); err != nil {
			return 0, err
		}
	default:
		if c != '-' && c-'0' > 9 {
			return 0, &SyntaxError{i, "unexpected byte where a JSON value must start"}
		}
		if i, err = number(data, i); err != nil {
			return 0, err
		}
	}

after:
	if depth == 0 {
		return i, nil
	}
	if i = space(data, i); i >= len(data) {
		return 0, ErrIncomplete
	}
	c = data[i]
	if c == ',' {
		i = space(data, i+1)
		if objects&1 == 0 {
			goto value
		}
		goto key
	}
	if objects&1 == 0 && c != ']' {
		return 0, &SyntaxError{i, "no comma or ] after an array element"}
	}
	if objects&1 == 1 && c != '}' {
		return 0, &SyntaxError{i, "no comma or } after an object member"}
	}
	i++
	depth--
	objects >>= 1
	goto after

key:
	if i >= len(data) {
		return 0, ErrIncomplete
	}
	if data[i] != '"' {
		return 0, &SyntaxError{i, "no string where an object key must start"}
	}
	if i, err = skipString(data, i); err != nil {
		return 0, err
	}
	if i = space(data, i); i >= len(data) {
		return 0, ErrIncomplete
	}
	if data[i] != ':' {
		return 0, &SyntaxError{i, "no colon after an object key"}
	}
	i = space(data, i+1)
	goto value
}

// space is SkipSpace with its usual answer, nothing to skip, inlined.
func space(data []byte, i int) int {
	if i < len(data) && data[i] <= ' ' {
		return SkipSpace(data, i)
	}
	return i
}

// literal validates the literal lit at data[i].
func literal(data []byte, i int, lit string) (int, error) {
	if len(data)-i >= len(lit) && string(data[i:i+len(lit)]) == lit {
		return i + len(lit), nil
	}
	for n := range len(lit) {
		if i+n >= len(data) {
			return 0, ErrIncomplete
		}
		if data[i+n] != lit[n] {
			return 0, &SyntaxError{i + n, "misspelt JSON literal"}
		}
	}
	return i + len(lit), nil
}

// number validates the number at data[i], a minus sign or digit.
func number(data []byte, i int) (int, error) {
	if data[i] == '-' {
		i++
		if i >= len(data) {
			return 0, ErrIncomplete
		}
	}
	switch c := data[i]; {
	case c == '0':
		i++
	case c-'1' < 9:
		i = digits(data, i+1)
	default:
		return 0, &SyntaxError{i, "no digit after the minus sign of a number"}
	}
	if i < len(data) && data[i] == '.' {
		j := digits(data, i+1)
		if j == len(data) && j == i+1 {
			return 0, ErrIncomplete
		}
		if j == i+1 {
			return 0, &SyntaxError{j, "no digit after the decimal point of a number"}
		}
		i = j
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		j := digits(data, i)
		if j == len(data) && j == i {
			return 0, ErrIncomplete
		}
		if j == i {
			return 0, &SyntaxError{j, "no digit in the exponent of a number"}
		}
		i = j
	}
	return i, nil
}

// digits returns the index of the first byte at or after i that is no digit.
func digits(data []byte, i int) int {
	for i+8 <= len(data) {
		// A digit less '0' is below 10, so adding 6 leaves its high nibble 0.
		// A carry into the next byte starts at a byte that is no digit.
		x := binary.LittleEndian.Uint64(data[i:]) ^ 0x3030303030303030
		if m := ((x + 0x0606060606060606) | x) & 0xf0f0f0f0f0f0f0f0; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	return i
}
