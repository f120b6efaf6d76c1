package clean

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// Row is a row whose fields have been cleaned, for a [RowRule]. It is valid
// until Good returns.
type Row struct{ w *row }

// Text returns the text of the column of that [Column.Name], nil where it is
// null or there is no such column. It must be neither kept nor changed.
func (r Row) Text(column string) []byte {
	if i, ok := r.w.rows.names[column]; ok {
		return r.w.fields[i].text
	}
	return nil
}

// field is a member of a row.
type field struct {
	text []byte // nil is null
	set  bool   // the row has the member
	// raw says that the value was no string: of a member that is not named it
	// stays as it is.
	raw bool
}

// other is a member that the configuration does not name.
type other struct {
	key []byte // as it was written, with its quotes
	field
}

// mark is what became of one text: it was mended by a rule or made null for it.
type mark struct {
	column, rule int
	nulled       bool
}

// verdict is what becomes of a row.
type verdict struct {
	drop bool
	err  error
}

// row is a row while it is cleaned.
type row struct {
	rows    *Rows
	fields  []field
	others  []other
	seen    map[string]struct{} // keys of others
	scratch []byte              // of texts that are not part of the record
	marks   []mark
	mended  bool
}

// maxScratch is a size of scratch, in bytes, that is not worth keeping.
const maxScratch = 1 << 20

func newRow(r *Rows) *row {
	return &row{rows: r, fields: make([]field, len(r.cfg.Columns)), seen: map[string]struct{}{}}
}

func (w *row) free() {
	clear(w.fields)
	clear(w.others)
	clear(w.seen)
	w.others, w.marks, w.mended = w.others[:0], w.marks[:0], false
	if w.scratch = w.scratch[:0]; cap(w.scratch) > maxScratch {
		w.scratch = nil
	}
	w.rows.spare.Put(w)
}

var (
	errNoRow  = errors.New("the record is no JSON object")
	errNested = errors.New("a member is an object or an array")
	errTwice  = errors.New("two members have one name")
	errUTF8   = errors.New("the record is not valid UTF-8")
)

// read takes the row apart.
func (w *row) read(data []byte) error {
	i := jsonscan.SkipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return errNoRow
	}
	i = jsonscan.SkipSpace(data, i+1)
	if i < len(data) && data[i] == '}' {
		return w.end(data, i)
	}
	for next := 0; ; {
		if i == len(data) || data[i] != '"' {
			return errNoRow
		}
		end, escaped, validUTF8, err := jsonscan.TextString(data, i)
		if err != nil {
			return errNoRow
		}
		if !validUTF8 {
			return errUTF8
		}
		key := data[i:end]
		i = jsonscan.SkipSpace(data, end)
		if i == len(data) || data[i] != ':' {
			return errNoRow
		}
		var f field
		if f, i, err = w.value(data, jsonscan.SkipSpace(data, i+1)); err != nil {
			return err
		}
		if next, err = w.take(key, escaped, f, next); err != nil {
			return err
		}
		i = jsonscan.SkipSpace(data, i)
		switch {
		case i == len(data):
			return errNoRow
		case data[i] == '}':
			return w.end(data, i)
		case data[i] != ',':
			return errNoRow
		}
		i = jsonscan.SkipSpace(data, i+1)
	}
}

// end makes sure that nothing is behind the object that ends at data[i].
func (w *row) end(data []byte, i int) error {
	if jsonscan.SkipSpace(data, i+1) < len(data) {
		return errNoRow
	}
	return nil
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

// unescape returns what a string means.
func (w *row) unescape(quoted []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, errNoRow
	}
	n := len(w.scratch)
	w.scratch = append(w.scratch, text...)
	return w.scratch[n:len(w.scratch):len(w.scratch)], nil
}

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

// clean applies the rules.
func (w *row) clean() (v verdict) {
	cfg := &w.rows.cfg
	if !cfg.KeepHeader && w.isHeader() {
		w.rows.counts.header.Add(1)
		return verdict{drop: true}
	}
	blank, bad := true, -1
	var badRule int
	for c := range w.fields {
		nulled, rule, ok := w.fix(c)
		if !ok && bad < 0 {
			bad, badRule = c, rule
		}
		if nulled || !ok && rule != required || len(w.fields[c].text) > 0 {
			blank = false
		}
	}
	for i := range w.others {
		w.fixOther(&w.others[i].field)
		blank = blank && len(w.others[i].text) == 0
	}
	switch {
	case blank && !cfg.KeepBlank:
		w.rows.counts.blank.Add(1)
		return verdict{drop: true}
	case bad >= 0:
		return w.rows.counts.bad(cfg, bad, badRule)
	}
	for i, rule := range cfg.Rows {
		if !rule.Good(Row{w}) {
			return w.rows.counts.badRow(rule, i)
		}
	}
	for _, m := range w.marks {
		w.rows.counts.mark(m)
	}
	w.mended = len(w.marks) > 0
	return verdict{}
}

