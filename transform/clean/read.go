package clean

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

var (
	errNoRow  = errors.New("the record is no JSON object")
	errNested = errors.New("a member is an object or an array")
	errTwice  = errors.New("two members have one name")
	errUTF8   = errors.New("the record is not valid UTF-8")
)

// read takes the object at the start of data apart, behind white space, and
// returns the index behind it.
func (w *row) read(data []byte) (end int, err error) {
	w.data = data
	i := jsonscan.SkipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return 0, errNoRow
	}
	i = jsonscan.SkipSpace(data, i+1)
	if i < len(data) && data[i] == '}' {
		return i + 1, nil
	}
	for next := 0; ; {
		if end, ok := w.plainMember(data, i, next); ok {
			i, next = end, next+1
		} else if i, next, err = w.member(data, i, next); err != nil {
			return 0, err
		}
		i = jsonscan.SkipSpace(data, i)
		switch {
		case i == len(data):
			return 0, errNoRow
		case data[i] == '}':
			return i + 1, nil
		case data[i] != ',':
			return 0, errNoRow
		}
		i = jsonscan.SkipSpace(data, i+1)
	}
}

// plainMember is member where it is the one that is expected, and both name and
// text stand there as they are to be written: as source/csv writes most.
func (w *row) plainMember(data []byte, i, next int) (end int, ok bool) {
	if next == len(w.fields) {
		return i, false
	}
	c, f := &w.rows.columns[next], &w.fields[next]
	if f.set || !bytes.HasPrefix(data[i:], c.open) {
		return i, false
	}
	from := i + len(c.open)
	end, has := lookTo(data, from)
	if end == len(data) || data[end] != '"' || has&beyondASCII != 0 && !utf8.Valid(data[from:end]) {
		return i, false
	}
	*f = field{text: data[from:end:end], has: has, set: true}
	if c.same {
		f.from, f.to = i, end+1
	}
	return end + 1, true
}

// member reads the member at data[i] and puts it in its place. It returns the
// index behind it, and the column that is expected next.
func (w *row) member(data []byte, i, next int) (end, after int, err error) {
	if i == len(data) || data[i] != '"' {
		return i, next, errNoRow
	}
	end, escaped, validUTF8, err := jsonscan.TextString(data, i)
	if err != nil {
		return i, next, errNoRow
	}
	if !validUTF8 {
		return i, next, errUTF8
	}
	key := data[i:end]
	i = jsonscan.SkipSpace(data, end)
	if i == len(data) || data[i] != ':' {
		return i, next, errNoRow
	}
	f, end, err := w.value(data, jsonscan.SkipSpace(data, i+1))
	if err != nil {
		return i, next, err
	}
	f.has = look(f.text)
	after, err = w.take(key, escaped, f, next)
	return end, after, err
}

// value reads the scalar at data[i], and returns the index behind it.
func (w *row) value(data []byte, i int) (f field, end int, err error) {
	f.set = true
	if i == len(data) {
		return f, i, errNoRow
	}
	switch data[i] {
	case '{', '[':
		return f, i, errNested
	case '"':
		end, escaped, validUTF8, err := jsonscan.TextString(data, i)
		if err != nil {
			return f, i, errNoRow
		}
		if !validUTF8 {
			return f, i, errUTF8
		}
		f.text = data[i+1 : end-1 : end-1]
		if escaped {
			f.text, err = w.unescape(data[i:end])
		}
		return f, end, err
	}
	if end, err = jsonscan.Value(data, i, 1); err != nil {
		return f, i, errNoRow
	}
	if data[i] != 'n' {
		f.text, f.raw = data[i:end:end], true
	}
	return f, end, nil
}

// unescape returns what a valid string means.
func (w *row) unescape(quoted []byte) ([]byte, error) {
	n := len(w.scratch)
	for raw := quoted[1 : len(quoted)-1]; ; {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			w.scratch = append(w.scratch, raw...)
			return w.scratch[n:len(w.scratch):len(w.scratch)], nil
		}
		c := meant[raw[i+1]]
		if c == 0 { // of more than two bytes
			break
		}
		w.scratch = append(append(w.scratch, raw[:i]...), c)
		raw = raw[i+2:]
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, errNoRow
	}
	w.scratch = append(w.scratch[:n], text...)
	return w.scratch[n:len(w.scratch):len(w.scratch)], nil
}

// meant has what is meant by the bytes behind a backslash.
var meant = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// take puts a member in its place. Rows mostly have their columns in the order
// of the configuration: next is the column that is expected, and the next one is
// returned.
func (w *row) take(quoted []byte, escaped bool, f field, next int) (int, error) {
	name := quoted[1 : len(quoted)-1]
	if escaped {
		var err error
		if name, err = w.unescape(quoted); err != nil {
			return next, err
		}
	}
	i, named := next, next < len(w.fields) && string(name) == w.rows.cfg.Columns[next].Name
	if !named {
		i, named = w.rows.names[string(name)]
	}
	switch {
	case named:
		if w.fields[i].set {
			return next, errTwice
		}
		w.fields[i] = f
		return i + 1, nil
	case w.rows.cfg.Others:
		if _, twice := w.seen[string(name)]; twice {
			return next, errTwice
		}
		w.seen[string(name)] = struct{}{}
		w.others = append(w.others, other{quoted, f})
	}
	return next, nil
}
