package jsonscan

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
		n := leadingDigits(load8(textOf(data), i))
		if i += n; n < 8 {
			return i
		}
	}
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	return i
}
