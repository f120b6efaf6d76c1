package clean

// features are what one pass over a text, which is valid UTF-8, tells of it. Of
// most texts that is enough to know that a rule has nothing to do.
type features uint8

const (
	beyondASCII features = 1 << iota // characters other than those of ASCII
	// exotic are control characters, and characters beyond ASCII other than the
	// letters from U+00C0 to U+017F: none of those is white space, invisible or
	// a mark, nor makes another character with one of its neighbours.
	exotic
	lowers  // letters of ASCII in lower case
	uppers  // letters of ASCII in upper case
	escapes // what a JSON string cannot hold as it is
	blanks  // spaces
	loose   // spaces at an end, or side by side: blanks shifted by one
)

// kinds has the features of the bytes of UTF-8.
var kinds = func() (t [256]features) {
	for c := range t {
		switch {
		case c < ' ':
			t[c] = exotic | escapes
		case c == ' ':
			t[c] = blanks
		case c == '"', c == '\\':
			t[c] = escapes
		case 'a' <= c && c <= 'z':
			t[c] = lowers
		case 'A' <= c && c <= 'Z':
			t[c] = uppers
		case c == 0x7f:
			t[c] = exotic
		case c >= 0xc0 && (c < 0xc3 || c > 0xc5): // first bytes of all but U+00C0 to U+017F
			t[c] = beyondASCII | exotic
		case c >= 0x80:
			t[c] = beyondASCII
		}
	}
	return t
}()

// look returns the features of a text.
func look(text []byte) features {
	if len(text) == 0 {
		return 0
	}
	var f features
	before := blanks
	for _, c := range text {
		k := kinds[c]
		f |= k | (k&before)<<1
		before = k & blanks
	}
	return f | before<<1
}

// lookTo is look for the text that starts at data[i] and ends before the first
// byte that a JSON string cannot hold as it is, at data[end], or with data.
func lookTo(data []byte, i int) (end int, f features) {
	before := blanks
	for end = i; end < len(data); end++ {
		k := kinds[data[end]]
		if k&escapes != 0 {
			break
		}
		f |= k | (k&before)<<1
		before = k & blanks
	}
	if end > i {
		f |= before << 1
	}
	return end, f
}
