// Package clean is a [transform.Transform] that cleans rows: it mends what can
// be mended, and drops, or has put aside, what cannot.
//
// A row is a JSON object whose members are texts, as source/csv makes them of
// the lines of a CSV file; header, byte order mark, character set and quoting are
// the business of that package. What a column's texts ought to be is said by
// [Rule]s, of which those that most files need are here:
//
//	rows, err := clean.New(clean.Config{
//		Everywhere: []clean.Rule{clean.Characters(), clean.Spaces(), clean.Null("N/A", "-")},
//		Columns: []clean.Column{
//			{Name: "id", Required: true, Rules: []clean.Rule{clean.Upper(), clean.Match(`[A-Z]{2}\d{8}`)}},
//			{Name: "amount", Type: clean.Number, Rules: []clean.Rule{clean.Decimal(".", ",")}},
//			{Name: "day", As: "date", Rules: []clean.Rule{clean.Date(time.DateOnly, "2.1.2006", "01/02/2006")}},
//		},
//	})
//
// [Rows.Counts] tells, column by column and rule by rule, how many texts were
// mended and what became of the rest.
package clean

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// Bad says what becomes of a row with a text that no rule could mend.
type Bad uint8

const (
	// Corrupt has the row put aside as it was, with the column and the rule for a
	// reason.
	Corrupt Bad = iota
	// Drop drops the row.
	Drop
	// MakeNull makes the field null, and keeps the row.
	MakeNull
)

// Type is how a field is written.
type Type uint8

const (
	// Text writes a string.
	Text Type = iota
	// Number writes a JSON number. A text that is none after all rules is bad.
	Number
	// Boolean writes true or false. A text that is neither after all rules is bad.
	Boolean
)

// Column is a column that is wanted.
type Column struct {
	// Name is that of the member. Required; unique.
	Name string
	// As is the name of the member that is written. Defaults to Name.
	As string
	// Rules are applied one after the other, behind those of
	// [Config.Everywhere].
	Rules []Rule
	// Type is how the field is written.
	Type Type
	// Required makes a field bad that is null or not there.
	Required bool
	// Bad says what becomes of the row where the field is bad. With Required it
	// must not be [MakeNull].
	Bad Bad
}

// RowRule is a rule on a row as a whole.
type RowRule struct {
	// Name names the rule in counts and reasons. Required; unique.
	Name string
	// Good is called with rows whose fields are all as they ought to be, by many
	// goroutines at once. Required.
	Good func(Row) bool
	// Bad says what becomes of a row that is not good: [Corrupt] or [Drop].
	Bad Bad
}

// Config says what rows ought to be.
type Config struct {
	// Everywhere are rules for the texts of all columns.
	Everywhere []Rule
	// Columns are those that are wanted, in the order in which they are written.
	// Required.
	Columns []Column
	// Others adds the members that Columns does not name, cleaned by Everywhere,
	// behind those that it does. Otherwise they are left out.
	Others bool
	// KeepBlank keeps rows in which all fields are null or empty. Otherwise they
	// are dropped, without a look at Required.
	KeepBlank bool
	// KeepHeader keeps rows in which each field is the name of its column: files
	// that were joined have such. Otherwise they are dropped.
	KeepHeader bool
	// Rows are rules on the row as a whole.
	Rows []RowRule
}

// Rows is a [transform.Transform] that cleans rows. A record that is no JSON
// object with texts, numbers, booleans and nulls for members, or has two
// members of one name, is corrupt.
type Rows struct {
	cfg     Config
	names   map[string]int // of columns, by Name
	columns []column
	counts  *counter
	spare   sync.Pool // of *row
}

// column is a [Column], made ready.
type column struct {
	name []byte
	open []byte // how a member with a text begins: "name":"
	key  []byte // how it is written: ,"as":
	raw  bool   // what is written is no string
	same bool   // a text that needs no mending is written as it was read
	// A text with none of the features idle is left alone by all rules before
	// the one of number busy.
	idle features
	busy int
}

var (
	_ transform.Transform = (*Rows)(nil)
	_ transform.Prefixer  = (*Rows)(nil)
	_ transform.EmitsJSON = (*Rows)(nil)
)

