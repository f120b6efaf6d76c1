package jsonscan

// literal validates the literal at data[i], true, false or null.
func literal(data []byte, i int) (int, error) {
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
