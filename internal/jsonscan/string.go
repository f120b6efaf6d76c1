package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word whose lowest set bit is in the first byte of x, in
// memory order, that wants a closer look inside a string: a quote, a
// backslash, a control character, or a byte that is not ASCII. It is 0 if
// there is none.
//
// Subtracting n from each byte sets the high bit of those below n; a borrow
// starts at such a byte, so bits above the lowest may lie, the lowest cannot.
// Flipping bit 1 puts the quote (0x22 to 0x20) next to the control characters
// and what was next to them (0x20, 0x21) out of the way.
func special(x uint64) uint64 {
	return (((x ^ 0x02*ones) - 0x21*ones) | ((x ^ '\\'*ones) - ones) | x) & highs
}

// window is what is looked at of a string at once. Two words let most strings
// take the same branches, none of which depends on where the string ends.
const window = 16

// firstSpecial returns the index of the first special byte of w, or window.
func firstSpecial(w []byte) int {
	m, n := special(binary.LittleEndian.Uint64(w)), 0
	if m == 0 {
		m, n = special(binary.LittleEndian.Uint64(w[8:])), 8
	}
	return n + bits.TrailingZeros64(m)>>3
}

// restOfString validates the string whose opening quote is before data[i],
// where no escape or rune is cut in two, and returns the index after its
// closing quote, and whether that rest is valid UTF-8.
func restOfString(data []byte, i int) (end int, validUTF8 bool, err error) {
	validUTF8 = true
	for i < len(data) {
		switch c := data[i]; {
		case c == '"':
			return i + 1, validUTF8, nil
		case c == '\\':
			if i+1 < len(data) && shortEscape[data[i+1]] {
				i += 2
			} else if i, err = longEscape(data, i); err != nil {
				return 0, false, err
			}
		case c < ' ':
			return 0, false, &SyntaxError{i, "control character in a string"}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				validUTF8 = false
			}
			i += size
			continue // often more of them follow
		default:
			i++
		}
		for i+8 <= len(data) {
			// Words are told apart by branches here: in long strings, most of
			// them plain, the next is then looked at before this one is done.
			m := special(binary.LittleEndian.Uint64(data[i : i+8 : i+8]))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
	}
	return 0, false, ErrIncomplete
}

// shortEscape tells which bytes make an escape of two.
var shortEscape = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// longEscape validates an escape of more than two bytes, or an invalid one. Its
// backslash is data[i].
func longEscape(data []byte, i int) (int, error) {
	if i++; i >= len(data) {
		return 0, ErrIncomplete
	}
	if data[i] != 'u' {
		return 0, &SyntaxError{i, "unknown escape in a string"}
	}
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

// String validates the string whose opening quote is data[i] and returns the
// index after its closing quote, and whether it holds escapes. Bytes from 0x20
// on are taken as they are, be they UTF-8 or not, and \u escapes need not form
// pairs, as in encoding/json. Errors are those of [Value].
func String(data []byte, i int) (end int, escaped bool, err error) {
	end, escaped, _, err = TextString(data, i)
	return end, escaped, err
}

// TextString is [String] for those who want to know whether the string is
// valid UTF-8 as well.
func TextString(data []byte, i int) (end int, escaped, validUTF8 bool, err error) {
	end = i + 1
	if end+window < len(data) {
		end += firstSpecial(data[end : end+window : end+window])
	}
	if end < len(data) && data[end] == '"' {
		return end + 1, false, true, nil
	}
	end, validUTF8, err = restOfString(data, end)
	if err != nil {
		return 0, false, false, err
	}
	return end, bytes.IndexByte(data[i:end], '\\') >= 0, validUTF8, nil
}
