package csv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/decoder"
)

// column is a column that is wanted.
type column struct {
	field int // of a row
	typ   Type
	name  []byte // of the member, as it is written: "id":
	open  []byte // name and a quote, and at least a word more
}

// absent is the field of a column that no row has.
const absent = int(^uint(0) >> 1)

var (
	errNoName     = errors.New("has no name")
	errTwice      = errors.New("has the name of another column")
	errSameMember = errors.New("has the name of another member")
)

// header finds out what the columns are. The first row of an object is used up
// unless it is data.
func (r *rows) header() error {
	if r.cfg.Header == HeaderNone {
		return r.given()
	}
	row, v := r.next()
	switch {
	case v == rowMore:
		return r.err // io.EOF: there is nothing
	case v == rowLong:
		return r.defect(r.tooLong())
	case v == rowFlaw:
		return r.defect(row.fault)
	case r.cfg.Header == HeaderSkip:
		return r.given()
	case r.cols != nil && string(row.text) == r.names:
		return nil // as in the object before
	}
	r.names = string(row.text)
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		name := r.bytes(f)
		if !utf8.Valid(name) {
			if r.cfg.UTF8 == RejectUTF8 {
				return r.defect(fmt.Errorf("column %d: %w", i+1, errNotUTF8))
			}
			name = decoder.AppendValid(nil, name)
		}
		names[i] = string(name)
	}
	return r.useNames(names)
}

// given takes the names of the configuration, or leaves it to the first row how
// many there are.
func (r *rows) given() error {
	if len(r.cfg.Names) == 0 {
		r.cols = nil
		return nil
	}
	if r.cols != nil {
		return nil
	}
	return r.useNames(r.cfg.Names)
}

// numbered returns the names of n columns that have none.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "c" + strconv.Itoa(i+1)
	}
	return names
}

// useNames makes the columns that are wanted of those that there are.
func (r *rows) useNames(names []string) error {
	cols, err := r.cfg.columns(names)
	if err != nil {
		r.cols = nil
		return r.defect(err)
	}
	r.width, r.cols = len(names), cols
	r.fixed, r.simple = len("{}\n"), r.cfg.RowNumber == ""
	for _, c := range cols {
		r.fixed += len(c.name) + len("null,")
		r.simple = r.simple && c.typ == TypeString && c.field != absent
	}
	return nil
}

// columns returns the wanted ones of the columns with the given names.
func (c *Config) columns(names []string) ([]column, error) {
	all := len(c.Columns) == 0
	if c.UniqueNames {
		names = unique(names)
	}
	members := map[string]bool{c.Extra: true, c.RowNumber: true}
	at := make(map[string]int, len(names))
	for i, name := range names {
		first, twice := at[name]
		switch {
		case !twice:
			at[name] = i
		case all || c.Others:
			return nil, fmt.Errorf("column %d %w, %d", i+1, errTwice, first+1)
		default:
			at[name] = -1
		}
		if name == "" && (all || c.Others) {
			return nil, fmt.Errorf("column %d %w", i+1, errNoName)
		}
	}
	cols := make([]column, 0, max(len(names), len(c.Columns)))
	for _, want := range c.Columns {
		i, ok := at[want.Name]
		switch {
		case i < 0:
			return nil, fmt.Errorf("column %q is there more than once", want.Name)
		case !ok && !want.Optional:
			return nil, fmt.Errorf("there is no column %q", want.Name)
		case !ok:
			i = absent
		}
		members[want.As] = true
		cols = append(cols, newColumn(i, want.Type, want.As))
		delete(at, want.Name)
	}
	if !all && !c.Others {
		return cols, nil
	}
	for i, name := range names {
		if _, left := at[name]; !left {
			continue
		}
		if members[name] {
			return nil, fmt.Errorf("column %d %w", i+1, errSameMember)
		}
		cols = append(cols, newColumn(i, c.Type, name))
	}
	return cols, nil
}

func newColumn(field int, typ Type, name string) column {
	written := append(decoder.AppendString(nil, name), ':')
	open := append(append([]byte(nil), written...), '"')
	return column{field: field, typ: typ, name: written, open: append(open, make([]byte, wordBytes)...)}
}

// unique returns names of which none is empty or there twice.
func unique(names []string) []string {
	out := make([]string, len(names))
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		seen[name] = true // a name of the header is not made up for another column
	}
	first := map[string]bool{}
	for i, name := range names {
		if name != "" && !first[name] {
			first[name] = true
			out[i] = name
			continue
		}
		base, n := name+"_", 2
		if name == "" {
			base, n = "c", i+1
		}
		for out[i] = base + strconv.Itoa(n); seen[out[i]]; n++ {
			out[i] = base + strconv.Itoa(n)
		}
		seen[out[i]] = true
	}
	return out
}

func lower(text []byte) string { return strings.ToLower(string(text)) }

// appendNumber appends the member with the number of the row.
func (r *rows) appendNumber(dst []byte) []byte {
	dst = append(decoder.AppendString(dst, r.cfg.RowNumber), ':')
	return append(strconv.AppendInt(dst, r.count, 10), ',')
}
