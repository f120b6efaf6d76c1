package csv

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/decoder"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// batchBytes is how much is decoded at once, but for the last row.
const batchBytes = 64 << 10

// rows decodes the rows of one object after the other.
type rows struct {
	*scanner
	cfg    *Config
	key    string
	began  bool
	width  int      // columns
	cols   []column // that are wanted
	tight  bool     // the output takes no more room than it has to
	simple bool     // all are strings, and nothing else is wanted
	fixed  int      // bytes of a line, but for the fields
	names  string   // the row of names that cols were made of
	count  int64    // rows so far
	done   error    // of Append
}

func newRows(cfg *Config) *rows { return &rows{scanner: newScanner(cfg), cfg: cfg} }

// begin begins with the object under key, whose text the scanner has.
func (r *rows) begin(key string) {
	r.key, r.began, r.count, r.done = key, false, 0, nil
}

// Append appends the lines of some further rows. It implements [decoder.Rows].
func (r *rows) Append(dst []byte) ([]byte, error) {
	if r.done != nil {
		return dst, r.done
	}
	if !r.began {
		r.began = true
		r.skipMark()
		if r.done = r.header(); r.done != nil {
			return dst, r.done
		}
	}
	for full := len(dst) + batchBytes; len(dst) < full && r.done == nil; {
		dst = r.appendOne(dst)
	}
	return dst, r.done
}

// appendOne appends the next row, or sets done.
func (r *rows) appendOne(dst []byte) []byte {
	if r.long != longNone {
		if r.pos == r.end && r.err != nil {
			r.done = r.err
			return dst
		}
		return r.passLong(dst)
	}
	row, v := r.next()
	if v == rowMore {
		r.done = r.err
		return dst
	}
	if r.cfg.MaxRows > 0 && r.count == r.cfg.MaxRows {
		r.done = io.EOF
		r.count++
		row.text = nil
		return r.flaw(dst, row, fmt.Errorf("more than %d rows: what follows is not read", r.cfg.MaxRows))
	}
	r.count++
	switch v {
	case rowLong:
		r.startLong()
		return source.AppendFlawHead(dst, r.reason(r.tooLong()))
	case rowFlaw:
		return r.flaw(dst, row, row.fault)
	}
	if r.cols == nil {
		if r.done = r.useNames(numbered(len(r.fields))); r.done != nil {
			return dst
		}
	}
	return r.appendRow(dst, row)
}

func (r *rows) flaw(dst []byte, row row, reason error) []byte {
	return source.AppendFlaw(dst, r.reason(reason), row.text)
}

func (r *rows) reason(err error) string { return fmt.Sprintf("csv: row %d: %v", r.count, err) }

// defect makes the error of an object that cannot be read at all.
func (r *rows) defect(reason error) error {
	return fault.Corrupt(fmt.Errorf("csv: read %q: header: %w", r.key, reason))
}

// appendRow appends the object that the row at hand makes, or a flaw.
func (r *rows) appendRow(dst []byte, row row) []byte {
	start := len(dst)
	n := len(r.fields)
	if n != r.width && (n < r.width && r.cfg.Missing == MissingFlaw || n > r.width && r.cfg.Extra == "") {
		return r.flaw(dst, row, fmt.Errorf("%d fields, not %d", n, r.width))
	}
	if r.simple && !r.dirty && n == r.width {
		var ok bool
		if dst, ok = r.room(dst, row); ok {
			return r.appendStrings(dst)
		}
	}
	dst = append(dst, '{')
	if r.cfg.RowNumber != "" {
		dst = r.appendNumber(dst)
	}
	for i := range r.cols {
		c := &r.cols[i]
		if c.field >= n {
			if r.cfg.Missing == MissingNull {
				dst = append(append(dst, c.name...), "null,"...)
			}
			continue
		}
		f := r.fields[c.field]
		text := r.bytes(f)
		var err error
		if dst, err = r.appendField(dst, c, text, f); err != nil {
			return r.flaw(dst[:start], row, fmt.Errorf("field %d: %w", c.field+1, err))
		}
	}
	if n > r.width {
		var err error
		if dst, err = r.appendExtra(dst); err != nil {
			return r.flaw(dst[:start], row, err)
		}
	}
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = '}'
	} else {
		dst = append(dst, '}')
	}
	return append(dst, '\n')
}

var (
	errNotNumber = errors.New("not a number")
	errNotBool   = errors.New("neither true nor false")
	errNotUTF8   = errors.New("not UTF-8")
)

// appendField appends the member of a column, with a comma behind it, if there is
// to be one.
func (r *rows) appendField(dst []byte, c *column, text []byte, f field) ([]byte, error) {
	if len(text) == 0 {
		return r.appendEmpty(dst, c), nil
	}
	dst = append(dst, c.name...)
	switch c.typ {
	case TypeNumber:
		if !decoder.IsNumber(text) {
			return dst, errNotNumber
		}
		return append(append(dst, text...), ','), nil
	case TypeBool:
		value, ok := parseBool(text)
		if !ok {
			return dst, errNotBool
		}
		return append(append(dst, value...), ','), nil
	case TypeString:
	case TypeAuto:
		if !f.quoted && (decoder.IsNumber(text) || string(text) == "true" || string(text) == "false") {
			return append(append(dst, text...), ','), nil
		}
	}
	dst, err := r.appendString(dst, text, f)
	return append(dst, ','), err
}

func (r *rows) appendEmpty(dst []byte, c *column) []byte {
	switch {
	case r.cfg.Empty == EmptyOmit:
		return dst
	case r.cfg.Empty == EmptyString && (c.typ == TypeString || c.typ == TypeAuto):
		return append(append(dst, c.name...), `"",`...)
	}
	return append(append(dst, c.name...), "null,"...)
}

func (r *rows) appendString(dst, text []byte, f field) ([]byte, error) {
	switch {
	case !r.dirty && !f.scratch:
		return append(append(append(dst, '"'), text...), '"'), nil
	case utf8.Valid(text):
		return decoder.AppendString(dst, text), nil
	case r.cfg.UTF8 == ReplaceUTF8:
		return decoder.AppendString(dst, decoder.AppendValid(nil, text)), nil
	}
	return dst, errNotUTF8
}

// appendExtra appends what the row at hand has beyond its columns.
func (r *rows) appendExtra(dst []byte) ([]byte, error) {
	dst = append(decoder.AppendString(dst, r.cfg.Extra), ':', '[')
	for i, f := range r.fields[r.width:] {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = r.appendString(dst, r.bytes(f), f); err != nil {
			return dst, fmt.Errorf("field %d: %w", r.width+i+1, err)
		}
	}
	return append(dst, ']', ','), nil
}

// parseBool returns the JSON of a bool.
func parseBool(text []byte) (value string, ok bool) {
	switch len(text) {
	case len("1"):
		switch text[0] {
		case '1', 't', 'T':
			return "true", true
		case '0', 'f', 'F':
			return "false", true
		}
	case len("true"):
		return "true", lower(text) == "true"
	case len("false"):
		return "false", lower(text) == "false"
	}
	return "", false
}
