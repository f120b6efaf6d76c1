package clean

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Date writes times as layout says, from any of the layouts from (see
// [time.Layout]), of which the first that fits counts: those of 3/4/2025 are told
// apart by their order alone. Without zone times are in UTC.
func Date(layout string, from ...string) Rule {
	const name = "date"
	if layout == "" || slices.Contains(from, "") {
		return Rule{Name: name, err: errors.New("date: empty layout")}
	}
	from = slices.Concat([]string{layout}, from)
	digits := newDigits(layout)
	return Rule{Name: name, Fix: func(dst, text []byte) ([]byte, Verdict) {
		if digits.fit(text) {
			return text, IsText
		}
		for _, f := range from {
			if t, err := time.Parse(f, string(text)); err == nil {
				return t.AppendFormat(dst, layout), IsText
			}
		}
		return nil, IsBad
	}}
}

// digits is a layout of time of which every part has a fixed number of digits,
// taken apart. The zero value is that of any other layout, which nothing fits.
type digits struct {
	layout string
	parts  []datePart
	// Indexes of the parts that make a day.
	year, month, day int
}

// datePart is a number in a layout.
type datePart struct{ at, width, least, most int }

// newDigits takes a layout apart that has year, month and day, and may have a
// time of day. What is between them must have no meaning in layouts.
func newDigits(layout string) digits {
	d := digits{layout: layout, year: -1, month: -1, day: -1}
	for i := 0; i < len(layout); {
		p := datePart{at: i}
		rest := layout[i:]
		switch {
		case strings.HasPrefix(rest, "2006"):
			p.width, p.most, d.year = 4, 9999, len(d.parts)
		case strings.HasPrefix(rest, "01"):
			p.width, p.least, p.most, d.month = 2, 1, 12, len(d.parts)
		case strings.HasPrefix(rest, "02"):
			p.width, p.least, p.most, d.day = 2, 1, 31, len(d.parts)
		case strings.HasPrefix(rest, "15"):
			p.width, p.most = 2, 23
		case strings.HasPrefix(rest, "05."): // may begin a fraction
			return digits{}
		case strings.HasPrefix(rest, "04"), strings.HasPrefix(rest, "05"):
			p.width, p.most = 2, 59
		case strings.IndexByte("-/.: T", rest[0]) >= 0:
			i++
			continue
		default:
			return digits{}
		}
		if i += p.width; strings.Count(layout, rest[:p.width]) > 1 { // the last would count
			return digits{}
		}
		d.parts = append(d.parts, p)
	}
	if d.year < 0 || d.month < 0 || d.day < 0 {
		return digits{}
	}
	return d
}

// fit reports whether text is a time just as the layout writes it.
func (d *digits) fit(text []byte) bool {
	if len(d.parts) == 0 || len(text) != len(d.layout) {
		return false
	}
	at := 0 // what is before is as it ought to be
	var year, month, day int
	for i, p := range d.parts {
		if string(text[at:p.at]) != d.layout[at:p.at] {
			return false
		}
		at = p.at + p.width
		n := 0
		for _, c := range text[p.at:at] {
			if c -= '0'; c > 9 {
				return false
			}
			n = 10*n + int(c)
		}
		if n < p.least || n > p.most {
			return false
		}
		switch i {
		case d.year:
			year = n
		case d.month:
			month = n
		case d.day:
			day = n
		}
	}
	return string(text[at:]) == d.layout[at:] && (day <= 28 || day <= daysIn(month, year))
}

// daysIn returns how many days a month has.
func daysIn(month, year int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
