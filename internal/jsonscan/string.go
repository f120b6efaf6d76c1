package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word whose lowest set bit is in the first byte of x, in
// memory order, that cannot stand for itself in a string: a quote, a backslash
// or a control character. It is 0 if there is none.
//
// Subtracting n from each byte sets the high bit of those below n; a borrow
// starts at such a byte, so bits above the lowest may lie, the lowest cannot.
// Flipping bit 1 puts the quote (0x22 to 0x20) next to the control characters
// and what was next to them (0x20, 0x21) out of the way.
func special(x uint64) uint64 {
	return (((x ^ 0x02*ones) - 0x21*ones) | ((x ^ '\\'*ones) - ones)) &^ x & highs
}

// String validates the string whose opening quote is data[i] and returns the
// index after its closing quote, and whether it holds escapes. Bytes from 0x20
// on are taken as they are, be they UTF-8 or not, and \u escapes need not form
// pairs, as in encoding/json. Errors are those of [Value].
func String(data []byte, i int) (end int, escaped bool, err error) {
	for i++; ; {
		i = plain(data, i)
		if i >= len(data) {
			return 0, escaped, ErrIncomplete
		}
		switch data[i] {
		case '"':
			return i + 1, escaped, nil
		case '\\':
			escaped = true
			if i, err = escape(data, i); err != nil {
				return 0, escaped, err
			}
		default:
			return 0, escaped, &SyntaxError{i, "control character in a string"}
		}
	}
}

// skipString is String for those who do not ask for escapes, with a first look
// that settles short strings.
func skipString(data []byte, i int) (int, error) {
	if i+9 <= len(data) {
		if m := special(binary.LittleEndian.Uint64(data[i+1:])); m != 0 {
			if j := i + 1 + bits.TrailingZeros64(m)>>3; data[j] == '"' {
				return j + 1, nil
			}
		}
	}
	end, _, err := String(data, i)
	return end, err
}

// plain returns the index of the first byte at or after i that cannot stand
// for itself in a string, or len(data).
func plain(data []byte, i int) int {
	for i+8 <= len(data) {
		if m := special(binary.LittleEndian.Uint64(data[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(data) && data[i] >= ' ' && data[i] != '"' && data[i] != '\\' {
		i++
	}
	return i
}

// escape validates the escape sequence whose backslash is data[i].
func escape(data []byte, i int) (int, error) {
	if i++; i >= len(data) {
		return 0, ErrIncomplete
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(data) {
				return 0, ErrIncomplete
			}
			if c := data[i+n]; c-'0' > 9 && c|0x20-'a' > 5 {
				return 0, &SyntaxError{i + n, "no hexadecimal digit in a \\u escape"}
			}
		}
		return i + 5, nil
	}
	return 0, &SyntaxError{i, "unknown escape in a string"}
}
