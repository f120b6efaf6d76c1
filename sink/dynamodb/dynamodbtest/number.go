package dynamodbtest

import (
	"math/big"
	"strconv"
	"strings"
)

// Limits of numbers.
const (
	maxDigits = 38
	maxExp    = 126  // 9.99…e125 is the largest magnitude
	minExp    = -129 // 1e-130 the smallest
)

// number is 0.digits × 10^exp. digits begins and ends with another digit than 0;
// zero has none.
type number struct {
	neg    bool
	digits string
	exp    int
}

// parseNumber reads a number as DynamoDB takes it: an optional sign, digits with
// an optional point, an optional exponent.
func parseNumber(s string) (number, *apiError) {
	malformed := func() (number, *apiError) {
		return number{}, invalid("The parameter cannot be converted to a numeric value: %s", s)
	}
	var n number
	rest := s
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		n.neg, rest = rest[0] == '-', rest[1:]
	}
	mantissa, exponent := rest, ""
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, exponent = rest[:i], rest[i+1:]
		if exponent == "" {
			return malformed()
		}
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	if whole+part == "" || !allDigits(whole) || !allDigits(part) {
		return malformed()
	}
	if exponent != "" {
		e, err := strconv.Atoi(exponent)
		if err != nil || !allDigits(strings.TrimLeft(exponent[:1], "+-")+exponent[1:]) || e > 1<<20 || e < -1<<20 {
			return malformed()
		}
		n.exp = e
	}
	n.exp += len(whole)
	digits := whole + part
	trimmed := strings.TrimLeft(digits, "0")
	n.exp -= len(digits) - len(trimmed)
	n.digits = strings.TrimRight(trimmed, "0")
	return n.checked()
}

// checked returns n in its canonical form, or what DynamoDB says if it is out of
// range.
func (n number) checked() (number, *apiError) {
	switch {
	case n.digits == "":
		return number{}, nil
	case len(n.digits) > maxDigits:
		return number{}, invalid("Attempting to store more than 38 significant digits in a Number")
	case n.exp > maxExp:
		return number{}, invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case n.exp < minExp:
		return number{}, invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return n, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// String is the number as DynamoDB answers it: without exponent, superfluous
// zeros or plus sign.
func (n number) String() string {
	if n.digits == "" {
		return "0"
	}
	var b strings.Builder
	if n.neg {
		b.WriteByte('-')
	}
	switch {
	case n.exp <= 0:
		b.WriteString("0.")
		b.WriteString(strings.Repeat("0", -n.exp))
		b.WriteString(n.digits)
	case n.exp >= len(n.digits):
		b.WriteString(n.digits)
		b.WriteString(strings.Repeat("0", n.exp-len(n.digits)))
	default:
		b.WriteString(n.digits[:n.exp])
		b.WriteByte('.')
		b.WriteString(n.digits[n.exp:])
	}
	return b.String()
}

// canonical returns s as DynamoDB answers it. Whole numbers as they are mostly
// written are returned as they are.
func canonical(s string) (string, *apiError) {
	if 0 < len(s) && len(s) <= maxDigits && (s[0] != '0' || s == "0") && allDigits(s) {
		return s, nil
	}
	n, err := parseNumber(s)
	if err != nil {
		return "", err
	}
	return n.String(), nil
}

// stored is the number of a text in canonical form.
func stored(s string) number {
	n, _ := parseNumber(s) // was checked when it came in
	return n
}

// order appends the number in a form whose bytes sort as numbers do.
func (n number) order(b []byte) []byte {
	switch {
	case n.digits == "":
		return append(b, 0x80)
	case !n.neg:
		e := n.exp + 0x4000
		b = append(b, 0x81, byte(e>>8), byte(e))
		return append(b, n.digits...)
	}
	e := ^(n.exp + 0x4000)
	b = append(b, 0x7F, byte(e>>8), byte(e))
	for i := range len(n.digits) {
		b = append(b, ^n.digits[i])
	}
	return append(b, 0xFF) // -1.5 comes before -1
}

// compareNumbers orders two numbers in canonical form.
func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	var x, y [64]byte
	return strings.Compare(string(stored(a).order(x[:0])), string(stored(b).order(y[:0])))
}

// add returns x + y, or x - y, of numbers in canonical form.
func add(x, y string, minus bool) (string, *apiError) {
	a, b := stored(x), stored(y)
	unit := min(a.exp-len(a.digits), b.exp-len(b.digits))
	sum, other := a.scaled(unit), b.scaled(unit)
	if minus {
		sum.Sub(sum, other)
	} else {
		sum.Add(sum, other)
	}
	out, err := parseNumber(sum.String() + "e" + strconv.Itoa(unit))
	return out.String(), err
}

// scaled is the number as a multiple of 10^unit, which is not above its own.
func (n number) scaled(unit int) *big.Int {
	if n.digits == "" {
		return new(big.Int)
	}
	i, _ := new(big.Int).SetString(n.digits, 10)
	i.Mul(i, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.exp-len(n.digits)-unit)), nil))
	if n.neg {
		i.Neg(i)
	}
	return i
}
