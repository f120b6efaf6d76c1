package csv

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/decoder"
)

// Header is where the names of the columns come from.
type Header string

const (
	// HeaderFirst takes them from the first row.
	HeaderFirst Header = "first"
	// HeaderSkip passes the first row over: the names are Config.Names.
	HeaderSkip Header = "skip"
	// HeaderNone means that the first row is data: the names are Config.Names.
	HeaderNone Header = "none"
)

// Type is what the fields of a column become.
type Type string

const (
	// TypeString makes a JSON string of every field.
	TypeString Type = "string"
	// TypeNumber passes a JSON number on, byte for byte; a row with anything else
	// there is a flaw.
	TypeNumber Type = "number"
	// TypeBool makes true of true, t and 1, and false of false, f and 0, in any
	// case of letters; a row with anything else there is a flaw.
	TypeBool Type = "bool"
	// TypeAuto passes JSON numbers, true and false on as what they are, byte for
	// byte, and makes a string of everything else and of every quoted field.
	TypeAuto Type = "auto"
)

// Empty is what an empty field becomes, quoted or not.
type Empty string

const (
	// EmptyString makes it an empty string, or null in a column of numbers or
	// bools.
	EmptyString Empty = "string"
	// EmptyNull makes it null.
	EmptyNull Empty = "null"
	// EmptyOmit leaves it out.
	EmptyOmit Empty = "omit"
)

// Missing is what becomes of a row with fewer fields than there are columns.
type Missing string

const (
	// MissingFlaw makes the row a flaw.
	MissingFlaw Missing = "flaw"
	// MissingNull makes the missing fields null.
	MissingNull Missing = "null"
	// MissingOmit leaves them out.
	MissingOmit Missing = "omit"
)

// UTF8 is what becomes of a row with bytes that are not UTF-8.
type UTF8 string

const (
	// RejectUTF8 makes it a flaw.
	RejectUTF8 UTF8 = "reject"
	// ReplaceUTF8 puts U+FFFD in the place of each such byte.
	ReplaceUTF8 UTF8 = "replace"
)

// Column is a column that is wanted.
type Column struct {
	// Name is the column's name in the header, or as Config.Names has it.
	// Required; unique.
	Name string
	// As is the name of the member. Defaults to Name.
	As string
	// Type defaults to Config.Type.
	Type Type
	// Optional takes an object without such a column for one in which all its
	// fields are missing. Otherwise such an object is a defect.
	Optional bool
}

// Config says how objects are read. The zero value reads what RFC 4180 and
// encoding/csv do, with the names of columns in the first row.
type Config struct {
	// Match is which objects are CSV: patterns of [path.Match] for the last
	// element of their keys, such as "*.csv" and "*.csv.gz", in any case of
	// letters. The others are passed on as they are. Defaults to all.
	Match []string

	// Comma separates fields. Not a quote, newline, carriage return, NUL or
	// U+FFFD. Defaults to a comma.
	Comma rune
	// Comment, unless 0, begins lines that are passed over. It is not Comma, and
	// what that may not be.
	Comment rune
	// NoQuotes takes quotes for text: a row is a line, and no field holds a
	// newline or a Comma.
	NoQuotes bool
	// LazyQuotes takes a quote in a field that does not begin with one for text,
	// and so one in a quoted field that neither ends it nor is doubled.
	LazyQuotes bool
	// SingleLine says that no field holds a newline. A quote that is not closed
	// then spoils its line, and not what follows up to the next quote.
	SingleLine bool
	// TrimSpace takes the blanks and tabs around fields off, those before and
	// behind quotes among them, and those within not.
	TrimSpace bool

	// Header defaults to [HeaderFirst], or [HeaderNone] where Names are given.
	Header Header
	// Names are the names of the columns. Without names they are c1, c2 and so
	// on, as many as the first row has fields; it is a mistake with
	// [HeaderFirst]. Unique and not empty.
	Names []string
	// UniqueNames makes names in the header unique that are empty (the third
	// column is then c3) or not the first of their kind (the second id is id_2).
	// Otherwise an object with such a header is a defect.
	UniqueNames bool

	// Columns are the columns that are wanted, in the order of the members.
	// Defaults to all.
	Columns []Column
	// Others adds all other columns behind Columns.
	Others bool
	// Type is that of columns whose own is not given. Defaults to [TypeString].
	Type Type
	// Empty defaults to [EmptyString].
	Empty Empty
	// Missing defaults to [MissingFlaw].
	Missing Missing
	// Extra is the name of a member that holds what a row has beyond the last
	// column, as an array of strings. Without it a row with more fields than
	// columns is a flaw.
	Extra string
	// RowNumber is the name of a member that holds the number of the row, from 1,
	// flaws counted and the header not. Empty means none.
	RowNumber string

	// Charset defaults to [UTF8Charset].
	Charset Charset
	// UTF8 defaults to [RejectUTF8].
	UTF8 UTF8

	// MaxRowBytes is the longest row or comment; a longer one is a flaw. Most such rows
	// begin with a quote that is not closed. At most 1 GiB. Defaults to 1 MiB.
	MaxRowBytes int
	// MaxColumns is how many fields a row may have; one with more is a flaw.
	// Defaults to 10,000.
	MaxColumns int
	// MaxRows, unless 0, is how many rows are read of an object. If there are
	// more, one flaw without text says so and ends it.
	MaxRows int64
}

