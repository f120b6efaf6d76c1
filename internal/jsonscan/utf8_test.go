package jsonscan

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// All sequences of three bytes, in the middle of ASCII, and those of four that
// start as such a sequence may, over a word boundary or not.
func TestValidUTF8AgreesWithUnicode(t *testing.T) {
	check := func(data []byte) {
		if ValidUTF8(data) != utf8.Valid(data) {
			require.Equal(t, utf8.Valid(data), ValidUTF8(data), "%q", data)
		}
	}
	data := []byte("0123456789abcdef")
	for _, at := range []int{0, 5, 7, 12} {
		buf := bytes.Clone(data)
		for x := range 1 << 16 {
			buf[at], buf[at+1] = byte(x>>8), byte(x)
			for _, c := range []byte{'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe0, 0xf0, 0xff} {
				buf[at+2] = c
				check(buf)
				if buf[at] >= 0xf0 {
					for _, d := range []byte{'a', 0x80, 0xbf, 0xc2} {
						buf[at+3] = d
						check(buf)
					}
					buf[at+3] = data[at+3]
				}
				check(buf[:at+3])
			}
			check(buf[:at+2])
		}
	}
}
