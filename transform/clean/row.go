package clean

import (
	"bytes"
	"fmt"
	"unicode/utf8"
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
	text []byte   // nil is null
	has  features // of text
	set  bool     // the row has the member
	// raw says that the value was no string: of a member that is not named it
	// stays as it is.
	raw bool
	// from and to say where the member stands in the record just as it is to be
	// written. to is 0 where it does not.
	from, to int
}

// is makes text the field's own, in the place of another one.
func (f *field) is(text []byte) {
	f.text, f.has, f.from, f.to = text, look(text), 0, 0
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
	data    []byte // of the record
	fields  []field
	others  []other
	seen    map[string]struct{} // keys of others
	scratch []byte              // of texts that are not part of the record
	marks   []mark
	mended  bool
}

const (
	minScratch = 1 << 10 // bytes of scratch at first
	maxScratch = 1 << 20 // bytes of scratch that are not worth keeping
)

func newRow(r *Rows) *row {
	return &row{
		rows: r, fields: make([]field, len(r.cfg.Columns)), seen: map[string]struct{}{},
		scratch: make([]byte, 0, minScratch),
	}
}

func (w *row) free() {
	clear(w.fields)
	if len(w.others) > 0 {
		clear(w.others)
		clear(w.seen)
	}
	w.data, w.others, w.marks, w.mended = nil, w.others[:0], w.marks[:0], false
	if w.scratch = w.scratch[:0]; cap(w.scratch) > maxScratch {
		w.scratch = make([]byte, 0, minScratch)
	}
	w.rows.spare.Put(w)
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
		if !f.set || f.raw || !bytes.EqualFold(bytes.TrimSpace(f.text), w.rows.columns[i].name) {
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
	f.is(nil)
	w.marks = append(w.marks, mark{column, rule, true})
	return true, rule, true
}

func (w *row) fixText(column int, c *Column, f *field) (rule int, ok bool) {
	i := 0
	if made := &w.rows.columns[column]; f.has&made.idle == 0 {
		i = made.busy
	}
	for ; i < len(c.Rules) && f.text != nil; i++ {
		if c.Rules[i].spares(f.has) {
			continue
		}
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
		if w.rows.cfg.Everywhere[i].spares(f.has) {
			continue
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
		mended = len(f.text) > 0
		f.is(nil)
		return mended, true
	case v != IsText:
		return false, false
	case len(fixed) == len(f.text) && (len(fixed) == 0 || &fixed[0] == &f.text[0]), bytes.Equal(fixed, f.text):
		return false, true
	case !utf8.Valid(fixed):
		return false, false
	case len(fixed) == 0:
		f.is([]byte{})
		return true, true
	}
	w.scratch = append(w.scratch, fixed...) // where it mostly stands already
	f.is(w.scratch[n:len(w.scratch):len(w.scratch)])
	return true, true
}

// reason says why a row is put aside, without its texts.
func reason(column, rule string) error {
	return fmt.Errorf("column %q: rule %q", column, rule)
}
