package sqstest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/internal/standin"
)

// errJSON is returned for a request that is not the JSON the operation takes.
var errJSON = errors.New("malformed JSON")

// maxDepth bounds the nesting of what a request may hold.
const maxDepth = 32

// decoder reads the JSON of a request in one pass. It exists because
// encoding/json walks a megabyte body twice and copies it twice: with it the
// stand-in, which shares the machine with the code under test, costs a
// multiple.
//
// Strings are unescaped into out, which is as long as the input and eight
// bytes, so that it never grows and slices of it stay valid.
type decoder struct {
	in  []byte
	pos int
	out []byte
}

func newDecoder(in, scratch []byte) *decoder {
	if cap(scratch) < len(in)+8 {
		scratch = make([]byte, 0, len(in)+8)
	}
	return &decoder{in: in, out: scratch[:0]}
}

// space skips white space and returns the next byte, 0 at the end.
func (d *decoder) space() byte {
	for d.pos < len(d.in) {
		switch c := d.in[d.pos]; c {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes one expected byte after white space.
func (d *decoder) take(c byte) error {
	if d.space() != c {
		return errJSON
	}
	d.pos++
	return nil
}

// null consumes a null, if there is one.
func (d *decoder) null() bool {
	if d.space() == 'n' && d.literal("null") == nil {
		return true
	}
	return false
}

func (d *decoder) literal(s string) error {
	if len(d.in)-d.pos < len(s) || string(d.in[d.pos:d.pos+len(s)]) != s {
		return errJSON
	}
	d.pos += len(s)
	return nil
}

// end checks that nothing but white space is left.
func (d *decoder) end() error {
	if d.space() != 0 || d.pos != len(d.in) {
		return errJSON
	}
	return nil
}

// object calls member for each member, at its value. Members whose value is
// null are skipped, as the services do.
func (d *decoder) object(member func(name string) error) error {
	if err := d.take('{'); err != nil {
		return err
	}
	if d.space() == '}' {
		d.pos++
		return nil
	}
	for {
		name, err := d.str()
		if err != nil {
			return err
		}
		if err := d.take(':'); err != nil {
			return err
		}
		if !d.null() {
			if err := member(string(name)); err != nil {
				return err
			}
		}
		switch d.space() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return nil
		default:
			return errJSON
		}
	}
}

// array calls elem at each element.
func (d *decoder) array(elem func() error) error {
	if err := d.take('['); err != nil {
		return err
	}
	if d.space() == ']' {
		d.pos++
		return nil
	}
	for {
		if err := elem(); err != nil {
			return err
		}
		switch d.space() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return nil
		default:
			return errJSON
		}
	}
}

// digits reads a number as it is written.
func (d *decoder) digits() ([]byte, error) {
	d.space()
	start := d.pos
	for d.pos < len(d.in) && number[d.in[d.pos]] {
		d.pos++
	}
	text := d.in[start:d.pos]
	if !json.Valid(text) {
		return nil, errJSON
	}
	return text, nil
}

// integer reads a whole number.
func (d *decoder) integer() (int, error) {
	text, err := d.digits()
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, errJSON
	}
	return n, nil
}

// skip passes over any value.
func (d *decoder) skip(depth int) error {
	if depth == 0 {
		return errJSON
	}
	switch c := d.space(); {
	case c == '"':
		_, err := d.str()
		return err
	case c == '{':
		return d.object(func(string) error { return d.skip(depth - 1) })
	case c == '[':
		return d.array(func() error { return d.skip(depth - 1) })
	case c == 't':
		return d.literal("true")
	case c == 'f':
		return d.literal("false")
	case c == 'n':
		return d.literal("null")
	case c == '-' || c-'0' <= 9:
		_, err := d.digits()
		return err
	}
	return errJSON
}

// number holds the characters of numbers.
var number = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'-': true, '+': true, '.': true, 'e': true, 'E': true,
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word whose lowest set high bit is in the first byte of w
// that is a quote, a backslash or a control character. Bytes after it may be
// reported wrongly.
func special(w uint64) uint64 {
	quote := w ^ '"'*ones
	back := w ^ '\\'*ones
	return ((w - ' '*ones) | (quote - ones) | (back - ones)) &^ w & highs
}

// str reads a string. The result is valid UTF-8 but for escaped lone
// surrogates, which become the three bytes that UTF-8 forbids.
func (d *decoder) str() ([]byte, error) {
	if err := d.take('"'); err != nil {
		return nil, err
	}
	in, out, pos := d.in, d.out[:cap(d.out)], d.pos
	start := len(d.out)
	n := start
	var seen uint64 // all bytes, ored together, and perhaps some behind the end
	for {
		for pos+8 <= len(in) {
			w := binary.LittleEndian.Uint64(in[pos:])
			m := special(w)
			seen |= w
			binary.LittleEndian.PutUint64(out[n:], w)
			if m != 0 {
				k := bits.TrailingZeros64(m) >> 3
				pos, n = pos+k, n+k
				break
			}
			pos, n = pos+8, n+8
		}
		if pos >= len(in) {
			return nil, errJSON
		}
		switch c := in[pos]; {
		case c == '"':
			d.pos = pos + 1
			d.out = out[:n]
			s := out[start:n:n]
			if seen&highs != 0 && !validButSurrogates(s) {
				return nil, errJSON
			}
			return s, nil
		case c == '\\' && pos+1 < len(in) && in[pos+1] == '"': // of JSON in a string every few bytes
			out[n] = '"'
			pos, n = pos+2, n+1
		case c == '\\':
			r, size := standin.Unescape(in[pos:])
			if size == 0 {
				return nil, errJSON
			}
			pos += size
			if r < utf8.RuneSelf {
				out[n] = byte(r)
				n++
				break
			}
			seen |= highs
			n = len(appendRune(out[:n], r))
		case c < ' ':
			return nil, errJSON
		default:
			seen |= uint64(c)
			out[n] = c
			pos, n = pos+1, n+1
		}
	}
}

// appendRune is utf8.AppendRune that keeps a lone surrogate recognisable.
func appendRune(b []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(b, r)
}

// validButSurrogates reports whether s is valid UTF-8 with no exception but the
// surrogates of appendRune.
func validButSurrogates(s []byte) bool {
	if jsonscan.ValidUTF8(s) {
		return true
	}
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		if r == utf8.RuneError && size == 1 {
			if len(s) < 3 || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2]&0xC0 != 0x80 {
				return false
			}
			size = 3
		}
		s = s[size:]
	}
	return true
}
