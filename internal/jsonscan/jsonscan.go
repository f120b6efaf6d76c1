// Package jsonscan validates JSON text at speed, without building anything:
// the one scanner behind the splitter and the projector.
package jsonscan

import (
	"bytes"
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
	m, err := value(data, i, min(maxDepth, MaxDepth), 1, 0)
	return m.End, err
}

// Text is [Value] for those who want to know whether the value is valid UTF-8
// as well, which the same pass finds out.
func Text(data []byte, i, maxDepth int) (end int, validUTF8 bool, err error) {
	m, err := value(data, i, min(maxDepth, MaxDepth), 1, 0)
	return m.End, m.ValidUTF8, err
}

// levels is how many nested containers one call of value keeps in a register.
const levels = 63

// inObject is the stack of value inside of one object.
const inObject = 0b11

// value is the scanner: a state machine whose states are its labels. It starts
// before a value where stack is 1, or behind a member where it is inObject,
// and returns behind the outermost value, or before the value of the first
// member of an outermost object whose name may be among those wanted.
//
// The stack is the containers around i, from within, one bit each: set for an
// object, clear for an array. A bit that is always set stands behind the last.
func value(data []byte, i, maxDepth int, stack uint64, wanted Names) (Member, error) {
	valid := true                  // UTF-8
	found, escaped := false, false // as long as value does not return
	var name, nameEnd int          // the key of the last member
	if stack != 1 {
		goto after
	}

value:
	if i >= len(data) {
		return Member{}, ErrIncomplete
	}
	switch c := data[i]; {
	case c == '"':
		i++
		if i+window < len(data) {
			i += firstSpecial(data[i : i+window : i+window])
		}
		if i < len(data) && data[i] == '"' {
			i++
			break
		}
		end, ok, err := restOfString(data, i)
		if err != nil {
			return Member{}, err
		}
		i = end
		valid = valid && ok
	case c-'0' <= 9 || c == '-':
		end, err := number(data, i)
		if err != nil {
			return Member{}, err
		}
		i = end
	case c == '{' || c == '[':
		depth := bits.Len64(stack) - 1
		if depth >= maxDepth {
			return Member{}, ErrDepth
		}
		if depth == levels {
			inner, err := value(data, i, maxDepth-levels, 1, 0)
			if err != nil {
				return Member{}, err
			}
			i = inner.End
			valid = valid && inner.ValidUTF8
			break
		}
		if i = space(data, i+1); i >= len(data) {
			return Member{}, ErrIncomplete
		}
		if data[i] == c+2 { // the partner
			i++
			break
		}
		stack <<= 1
		if c == '[' {
			goto value
		}
		stack |= 1
		goto member
	default:
		end, err := literal(data, i)
		if err != nil {
			return Member{}, err
		}
		i = end
	}

after:
	if stack == 1 {
		return Member{End: i, ValidUTF8: valid}, nil
	}
	if i = space(data, i); i >= len(data) {
		return Member{}, ErrIncomplete
	}
	if data[i] == ',' {
		i = space(data, i+1)
		if stack&1 == 0 {
			goto value
		}
		goto member
	}
	if stack&1 == 0 && data[i] != ']' {
		return Member{}, &SyntaxError{i, "no comma or ] after an array element"}
	}
	if stack&1 == 1 && data[i] != '}' {
		return Member{}, &SyntaxError{i, "no comma or } after an object member"}
	}
	i++
	stack >>= 1
	goto after

member:
	if i >= len(data) {
		return Member{}, ErrIncomplete
	}
	if data[i] != '"' {
		return Member{}, &SyntaxError{i, "no string where an object key must start"}
	}
	i++
	name = i
	if i+window < len(data) {
		i += firstSpecial(data[i : i+window : i+window])
	}
	if i < len(data) && data[i] == '"' {
		nameEnd = i
		i++
		found = stack == inObject && wanted.may(data[name], nameEnd-name)
	} else {
		end, ok, err := restOfString(data, i)
		if err != nil {
			return Member{}, err
		}
		i, nameEnd = end, end-1
		valid = valid && ok
		if stack == inObject && wanted != 0 {
			escaped = bytes.IndexByte(data[name:nameEnd], '\\') >= 0
			found = escaped || wanted.may(data[name], nameEnd-name)
		}
	}
	if i = space(data, i); i >= len(data) {
		return Member{}, ErrIncomplete
	}
	if data[i] != ':' {
		return Member{}, &SyntaxError{i, "no colon after an object key"}
	}
	i = space(data, i+1)
	if found {
		return Member{Name: data[name:nameEnd], Escaped: escaped, End: i, ValidUTF8: valid}, nil
	}
	goto value
}

// space is SkipSpace with its usual answer, nothing to skip, inlined.
func space(data []byte, i int) int {
	if i < len(data) && data[i] <= ' ' {
		return SkipSpace(data, i)
	}
	return i
}

// literal validates the literal at data[i], true, false or null.
func literal(data []byte, i int) (int, error) {
	if i+5 <= len(data) {
		switch binary.LittleEndian.Uint32(data[i : i+4 : i+4]) {
		case 't' | 'r'<<8 | 'u'<<16 | 'e'<<24, 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24:
			return i + 4, nil
		case 'f' | 'a'<<8 | 'l'<<16 | 's'<<24:
			if data[i+4] == 'e' {
				return i + 5, nil
			}
		}
	}
	var want string
	switch data[i] {
	case 't':
		want = "true"
	case 'f':
		want = "false"
	case 'n':
		want = "null"
	default:
		return 0, &SyntaxError{i, "unexpected byte where a JSON value must start"}
	}
	for n := range len(want) {
		if i+n >= len(data) {
			return 0, ErrIncomplete
		}
		if data[i+n] != want[n] {
			return 0, &SyntaxError{i + n, "misspelt JSON literal"}
		}
	}
	return i + len(want), nil
}

// number validates the number at data[i], a minus sign or digit.
func number(data []byte, i int) (int, error) {
	if end, ok := shortNumber(data, i); ok {
		return end, nil
	}
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

// shortNumber is number for those of less than eight digits on either side of
// the point, and no exponent, before a comma or bracket. ok is false for any
// other.
func shortNumber(data []byte, i int) (end int, ok bool) {
	if data[i] == '-' {
		i++
	}
	if i+17 > len(data) {
		return 0, false
	}
	n := leadingDigits(binary.LittleEndian.Uint64(data[i:]))
	if n == 0 || n == 8 || n > 1 && data[i] == '0' {
		return 0, false
	}
	i += n
	if data[i] == '.' {
		n = leadingDigits(binary.LittleEndian.Uint64(data[i+1:]))
		if n == 0 || n == 8 {
			return 0, false
		}
		i += 1 + n
	}
	c := data[i]
	return i, c == ',' || c == '}' || c == ']'
}

// digits returns the index of the first byte at or after i that is no digit.
func digits(data []byte, i int) int {
	for i+8 <= len(data) {
		n := leadingDigits(binary.LittleEndian.Uint64(data[i:]))
		if i += n; n < 8 {
			return i
		}
	}
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	return i
}

// leadingDigits returns how many of the bytes of x, in memory order, are
// digits before the first that is none.
//
// A digit less '0' is below 10, so adding 6 leaves its high nibble 0. A carry
// into the next byte starts at a byte that is no digit.
func leadingDigits(x uint64) int {
	x ^= '0' * ones
	return bits.TrailingZeros64(((x+6*ones)|x)&(0xf0*ones)) >> 3
}