const (
	defaultRowBytes = 1 << 20
	mostRowBytes    = 1 << 30
	defaultColumns  = 10_000
	mostColumns     = 1 << 20
)

func (c Config) withDefaults() Config {
	c.Comma = cmp.Or(c.Comma, ',')
	if c.Header == "" {
		c.Header = HeaderFirst
		if len(c.Names) > 0 {
			c.Header = HeaderNone
		}
	}
	c.Type = cmp.Or(c.Type, TypeString)
	c.Empty = cmp.Or(c.Empty, EmptyString)
	c.Missing = cmp.Or(c.Missing, MissingFlaw)
	c.Charset = cmp.Or(c.Charset, UTF8Charset)
	c.UTF8 = cmp.Or(c.UTF8, RejectUTF8)
	c.MaxRowBytes = cmp.Or(c.MaxRowBytes, defaultRowBytes)
	c.MaxColumns = cmp.Or(c.MaxColumns, defaultColumns)
	c.Names = slices.Clone(c.Names)
	c.Match = slices.Clone(c.Match)
	c.Columns = slices.Clone(c.Columns)
	for i := range c.Columns {
		col := &c.Columns[i]
		col.As = cmp.Or(col.As, col.Name)
		col.Type = cmp.Or(col.Type, c.Type)
	}
	return c
}

// check returns every mistake in c, which has its defaults.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("csv: Config."+format, args...)) }
	if err := decoder.Match(c.Match).Check(); err != nil {
		errs = append(errs, fmt.Errorf("csv: %w", err))
	}
	if !separates(c.Comma) {
		bad("Comma: %q cannot separate fields", c.Comma)
	}
	if c.Comment != 0 && (!separates(c.Comment) || c.Comment == c.Comma) {
		bad("Comment: %q cannot begin a comment", c.Comment)
	}
	if c.TrimSpace && (c.Comma == ' ' || c.Comma == '\t' || c.Comment == ' ' || c.Comment == '\t') {
		bad("TrimSpace: a blank or tab has a meaning of its own")
	}
	if c.NoQuotes && c.LazyQuotes {
		bad("LazyQuotes: there are none with NoQuotes")
	}
	c.checkNames(bad)
	for _, o := range []struct {
		field, value string
		among        []string
	}{
		{"Header", string(c.Header), []string{string(HeaderFirst), string(HeaderSkip), string(HeaderNone)}},
		{"Type", string(c.Type), types},
		{"Empty", string(c.Empty), []string{string(EmptyString), string(EmptyNull), string(EmptyOmit)}},
		{"Missing", string(c.Missing), []string{string(MissingFlaw), string(MissingNull), string(MissingOmit)}},
		{"Charset", string(c.Charset), charsetNames()},
		{"UTF8", string(c.UTF8), []string{string(RejectUTF8), string(ReplaceUTF8)}},
	} {
		if !slices.Contains(o.among, o.value) {
			bad("%s: %q is none of %q", o.field, o.value, o.among)
		}
	}
	if c.MaxRowBytes < 0 || c.MaxRowBytes > mostRowBytes {
		bad("MaxRowBytes: %d is not between 0 (the default) and %d", c.MaxRowBytes, mostRowBytes)
	}
	if c.MaxColumns < 0 || c.MaxColumns > mostColumns {
		bad("MaxColumns: %d is not between 0 (the default) and %d", c.MaxColumns, mostColumns)
	}
	if c.MaxRows < 0 {
		bad("MaxRows: %d is negative", c.MaxRows)
	}
	return errors.Join(errs...)
}

var types = []string{string(TypeString), string(TypeNumber), string(TypeBool), string(TypeAuto)}

func separates(r rune) bool {
	return r != '"' && r != '\r' && r != '\n' && r != 0 && utf8.ValidRune(r) && r != unicode.ReplacementChar
}

// checkNames checks everything that becomes the name of a member.
func (c Config) checkNames(bad func(format string, args ...any)) {
	if c.Header == HeaderFirst && len(c.Names) > 0 {
		bad("Names: the first row has the names, with Header %q", HeaderFirst)
	}
	if len(c.Names) > c.MaxColumns {
		bad("Names: %d are over MaxColumns", len(c.Names))
	}
	seen := map[string]bool{}
	for i, name := range c.Names {
		if name == "" || seen[name] || !utf8.ValidString(name) {
			bad("Names[%d]: %q is empty, not UTF-8 or given twice", i, name)
		}
		seen[name] = true
	}
	wanted, members := map[string]bool{}, map[string]bool{"": true}
	for i, col := range c.Columns {
		if col.Name == "" || wanted[col.Name] {
			bad("Columns[%d].Name: %q is empty or given twice", i, col.Name)
		}
		if members[col.As] || !utf8.ValidString(col.As) {
			bad("Columns[%d].As: %q is given twice, or not UTF-8", i, col.As)
		}
		if !slices.Contains(types, string(col.Type)) {
			bad("Columns[%d].Type: %q is none of %q", i, col.Type, types)
		}
		wanted[col.Name], members[col.As] = true, true
	}
	if c.Others && len(c.Columns) == 0 {
		bad("Others: without Columns these are all")
	}
	for _, m := range []struct{ field, name string }{{"Extra", c.Extra}, {"RowNumber", c.RowNumber}} {
		if m.name != "" && members[m.name] || !utf8.ValidString(m.name) {
			bad("%s: %q is the name of another member, or not UTF-8", m.field, m.name)
		}
		members[m.name] = true
	}
}
