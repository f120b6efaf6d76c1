package clean

import (
	"fmt"
	"sync/atomic"
)

// Counts tells what became of rows and texts. Each row is in one of Kept,
// Dropped, Corrupt and Malformed. A record that is tried again is counted again.
type Counts struct {
	// Kept rows were passed on; Mended of them were not as they ought to be.
	Kept, Mended int64
	// Dropped rows were dropped: Blank and Header of them for being so, the others
	// for a rule.
	Dropped, Blank, Header int64
	// Corrupt rows were put aside for a rule.
	Corrupt int64
	// Malformed records were no rows.
	Malformed int64
	// Rules are the rules that had anything to do, by columns in the order of
	// [Config.Columns]; those of other columns, and on rows, come last.
	Rules []RuleCounts
}

// RuleCounts tells what a rule did to the texts of a column.
type RuleCounts struct {
	// Column is [Column.Name]: "" for columns that are not named, and for rules on
	// rows.
	Column string
	// Rule is [Rule.Name] or [RowRule.Name], "required" for [Column.Required], or
	// "number" or "boolean" for [Column.Type].
	Rule string
	// Mended texts were changed by the rule, and Nulled ones made null for it
	// ([MakeNull]), in rows that were kept.
	Mended, Nulled int64
	// Dropped and Corrupt rows were so for the rule. Of several rules that a row
	// breaks, it is that of the first column.
	Dropped, Corrupt int64
}

// Counts returns what was done until now. It may be called at any time.
func (r *Rows) Counts() Counts {
	c := r.counts
	total := Counts{
		Kept: c.kept.Load(), Mended: c.mended.Load(),
		Dropped: c.dropped.Load(), Blank: c.blank.Load(), Header: c.header.Load(),
		Corrupt: c.corrupt.Load(), Malformed: c.malformed.Load(),
	}
	for _, column := range c.rules {
		for i := range column {
			if counts, any := column[i].load(); any {
				total.Rules = append(total.Rules, counts)
			}
		}
	}
	return total
}

// Numbers of rules that are in no list.
const (
	required = -1
	typed    = -2
	unlisted = 2
)

// ruleCounter counts what one rule does in one column.
type ruleCounter struct {
	column, rule                     string
	mended, nulled, dropped, corrupt atomic.Int64
}

func (c *ruleCounter) load() (counts RuleCounts, any bool) {
	counts = RuleCounts{c.column, c.rule, c.mended.Load(), c.nulled.Load(), c.dropped.Load(), c.corrupt.Load()}
	return counts, counts.Mended+counts.Nulled+counts.Dropped+counts.Corrupt > 0
}

// counter counts what all do.
type counter struct {
	kept, mended, dropped, blank, header, corrupt, malformed atomic.Int64
	// rules are those of the columns, of other columns, and on rows. Those of a
	// column begin with typed and required.
	rules [][]ruleCounter
}

func newCounter(cfg *Config) *counter {
	c := &counter{rules: make([][]ruleCounter, len(cfg.Columns)+2)}
	for i, column := range cfg.Columns {
		rules := make([]ruleCounter, unlisted+len(column.Rules))
		rules[unlisted+typed].rule = map[Type]string{Number: "number", Boolean: "boolean"}[column.Type]
		rules[unlisted+required].rule = "required"
		for j, rule := range column.Rules {
			rules[unlisted+j].rule = rule.Name
		}
		for j := range rules {
			rules[j].column = column.Name
		}
		c.rules[i] = rules
	}
	others := make([]ruleCounter, unlisted+len(cfg.Everywhere))
	for j, rule := range cfg.Everywhere {
		others[unlisted+j].rule = rule.Name
	}
	rows := make([]ruleCounter, len(cfg.Rows))
	for j, rule := range cfg.Rows {
		rows[j].rule = rule.Name
	}
	c.rules[len(cfg.Columns)], c.rules[len(cfg.Columns)+1] = others, rows
	return c
}

func (c *counter) mark(m mark) {
	rule := &c.rules[m.column][unlisted+m.rule]
	if m.nulled {
		rule.nulled.Add(1)
	} else {
		rule.mended.Add(1)
	}
}

// bad counts a row that is dropped or put aside for a rule in a column.
func (c *counter) bad(cfg *Config, column, rule int) verdict {
	return c.rules[column][unlisted+rule].settle(cfg.Columns[column].Bad)
}

// badRow counts a row that is dropped or put aside as a whole.
func (c *counter) badRow(rule RowRule, i int) verdict {
	return c.rules[len(c.rules)-1][i].settle(rule.Bad)
}

func (c *ruleCounter) settle(bad Bad) verdict {
	if bad == Drop {
		c.dropped.Add(1)
		return verdict{drop: true}
	}
	c.corrupt.Add(1)
	if c.column == "" {
		return verdict{err: fmt.Errorf("rule %q on rows", c.rule)}
	}
	return verdict{err: reason(c.column, c.rule)}
}
