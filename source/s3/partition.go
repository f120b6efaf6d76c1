package s3

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/unspool-go/unspool/internal/timefolder"
)

// Partitions selects the folders of some time, where folders below the root are
// named by it. Only their prefixes are listed.
type Partitions struct {
	// Layout is how the folders are named, in the form of package time and in
	// UTC: "dt=2006-01-02/hour=15/", "2006/01/02". Folders go from long times to
	// short ones; names without a time may stand anywhere. Digits that are no
	// time belong in Config.Prefix. Empty means that there are no partitions.
	Layout string
	// From and To select the partitions that hold a time from From on and before
	// To. A To of zero is the present, and the partition after it, so that the
	// clocks of writers may be ahead.
	From, To time.Time
	// LookBack is in place of From: the time before the listing begins.
	LookBack time.Duration
}

// compile cuts the layout into its levels.
func (p Partitions) compile() ([]timefolder.Level, error) {
	if p.Layout == "" {
		if !p.From.IsZero() || !p.To.IsZero() || p.LookBack != 0 {
			return nil, errors.New("s3: Config.Partitions.Layout: required with From, To or LookBack")
		}
		return nil, nil
	}
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("s3: Config.Partitions.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	switch {
	case p.LookBack < 0:
		bad("LookBack", "is negative")
	case p.LookBack > 0 && !p.From.IsZero():
		bad("LookBack", "not together with From")
	case p.LookBack == 0 && p.From.IsZero():
		bad("From", "required, or LookBack")
	case !p.To.IsZero() && !p.From.IsZero() && !p.From.Before(p.To):
		bad("To", "is not after From")
	}
	levels, err := timefolder.Levels(p.Layout)
	if err != nil {
		bad("Layout", "%q: %v", p.Layout, err)
	} else {
		levels[len(levels)-1].Layout = strings.TrimSuffix(p.Layout, "/") + "/" // with names that follow without a time
	}
	return levels, errors.Join(errs...)
}

// span is a stretch of time, to excluded, and the partitions that hold some of
// it.
type span struct {
	levels   []timefolder.Level
	from, to time.Time

	last string // the partition that was looked at last
	in   bool   // whether it is in the span
}

// span returns the partitions to list at the time now.
func (s *Source) span(now time.Time) span {
	p := s.cfg.Partitions
	finest := s.levels[len(s.levels)-1].Unit
	sp := span{levels: s.levels, from: p.From.UTC(), to: p.To.UTC()}
	if p.LookBack > 0 {
		sp.from = now.Add(-p.LookBack).UTC()
	}
	if p.To.IsZero() {
		sp.to = finest.Next(finest.Next(finest.Floor(now.UTC())))
	}
	return sp
}

// prefixes yields the folders to list, in the order of time. Where all of a long
// partition is wanted it is listed at once, and not in its many short ones.
func (sp *span) prefixes() iter.Seq[string] {
	return func(yield func(string) bool) {
		first := sp.levels[0].Unit.Floor(sp.from)
		sp.descend(0, first, sp.to, yield)
	}
}

// descend yields the folders of level i, and below, from the time from on.
func (sp *span) descend(i int, from, to time.Time, yield func(string) bool) bool {
	l := sp.levels[i]
	for t := from; t.Before(to); {
		next := l.Unit.Next(t)
		whole := !t.Before(sp.from) && !next.After(sp.to)
		switch {
		case !next.After(sp.from): // before the span
		case whole || i == len(sp.levels)-1:
			if !yield(t.Format(l.Layout)) {
				return false
			}
		case !sp.descend(i+1, t, minTime(next, sp.to), yield):
			return false
		}
		t = next
	}
	return true
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// holds reports whether a key is in one of the partitions.
func (sp *span) holds(key string) bool {
	if sp.last != "" && strings.HasPrefix(key, sp.last) {
		return sp.in
	}
	l := sp.levels[len(sp.levels)-1]
	end := 0
	for range strings.Count(l.Layout, "/") {
		i := strings.IndexByte(key[end:], '/')
		if i < 0 {
			return false
		}
		end += i + 1
	}
	sp.last = key[:end]
	t, err := time.Parse(l.Layout, sp.last)
	sp.in = err == nil && t.Before(sp.to) && l.Unit.Next(t).After(sp.from)
	return sp.in
}
