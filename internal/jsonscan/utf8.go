package jsonscan

// ValidUTF8 reports whether data is valid UTF-8. It is for text where ASCII and
// the rest alternate: it branches once in eight bytes only, where
// [unicode/utf8.Valid] branches at each rune, on what no predictor could tell.
//
// It is a finite automaton. Each byte has a word with the next states after all
// states; a state is the place in those words, counted in bits and modulo 64,
// where the next is found.
func ValidUTF8(data []byte) bool {
	p, i, state := textOf(data), 0, uint64(utf8Start)
	for ; i+8 <= len(data); i += 8 {
		x := load8(p, i)
		if x&highs == 0 && state%64 == utf8Start {
			continue
		}
		for range 8 {
			state = utf8Next[byte(x)] >> (state % 64)
			x >>= 8
		}
	}
	for ; i < len(data); i++ {
		state = utf8Next[data[i]] >> (state % 64)
	}
	return state%64 == utf8Start
}

// The states of ValidUTF8. utf8Bad follows where nothing is said.
const (
	utf8Bad      = 6 * iota // after any mistake
	utf8Start               // before a rune
	utf8Last1               // before the last byte of a rune
	utf8Last2               // before the last two
	utf8Last3               // before the last three
	utf8BehindE0            // before the last two, of which not all are allowed
	utf8BehindED
	utf8BehindF0 // before the last three, of which not all are allowed
	utf8BehindF4
)

// utf8Next has the next states. The byte ranges are those of table 3-7 of the
// Unicode standard.
var utf8Next = func() (table [256]uint64) {
	for _, t := range []struct {
		from, to    int
		state, next uint64
	}{
		{0x00, 0x7f, utf8Start, utf8Start},
		{0xc2, 0xdf, utf8Start, utf8Last1},
		{0xe0, 0xe0, utf8Start, utf8BehindE0},
		{0xe1, 0xec, utf8Start, utf8Last2},
		{0xed, 0xed, utf8Start, utf8BehindED},
		{0xee, 0xef, utf8Start, utf8Last2},
		{0xf0, 0xf0, utf8Start, utf8BehindF0},
		{0xf1, 0xf3, utf8Start, utf8Last3},
		{0xf4, 0xf4, utf8Start, utf8BehindF4},
		{0x80, 0xbf, utf8Last1, utf8Start},
		{0x80, 0xbf, utf8Last2, utf8Last1},
		{0x80, 0xbf, utf8Last3, utf8Last2},
		{0xa0, 0xbf, utf8BehindE0, utf8Last1},
		{0x80, 0x9f, utf8BehindED, utf8Last1},
		{0x90, 0xbf, utf8BehindF0, utf8Last2},
		{0x80, 0x8f, utf8BehindF4, utf8Last2},
	} {
		for c := t.from; c <= t.to; c++ {
			table[c] |= t.next << t.state
		}
	}
	return table
}()
