package sorted

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Type is how the values of a key are compared.
type Type string

const (
	// Text is compared byte by byte, which for UTF-8 is the order of code points. Of
	// JSON, a string counts without its escapes, and a number or boolean as it
	// stands; an object or array is invalid.
	Text Type = "text"
	// Number is a decimal number, in JSON also one in a string. It is compared
	// exactly, with all of its digits; an exponent may have 18 digits.
	Number Type = "number"
	// Time is a time in the layout of the key.
	Time Type = "time"
)

// Key is one thing in a line that decides where it stands.
type Key struct {
	// Name is the path of a member of a JSON object, as in gjson: names or element
	// numbers with dots between them; a dot in a name is escaped by a backslash. The
	// first member of a name counts.
	Name string `yaml:"name"`
	// Index is the number of a column, from 0.
	Index int `yaml:"index"`
	// Type defaults to [Text].
	Type Type `yaml:"type"`
	// Layout is that of [time.Parse], for [Time]; without a zone it is UTC. Defaults
	// to [time.RFC3339].
	Layout string `yaml:"layout"`
	// Descending puts the greatest first.
	Descending bool `yaml:"descending"`
}

func (k Key) withDefaults() Key {
	if k.Type == "" {
		k.Type = Text
	}
	if k.Type == Time && k.Layout == "" {
		k.Layout = time.RFC3339
	}
	return k
}

// someTimes differ in every element of a layout.
var someTimes = [2]time.Time{
	time.Date(2026, time.May, 3, 4, 5, 6, 0, time.UTC),                                        // Sunday
	time.Date(2027, time.September, 23, 22, 15, 16, 123456789, time.FixedZone("AHEAD", 5400)), // Thursday
}

// maxIndex bounds Key.Index.
const maxIndex = 1 << 16

func (k Key) check(f Format) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case f == JSON && k.Name == "":
		bad("Name: required")
	case f == JSON && k.Index != 0:
		bad("Index: has no meaning with format %q", f)
	case f == Delimited && k.Name != "":
		bad("Name: has no meaning with format %q: say Index", f)
	case f == Delimited && (k.Index < 0 || k.Index > maxIndex):
		bad("Index: %d is not between 0 and %d", k.Index, maxIndex)
	case f == JSON:
		if err := checkPath(k.Name); err != nil {
			bad("Name: path %q: %w", k.Name, err)
		}
	}
	switch {
	case k.Type != Text && k.Type != Number && k.Type != Time:
		bad("Type: %q is none of %q, %q and %q", k.Type, Text, Number, Time)
	case k.Type != Time && k.Layout != "":
		bad("Layout: only for type %q", Time)
	case k.Type == Time && someTimes[0].Format(k.Layout) == someTimes[1].Format(k.Layout):
		bad("Layout: %q holds no time", k.Layout)
	}
	return errs
}

// checkPath refuses what is more than names: gjson would search and compute.
func checkPath(path string) error {
	empty := true
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\':
			if i++; i == len(path) {
				return errors.New("ends in a backslash")
			}
			empty = false
		case c == '.':
			if empty {
				return errors.New("holds an empty name")
			}
			empty = true
		case strings.IndexByte("|#@*?!{}[]()", c) >= 0:
			return fmt.Errorf("%q has to be escaped by a backslash: there are only names and element numbers", c)
		default:
			empty = false
		}
	}
	if empty {
		return errors.New("holds an empty name")
	}
	return nil
}

func checkDelimiter(d string) error {
	if strings.ContainsAny(d, "\"\r\n") {
		return errors.New("must not hold a double quote or a line break")
	}
	return nil
}

// field is the text of a key in one line.
type field struct {
	text  []byte
	state fieldState
}

type fieldState uint8

const (
	missing fieldState = iota
	invalid
	present
)

// keyer makes the key of lines: bytes that compare as the lines are to stand. It is
// used by one goroutine.
type keyer struct {
	cfg     *Config
	last    int // greatest index
	fields  [][]byte
	unquote []byte
}

func newKeyer(cfg *Config) *keyer {
	k := &keyer{cfg: cfg}
	for _, key := range cfg.By {
		k.last = max(k.last, key.Index)
	}
	return k
}

// append appends the key of a line. No key is the beginning of another one.
func (k *keyer) append(dst, line []byte) []byte {
	if k.cfg.Format == Delimited {
		k.split(bytes.TrimRight(line, "\r\n"))
	}
	for i := range k.cfg.By {
		key := &k.cfg.By[i]
		var f field
		if k.cfg.Format == JSON {
			f = member(line, key)
		} else {
			f = k.column(key)
		}
		dst = k.appendField(dst, f, key)
	}
	return dst
}

// member finds the field of a JSON line.
func member(line []byte, key *Key) field {
	r := gjson.GetBytes(line, key.Name)
	switch r.Type {
	case gjson.Null:
		return field{}
	case gjson.String:
		return field{[]byte(r.Str), present}
	case gjson.Number:
		return field{[]byte(r.Raw), present}
	case gjson.True, gjson.False:
		if key.Type == Text {
			return field{[]byte(r.Raw), present}
		}
	case gjson.JSON:
	}
	return field{state: invalid}
}

// column finds the field of a line that was split.
func (k *keyer) column(key *Key) field {
	if key.Index >= len(k.fields) {
		return field{}
	}
	text := k.fields[key.Index]
	if key.Type != Text {
		if text = bytes.TrimSpace(text); len(text) == 0 {
			return field{}
		}
	}
	return field{text, present}
}

// split takes a line apart, as far as is needed.
func (k *keyer) split(line []byte) {
	k.fields, k.unquote = k.fields[:0], k.unquote[:0]
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	for len(k.fields) <= k.last {
		var text []byte
		var more bool
		if k.cfg.Quotes && len(line) > 0 && line[0] == '"' {
			text, line = k.quoted(line[1:])
			// What stands between the quote and the delimiter is nothing anyone wants.
			_, line, more = bytes.Cut(line, []byte(k.cfg.Delimiter))
		} else {
			text, line, more = bytes.Cut(line, []byte(k.cfg.Delimiter))
		}
		k.fields = append(k.fields, text)
		if !more {
			return
		}
	}
}

// quoted returns the column that begins behind a quote, and what follows its end.
func (k *keyer) quoted(line []byte) (text, rest []byte) {
	from := len(k.unquote)
	for {
		i := bytes.IndexByte(line, '"')
		if i < 0 {
			k.unquote = append(k.unquote, line...)
			return k.unquote[from:], nil
		}
		k.unquote = append(k.unquote, line[:i]...)
		line = line[i+1:]
		if len(line) == 0 || line[0] != '"' {
			return k.unquote[from:], line
		}
		k.unquote = append(k.unquote, '"')
		line = line[1:]
	}
}