// isHeader reports whether each field is the name of its column.
func (w *row) isHeader() bool {
	for i := range w.fields {
		f := &w.fields[i]
		if !f.set || f.raw || !bytes.EqualFold(bytes.TrimSpace(f.text), []byte(w.rows.cfg.Columns[i].Name)) {
			return false
		}
	}
	return true
}

// fix applies the rules of a column. If its text is bad, the number of the rule
// that it breaks is returned, and ok is false, or nulled true.
func (w *row) fix(column int) (nulled bool, rule int, ok bool) {
	c, f := &w.rows.cfg.Columns[column], &w.fields[column]
	rule, ok = w.fixText(column, c, f)
	if ok || c.Bad != MakeNull { // what is required is never made null: see Config.check
		return false, rule, ok
	}
	f.text = nil
	w.marks = append(w.marks, mark{column, rule, true})
	return true, rule, true
}

func (w *row) fixText(column int, c *Column, f *field) (rule int, ok bool) {
	for i := 0; i < len(c.Rules) && f.text != nil; i++ {
		mended, ok := w.apply(&c.Rules[i], f)
		if !ok {
			return i, false
		}
		if mended {
			w.marks = append(w.marks, mark{column: column, rule: i})
		}
	}
	switch {
	case f.text == nil && c.Required:
		return required, false
	case f.text != nil && c.Type == Number && !isNumber(f.text),
		f.text != nil && c.Type == Boolean && string(f.text) != "true" && string(f.text) != "false":
		return typed, false
	}
	return 0, true
}

// fixOther applies the rules for everywhere, of which each is passed over that
// cannot mend the text: what is not named cannot be bad.
func (w *row) fixOther(f *field) {
	for i := range w.rows.cfg.Everywhere {
		if f.raw || f.text == nil {
			return
		}
		if mended, ok := w.apply(&w.rows.cfg.Everywhere[i], f); ok && mended {
			w.marks = append(w.marks, mark{column: len(w.fields), rule: i})
		}
	}
}

// apply applies one rule to a text, and tells whether it changed.
func (w *row) apply(rule *Rule, f *field) (mended, ok bool) {
	n := len(w.scratch)
	fixed, v := rule.Fix(w.scratch[n:], f.text)
	switch {
	case v == IsNull:
		mended, f.text = len(f.text) > 0, nil
		return mended, true
	case v != IsText:
		return false, false
	case len(fixed) == 0:
		mended, f.text = len(f.text) > 0, []byte{}
		return mended, true
	case len(fixed) == len(f.text) && &fixed[0] == &f.text[0]:
		return false, true
	case !utf8.Valid(fixed):
		return false, false
	}
	if m := len(fixed); cap(w.scratch)-n >= m && &w.scratch[:n+1][n] == &fixed[0] {
		w.scratch = w.scratch[:n+m] // it was appended
	}
	mended = !bytes.Equal(fixed, f.text)
	f.text = fixed[:len(fixed):len(fixed)]
	return mended, true
}

func isNumber(text []byte) bool {
	if len(text) == 0 || text[0] != '-' && text[0]-'0' > 9 {
		return false
	}
	end, err := jsonscan.Value(text, 0, 1)
	return err == nil && end == len(text)
}

// append appends the row as it is now.
func (w *row) append(dst []byte) []byte {
	start := len(dst)
	for i := range w.fields {
		dst = append(dst, w.rows.keys[i]...)
		dst = appendField(dst, &w.fields[i], w.rows.cfg.Columns[i].Type != Text)
	}
	for i := range w.others {
		o := &w.others[i]
		dst = append(dst, ',')
		dst = append(dst, o.key...)
		dst = append(dst, ':')
		dst = appendField(dst, &o.field, o.raw)
	}
	dst[start] = '{' // in the place of the first comma
	return append(dst, '}')
}

// appendKey appends the name of a member, as it is written behind another one.
func appendKey(dst []byte, name string) []byte {
	return append(jsonscan.AppendString(append(dst, ','), name), ':')
}

func appendField(dst []byte, f *field, raw bool) []byte {
	switch {
	case f.text == nil:
		return append(dst, "null"...)
	case raw:
		return append(dst, f.text...)
	default:
		return jsonscan.AppendString(dst, f.text)
	}
}

// reason says why a row is put aside, without its texts.
func reason(column, rule string) error {
	return fmt.Errorf("column %q: rule %q", column, rule)
}
