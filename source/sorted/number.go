package sorted

import "encoding/binary"

// The sign of a number in a key.
const (
	negative = 1 + iota
	zero
	positive
)

// decimal is a number ±0.d₁d₂d₃… × 10ⁿ, where neither the first nor the last
// digit is 0.
type decimal struct {
	negative bool
	exponent int64
	whole    []byte // digits before the point
	fraction []byte // digits behind it
}

// parseDecimal reads digits with a sign, a point and an exponent. ok is false for
// anything else.
func parseDecimal(s []byte) (d decimal, ok bool) {
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	d.whole, s = digits(s)
	if len(s) > 0 && s[0] == '.' {
		d.fraction, s = digits(s[1:])
	}
	if len(d.whole)+len(d.fraction) == 0 {
		return d, false
	}
	if len(s) > 0 {
		if d.exponent, ok = parseExponent(s); !ok {
			return d, false
		}
	}
	d.normalize()
	return d, true
}

// normalize takes the zeros off both ends. It leaves nothing of zero.
func (d *decimal) normalize() {
	for len(d.whole) > 0 && d.whole[0] == '0' {
		d.whole = d.whole[1:]
	}
	d.exponent += int64(len(d.whole))
	if len(d.whole) == 0 {
		for len(d.fraction) > 0 && d.fraction[0] == '0' {
			d.fraction = d.fraction[1:]
			d.exponent--
		}
	}
	for len(d.fraction) > 0 && d.fraction[len(d.fraction)-1] == '0' {
		d.fraction = d.fraction[:len(d.fraction)-1]
	}
	if len(d.fraction) == 0 {
		for len(d.whole) > 0 && d.whole[len(d.whole)-1] == '0' {
			d.whole = d.whole[:len(d.whole)-1]
		}
	}
}

func digits(s []byte) (digits, rest []byte) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// maxExponentDigits keeps exponents, and what is added to them, within an int64.
const maxExponentDigits = 18

func parseExponent(s []byte) (int64, bool) {
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	minus := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		minus = s[0] == '-'
		s = s[1:]
	}
	ds, rest := digits(s)
	if len(ds) == 0 || len(rest) > 0 {
		return 0, false
	}
	for len(ds) > 1 && ds[0] == '0' {
		ds = ds[1:]
	}
	if len(ds) > maxExponentDigits {
		return 0, false
	}
	var n int64
	for _, c := range ds {
		n = 10*n + int64(c-'0')
	}
	if minus {
		n = -n
	}
	return n, true
}

// appendNumber appends a number so that numbers compare by value: the sign, the
// exponent, then the digits, two to a byte, from 1 on, with a 0 behind them; all
// but the sign inverted if it is negative.
func appendNumber(dst, text []byte) ([]byte, bool) {
	d, ok := parseDecimal(text)
	switch {
	case !ok:
		return dst, false
	case len(d.whole)+len(d.fraction) == 0:
		return append(dst, zero), true
	case d.negative:
		dst = append(dst, negative)
	default:
		dst = append(dst, positive)
	}
	at := len(dst)
	dst = appendExponent(dst, d.exponent)
	high := byte(0)
	odd := false
	for _, part := range [2][]byte{d.whole, d.fraction} {
		for _, c := range part {
			if odd = !odd; odd {
				high = 10 * (c - '0')
				continue
			}
			dst = append(dst, 1+high+c-'0')
		}
	}
	if odd {
		dst = append(dst, 1+high)
	}
	dst = append(dst, 0)
	if d.negative {
		invert(dst[at:])
	}
	return dst, true
}

// Exponents of the usual size take two bytes.
const (
	exponentBias = 1 << 14
	lowExponent  = 0
	highExponent = 1<<16 - 1
)

func appendExponent(dst []byte, e int64) []byte {
	if -exponentBias < e && e < exponentBias {
		return binary.BigEndian.AppendUint16(dst, uint16(e+exponentBias))
	}
	mark := uint16(highExponent)
	if e < 0 {
		mark = lowExponent
	}
	dst = binary.BigEndian.AppendUint16(dst, mark)
	return binary.BigEndian.AppendUint64(dst, uint64(e)^1<<63)
}
