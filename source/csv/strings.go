package csv

import (
	"encoding/binary"
	"slices"
)

// longField is how long a field is that is copied otherwise than by words.
const longField = 4 * wordBytes

// room returns dst with room for appendStrings, and false if there is none.
func (r *rows) room(dst []byte, row row) ([]byte, bool) {
	n := r.fixed + len(row.text) + wordBytes
	if r.tight && cap(dst)-len(dst) < n {
		return dst, false
	}
	return slices.Grow(dst, n), true
}

// appendStrings is appendRow for a row of strings that stand for themselves. Most
// rows are, and most fields are short: so they are copied a word at a time, past
// their ends.
func (r *rows) appendStrings(dst []byte) []byte {
	out := dst[:cap(dst)]
	at := len(dst)
	out[at] = '{'
	at++
	for i := range r.cols {
		c := &r.cols[i]
		f := &r.fields[c.field]
		n := f.end - f.start
		if n == 0 || f.scratch {
			line, _ := r.appendField(out[:at], c, r.bytes(*f), *f) // which is UTF-8
			at = len(line)
			continue
		}
		copyWords(out[at:], c.open, len(c.name)+1)
		at += len(c.name) + 1
		if n > longField {
			copy(out[at:], r.buf[f.start:f.end])
		} else {
			copyWords(out[at:], r.buf[f.start:], n)
		}
		at += n
		out[at], out[at+1] = '"', ','
		at += len(`",`)
	}
	if out[at-1] == ',' {
		at--
	}
	out[at], out[at+1] = '}', '\n'
	return out[:at+len("}\n")]
}

// copyWords copies n bytes, and up to a word more.
func copyWords(dst, src []byte, n int) {
	for i := 0; i < n; i += wordBytes {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:]))
	}
}