// New returns a transform that cleans rows. It reports all mistakes in cfg at
// once.
func New(cfg Config) (*Rows, error) {
	cfg.Columns = slices.Clone(cfg.Columns)
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("clean: %w", err)
	}
	r := &Rows{cfg: cfg, names: make(map[string]int, len(cfg.Columns))}
	for i := range cfg.Columns {
		c := &cfg.Columns[i]
		if c.As == "" {
			c.As = c.Name
		}
		c.Rules = slices.Concat(cfg.Everywhere, c.Rules)
		r.names[c.Name] = i
		made := column{
			name: []byte(c.Name), open: append(appendKey(nil, c.Name)[len(","):], '"'), key: appendKey(nil, c.As),
			raw: c.Type != Text, same: c.Type == Text && c.As == c.Name,
		}
		for made.busy < len(c.Rules) && c.Rules[made.busy].minds != 0 {
			made.idle |= c.Rules[made.busy].minds
			made.busy++
		}
		r.columns = append(r.columns, made)
	}
	r.counts = newCounter(&r.cfg)
	r.spare.New = func() any { return newRow(r) }
	return r, nil
}

func (cfg *Config) check() error {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	checkRules := func(where string, rules []Rule) {
		for i, rule := range rules {
			switch {
			case rule.err != nil:
				mistake("%s: rule %d: %w", where, i+1, rule.err)
			case rule.Name == "" || rule.Fix == nil:
				mistake("%s: rule %d: no Name or no Fix", where, i+1)
			}
		}
	}
	checkRules("Everywhere", cfg.Everywhere)
	if len(cfg.Columns) == 0 {
		mistake("no Columns")
	}
	names, written := map[string]bool{}, map[string]bool{}
	for i, c := range cfg.Columns {
		where := fmt.Sprintf("column %d (%q)", i+1, c.Name)
		as := c.As
		if as == "" {
			as = c.Name
		}
		switch {
		case c.Name == "":
			mistake("%s: no Name", where)
		case names[c.Name]:
			mistake("%s: the second of that name", where)
		case written[as]:
			mistake("%s: the second that is written as %q", where, as)
		}
		names[c.Name], written[as] = true, true
		if c.Type > Boolean {
			mistake("%s: unknown Type %d", where, c.Type)
		}
		if c.Bad > MakeNull {
			mistake("%s: unknown Bad %d", where, c.Bad)
		}
		if c.Required && c.Bad == MakeNull {
			mistake("%s: what is Required cannot be made null", where)
		}
		checkRules(where, c.Rules)
	}
	rows := map[string]bool{}
	for i, r := range cfg.Rows {
		switch {
		case r.Name == "" || r.Good == nil:
			mistake("rule %d on rows: no Name or no Good", i+1)
		case rows[r.Name]:
			mistake("rule %d on rows: the second named %q", i+1, r.Name)
		case r.Bad != Corrupt && r.Bad != Drop:
			mistake("rule %d on rows (%q): a row that is bad is Corrupt or dropped", i+1, r.Name)
		}
		rows[r.Name] = true
	}
	return errors.Join(mistakes...)
}

// EmitsJSON reports true.
func (r *Rows) EmitsJSON() bool { return true }

// Apply implements [transform.Transform].
func (r *Rows) Apply(_ context.Context, rec source.Record, out *transform.Output) error {
	w := r.spare.Get().(*row)
	defer w.free()
	end, err := w.read(rec.Data)
	if err == nil && jsonscan.SkipSpace(rec.Data, end) < len(rec.Data) {
		err = errNoRow
	}
	if err != nil {
		r.counts.malformed.Add(1)
		return fault.Corrupt(fmt.Errorf("clean: %w", err))
	}
	return r.settle(w, out)
}

// ApplyPrefix implements [transform.Prefixer]. It can tell nothing of a row that
// something follows: that may yet turn out to make the record corrupt, and the
// row would have been counted.
func (r *Rows) ApplyPrefix(_ context.Context, _ source.Record, data []byte, maxDepth int, out *transform.Output) (n int, ok bool, err error) {
	w := r.spare.Get().(*row)
	defer w.free()
	n, err = w.read(data)
	if err != nil || n < len(data) || data[0] != '{' || maxDepth < 1 {
		return 0, false, nil
	}
	return n, true, r.settle(w, out)
}

// settle cleans the row that w has read.
func (r *Rows) settle(w *row, out *transform.Output) error {
	switch verdict := w.clean(); {
	case verdict.err != nil:
		r.counts.corrupt.Add(1)
		return fault.Corrupt(fmt.Errorf("clean: %w", verdict.err))
	case verdict.drop:
		r.counts.dropped.Add(1)
	default:
		if w.mended {
			r.counts.mended.Add(1)
		}
		r.counts.kept.Add(1)
		out.SetBuffer(w.append(out.Buffer()))
		out.End()
	}
	return nil
}
