package decoder

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// plain tells the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends s, which must be UTF-8, as a JSON string.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	return append(AppendText(append(dst, '"'), s), '"')
}

// AppendText is AppendString without the quotes.
func AppendText[S ~string | ~[]byte](dst []byte, s S) []byte {
	from := 0
	for i := range len(s) {
		c := s[i]
		if plain[c] {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, s[from:]...)
}

// AppendValid appends text with each byte that is not UTF-8 replaced by U+FFFD.
func AppendValid(dst, text []byte) []byte {
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, c)
		text = text[n:]
	}
	return dst
}

// IsNumber reports whether s is a number of JSON.
func IsNumber(s []byte) bool {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch n := digits(s[i:]); {
	case n == 0, n > 1 && s[i] == '0':
		return false
	default:
		i += n
	}
	if i < len(s) && s[i] == '.' {
		n := digits(s[i+1:])
		if n == 0 {
			return false
		}
		i += 1 + n
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		n := digits(s[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return i == len(s)
}

// digits returns how many digits s begins with.
func digits(s []byte) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
