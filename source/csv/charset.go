package csv

import (
	"io"
	"maps"
	"slices"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Charset is how characters are written in an object. What has no character in
// it, such as half a surrogate pair, is read as U+FFFD. The text of flaws is
// UTF-8 always.
type Charset string

// The character sets that are known.
const (
	UTF8Charset Charset = "utf-8"
	Latin1      Charset = "iso-8859-1"
	Windows1252 Charset = "windows-1252"
	// UTF16 goes by the byte order mark, and is little-endian without one.
	UTF16   Charset = "utf-16"
	UTF16LE Charset = "utf-16le"
	UTF16BE Charset = "utf-16be"
)

// charsets has no entry of substance for UTF-8, which needs no decoding.
var charsets = map[Charset]encoding.Encoding{
	UTF8Charset: nil,
	Latin1:      charmap.ISO8859_1,
	Windows1252: charmap.Windows1252,
	UTF16:       unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	UTF16LE:     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	UTF16BE:     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

func charsetNames() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(charsets)) {
		names = append(names, string(name))
	}
	return names
}

// reader returns what r has, in UTF-8.
func (c Charset) reader(r io.Reader) io.Reader {
	if e := charsets[c]; e != nil {
		return e.NewDecoder().Reader(r)
	}
	return r
}
