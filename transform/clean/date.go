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
	form  string // the layout with 0 for each digit
	parts []datePart
	// Indexes of the parts that make a day.
	year, month, day int
}

// datePart is a number in a layout.
type datePart struct{ at, to, least, most int }

// newDigits takes a layout apart that has year, month and day, and may have a
// time of day. What is between them must have no meaning in layouts.
func newDigits(layout string) digits {
	d := digits{year: -1, month: -1, day: -1}
	var form strings.Builder
	for rest := layout; rest != ""; {
		var width int
		p := datePart{at: form.Len()}
		switch {
		case strings.HasPrefix(rest, "2006"):
			width, p.most, d.year = 4, 9999, len(d.parts)
		case strings.HasPrefix(rest, "01"):
			width, p.least, p.most, d.month = 2, 1, 12, len(d.parts)
		case strings.HasPrefix(rest, "02"):
			width, p.least, p.most, d.day = 2, 1, 31, len(d.parts)
		case strings.HasPrefix(rest, "15"):
			width, p.most = 2, 23
		case strings.HasPrefix(rest, "05."): // may begin a fraction
			return digits{}
		case strings.HasPrefix(rest, "04"), strings.HasPrefix(rest, "05"):
			width, p.most = 2, 59
		case strings.IndexByte("-/.: T", rest[0]) >= 0:
			form.WriteByte(rest[0])
			rest = rest[1:]
			continue
		default:
			return digits{}
		}
		if strings.Count(layout, rest[:width]) > 1 { // the last would count
			return digits{}
		}
		form.WriteString("0000"[:width])
		rest = rest[width:]
		p.to = form.Len()
		d.parts = append(d.parts, p)
	}
	if d.year < 0 || d.month < 0 || d.day < 0 {
		return digits{}
	}
	d.form = form.String()
	return d
}

// fit reports whether text is a time just as the layout writes it.
func (d *digits) fit(text []byte) bool {
	if len(text) != len(d.form) || len(text) == 0 {
		return false
	}
	for i, c := range text {
		if f := d.form[i]; c != f && (f != '0' || c-'0' > 9) {
			return false
		}
	}
	var year, month, day int
	for i, p := range d.parts {
		n := 0
		for _, c := range text[p.at:p.to] {
			n = 10*n + int(c-'0')
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
	return day <= 28 || day <= daysIn(month, year)
}

// daysIn returns how many days a month has.
func daysIn(month, year int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
