package s3

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
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

// unit is the time that a partition spans.
type unit uint8

const (
	year unit = iota
	month
	day
	hour
	minute
	second
)

// level is a folder name of the layout that adds to the time.
type level struct {
	layout string // up to here, with a slash at the end
	unit   unit
}

// probeTime tells all units apart, and 12 hours from 24.
var probeTime = time.Date(2017, 11, 23, 21, 47, 38, 0, time.UTC)

// compile cuts the layout into its levels.
func (p Partitions) compile() ([]level, error) {
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
	levels, err := compileLayout(strings.TrimSuffix(p.Layout, "/") + "/")
	if err != nil {
		bad("Layout", "%q: %v", p.Layout, err)
	}
	return levels, errors.Join(errs...)
}

func compileLayout(layout string) ([]level, error) {
	var levels []level
	for at, c := range layout {
		if c != '/' {
			continue
		}
		prefix := layout[:at+1]
		name := prefix[strings.LastIndexByte(prefix[:at], '/')+1 : at]
		if name == "" || name == "." || name == ".." {
			return nil, fmt.Errorf("%q is no name of a folder", name)
		}
		u, timed, err := unitOf(prefix)
		if err != nil {
			return nil, err
		}
		if timed && (len(levels) == 0 || u > levels[len(levels)-1].unit) {
			levels = append(levels, level{prefix, u})
		}
	}
	if len(levels) == 0 {
		return nil, errors.New("tells no time")
	}
	levels[len(levels)-1].layout = layout // with names that follow without a time
	return levels, nil
}

// unitOf returns the shortest time that a layout tells, and whether it tells one
// at all.
func unitOf(layout string) (u unit, timed bool, err error) {
	text := probeTime.Format(layout)
	if text == layout {
		return 0, false, nil
	}
	back, err := time.Parse(layout, text)
	for u = year; u <= second && err == nil; u++ {
		if back.Equal(u.floor(probeTime)) {
			return u, true, nil
		}
	}
	return 0, false, fmt.Errorf("%q does not tell a year, month, day and so on without a gap", layout)
}

// floor returns the beginning of the unit that t is in.
func (u unit) floor(t time.Time) time.Time {
	f := [...]int{t.Year(), 1, 1, 0, 0, 0}
	for i, v := range []int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}[:u+1] {
		f[i] = v
	}
	return time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], 0, time.UTC)
}

// next returns the beginning of the unit after the one that begins at t.
func (u unit) next(t time.Time) time.Time {
	switch u {
	case year:
		return t.AddDate(1, 0, 0)
	case month:
		return t.AddDate(0, 1, 0)
	case day:
		return t.AddDate(0, 0, 1)
	case hour:
		return t.Add(time.Hour)
	case minute:
		return t.Add(time.Minute)
	}
	return t.Add(time.Second)
}

// span is a stretch of time, to excluded, and the partitions that hold some of
// it.
type span struct {
	levels   []level
	from, to time.Time

	last string // the partition that was looked at last
	in   bool   // whether it is in the span
}

// span returns the partitions to list at the time now.
func (s *Source) span(now time.Time) span {
	p := s.cfg.Partitions
	finest := s.levels[len(s.levels)-1].unit
	sp := span{levels: s.levels, from: p.From.UTC(), to: p.To.UTC()}
	if p.LookBack > 0 {
		sp.from = now.Add(-p.LookBack).UTC()
	}
	if p.To.IsZero() {
		sp.to = finest.next(finest.next(finest.floor(now.UTC())))
	}
	return sp
}

// prefixes yields the folders to list, in the order of time. Where all of a long
// partition is wanted it is listed at once, and not in its many short ones.
func (sp *span) prefixes() iter.Seq[string] {
	return func(yield func(string) bool) {
		first := sp.levels[0].unit.floor(sp.from)
		sp.descend(0, first, sp.to, yield)
	}
}

// descend yields the folders of level i, and below, from the time from on.
func (sp *span) descend(i int, from, to time.Time, yield func(string) bool) bool {
	l := sp.levels[i]
	for t := from; t.Before(to); {
		next := l.unit.next(t)
		whole := !t.Before(sp.from) && !next.After(sp.to)
		switch {
		case !next.After(sp.from): // before the span
		case whole || i == len(sp.levels)-1:
			if !yield(t.Format(l.layout)) {
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
	for range strings.Count(l.layout, "/") {
		i := strings.IndexByte(key[end:], '/')
		if i < 0 {
			return false
		}
		end += i + 1
	}
	sp.last = key[:end]
	t, err := time.Parse(l.layout, sp.last)
	sp.in = err == nil && t.Before(sp.to) && l.unit.next(t).After(sp.from)
	return sp.in
}
