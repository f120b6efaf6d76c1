package jsonscan

import "bytes"

// restOfString goes behind the closing quote of the string that s.i is in, at
// no place where an escape or rune is cut in two.
//
// It takes whole words, whatever is in them, and branches as little as it can
// on where in a word that is: in text, no branch predictor could tell.
func (s *scanner) restOfString() bool {
	data, i := s.data, s.i
	p := textOf(data)
	var seen uint64 // all bytes, ored together
	for {
		var x uint64
		if i+8 <= len(data) {
			x = load8(p, i)
		} else {
			x = lastWord(data, i)
		}
		seen |= x
		quotes, backslashes := equal(x, '"'), equal(x, '\\')
		// Bits above the lowest may lie; see special.
		faults := (x - ' '*ones) &^ x & highs

		// A backslash at the end is left for the next word to begin with.
		last := backslashes >> 63
		if escaped := backslashes << 8; escaped != 0 {
			quotes &^= escaped
			hex := equal(x, 'u') & escaped
			// Escapes less common, or wrong, or in touch with one another.
			faults |= escaped &^ (equal(x, '"') | equal(x, '/') | equal(x, 'n') | hex)
			for ; hex != 0; hex &= hex - 1 {
				if !fourHex(data, i+first(hex)+1) {
					faults |= hex
				}
			}
		}
		if faults&(quotes-1)&^quotes != 0 { // before the closing quote
			var closed bool
			if i, closed, s.err = nextEscape(data, i); s.err != nil {
				return false
			}
			if closed {
				break
			}
			continue
		}
		if quotes != 0 {
			i += first(quotes)
			break
		}
		i += 8 - int(last)
	}
	if seen&highs != 0 && !ValidUTF8(data[s.i:i]) {
		s.badUTF8 = true
	}
	s.i = i + 1
	return true
}

// nextEscape goes byte by byte through a string, from data[i] to behind the
// next escape, or if there is none, to the closing quote.
func nextEscape(data []byte, i int) (_ int, closed bool, err error) {
	for ; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return i, true, nil
		case c < ' ':
			return 0, false, &SyntaxError{i, "control character in a string"}
		case c == '\\':
			if i+1 < len(data) && shortEscape[data[i+1]] {
				return i + 2, false, nil
			}
			i, err = longEscape(data, i)
			return i, false, err
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
		if notHex[data[i+n]] != 0 {
			return 0, &SyntaxError{i + n, "no hexadecimal digit in a \\u escape"}
		}
	}
	return i + 5, nil
}

// fourHex reports whether there are four hexadecimal digits at data[i].
func fourHex(data []byte, i int) bool {
	if i+4 > len(data) {
		return false
	}
	x := data[i : i+4 : i+4]
	return notHex[x[0]]|notHex[x[1]]|notHex[x[2]]|notHex[x[3]] == 0
}

// notHex is not 0 for bytes that are no hexadecimal digits.
var notHex = func() (table [256]byte) {
	for c := range table {
		if c := byte(c); c-'0' > 9 && c|0x20-'a' > 5 {
			table[c] = 1
		}
	}
	return table
}()

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
	s := scanner{data: data, i: i + 1}
	if !s.restOfString() {
		return 0, false, false, s.err
	}
	return s.i, bytes.IndexByte(data[i:s.i], '\\') >= 0, !s.badUTF8, nil
}
