package clean

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// Decimal writes numbers as JSON does, digit by digit: nothing is rounded. It
// takes off white space, signs of currency, a plus sign and leading zeros, knows
// a minus sign before, behind, or as brackets around the number, and groups of
// three digits. point and group are each one character; group may be empty. A
// space or an apostrophe as group stands for all that look so.
//
//	Decimal(".", ",")   "$ 1,234.50" and "(1234.50)"
//	Decimal(",", ".")   "1.234,50 €"
//	Decimal(",", " ")   "1 234,50-"
func Decimal(point, group string) Rule {
	const name = "decimal"
	p, n := utf8.DecodeRuneInString(point)
	g, m := utf8.DecodeRuneInString(group)
	if n != len(point) || n == 0 || m != len(group) || m > 0 && g == utf8.RuneError || p == g || p >= utf8.RuneSelf || isDigit(p) || isDigit(g) || p == '-' || g == '-' {
		return Rule{Name: name, err: fmt.Errorf("decimal: point %q and group %q: each is one character, and they differ", point, group)}
	}
	if m == 0 {
		g = -1 // no character
	}
	return Rule{Name: name, Fix: func(dst, text []byte) ([]byte, Verdict) {
		if isDecimal(text) {
			return text, IsText
		}
		negative, digits, ok := unsigned(text)
		if !ok {
			return nil, IsBad
		}
		if negative {
			dst = append(dst, '-')
		}
		dst, ok = appendDecimal(dst, digits, p, g)
		return dst, goodIf(ok)
	}}
}

// isDecimal reports whether text is a number as Decimal writes it: one of JSON
// without an exponent.
func isDecimal(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	whole := leadingDigits(text)
	switch rest := text[whole:]; {
	case whole == 0, whole > 1 && text[0] == '0':
		return false
	case len(rest) == 0:
		return true
	default:
		return len(rest) > 1 && rest[0] == '.' && leadingDigits(rest[1:]) == len(rest)-1
	}
}

// leadingDigits returns the number of digits that text begins with.
func leadingDigits(text []byte) int {
	for i, c := range text {
		if c-'0' > 9 {
			return i
		}
	}
	return len(text)
}

// isNumber reports whether text is a number of JSON.
func isNumber(text []byte) bool {
	if isDecimal(text) {
		return true
	}
	if len(text) == 0 || text[0] != '-' && text[0]-'0' > 9 {
		return false
	}
	end, err := jsonscan.Value(text, 0, 1)
	return err == nil && end == len(text)
}

// unsigned takes sign, currency and white space off a number.
func unsigned(text []byte) (negative bool, digits []byte, ok bool) {
	signs := 0
	for {
		text = bytes.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Sc, r) })
		if len(text) == 0 {
			return false, nil, false
		}
		first, last := text[0], text[len(text)-1]
		switch {
		case first == '(' && last == ')':
			text, negative = text[1:len(text)-1], true
		case first == '-':
			text, negative = text[1:], true
		case last == '-':
			text, negative = text[:len(text)-1], true
		case first == '+':
			text = text[1:]
		default:
			return negative, text, signs <= 1
		}
		signs++
	}
}

// appendDecimal appends a number without sign, of which point and group are
// written as here.
func appendDecimal(dst, number []byte, point, group rune) ([]byte, bool) {
	whole, fraction, _ := bytes.Cut(number, []byte(string(point)))
	if len(whole) == 0 && len(fraction) == 0 {
		return nil, false
	}
	start, digits, grouped := len(dst), 0, false // digits since the last sign of a group
	for len(whole) > 0 {
		r, n := utf8.DecodeRune(whole)
		whole = whole[n:]
		switch {
		case isDigit(r):
			digits++
			if r != '0' || len(dst) > start {
				dst = append(dst, byte(r))
			}
		case !sameGroup(r, group), digits == 0, digits > 3, grouped && digits < 3:
			return nil, false
		default:
			digits, grouped = 0, true
		}
	}
	if grouped && digits != 3 {
		return nil, false
	}
	if len(dst) == start {
		dst = append(dst, '0')
	}
	if len(fraction) == 0 {
		return dst, true
	}
	for _, c := range fraction {
		if !isDigit(rune(c)) {
			return nil, false
		}
	}
	return append(append(dst, '.'), fraction...), true
}

func sameGroup(r, group rune) bool {
	switch group {
	case ' ':
		return r == ' ' || r == '\u00a0' || r == '\u202f' || r == '\u2009'
	case '\'':
		return r == '\'' || r == '\u2019'
	}
	return r == group
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// Integer takes numbers as [Decimal] writes them for good that have no
// fraction, and writes "12.00" as "12".
func Integer() Rule {
	return Rule{Name: "integer", Fix: func(_, text []byte) ([]byte, Verdict) {
		whole, fraction, _ := bytes.Cut(text, []byte("."))
		return whole, goodIf(isDecimal(text) && len(bytes.Trim(fraction, "0")) == 0)
	}}
}

// Bool writes yes and its likes as true, and no and its likes as false, in any
// case of letters, besides true and false themselves.
func Bool(yes, no []string) Rule {
	good, bad := newWords(append([]string{"true"}, yes...)), newWords(append([]string{"false"}, no...))
	return Rule{Name: "boolean", Fix: func(dst, text []byte) ([]byte, Verdict) {
		switch {
		case good.index(text) >= 0:
			return append(dst, "true"...), IsText
		case bad.index(text) >= 0:
			return append(dst, "false"...), IsText
		}
		return nil, IsBad
	}}
}
