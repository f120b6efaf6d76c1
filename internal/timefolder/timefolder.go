// Package timefolder knows the stretches of time that folders stand for whose
// names are times: 2026/11/22, dt=2026-11-22/hour=15.
package timefolder

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Unit is the time that a folder spans.
type Unit uint8

// From long to short.
const (
	Year Unit = iota
	Month
	Day
	Hour
	Minute
	Second
)

// Level is a folder name of a layout that adds to the time.
type Level struct {
	Layout string // up to here, with a slash at the end
	Unit   Unit
}

// probe tells all units apart, and 12 hours from 24.
var probe = time.Date(2017, 11, 23, 21, 47, 38, 0, time.UTC)

// Levels cuts a layout, in the form of package time, into the folders that tell
// the time, from long times to short ones. Names without a time may stand
// anywhere.
func Levels(layout string) ([]Level, error) {
	layout = strings.TrimSuffix(layout, "/") + "/"
	var levels []Level
	for at, c := range layout {
		if c != '/' {
			continue
		}
		upTo := layout[:at+1]
		name := upTo[strings.LastIndexByte(upTo[:at], '/')+1 : at]
		if name == "" || name == "." || name == ".." {
			return nil, fmt.Errorf("%q is no name of a folder", name)
		}
		u, timed, err := unitOf(upTo)
		if err != nil {
			return nil, err
		}
		if timed && (len(levels) == 0 || u > levels[len(levels)-1].Unit) {
			levels = append(levels, Level{upTo, u})
		}
	}
	if len(levels) == 0 {
		return nil, errors.New("tells no time")
	}
	return levels, nil
}

// unitOf returns the shortest time that a layout tells, and whether it tells one
// at all.
func unitOf(layout string) (u Unit, timed bool, err error) {
	text := probe.Format(layout)
	if text == layout {
		return 0, false, nil
	}
	back, err := time.Parse(layout, text)
	for u = Year; u <= Second && err == nil; u++ {
		if back.Equal(u.Floor(probe)) {
			return u, true, nil
		}
	}
	return 0, false, fmt.Errorf("%q does not tell a year, month, day and so on without a gap", layout)
}

// Floor returns the beginning of the unit that t is in, in the location of t.
func (u Unit) Floor(t time.Time) time.Time {
	f := [...]int{t.Year(), 1, 1, 0, 0, 0}
	for i, v := range []int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}[:u+1] {
		f[i] = v
	}
	return time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], 0, t.Location())
}

// Next returns the beginning of the unit after the one that begins at t.
func (u Unit) Next(t time.Time) time.Time {
	switch u {
	case Year:
		return t.AddDate(1, 0, 0)
	case Month:
		return t.AddDate(0, 1, 0)
	case Day:
		return t.AddDate(0, 0, 1)
	case Hour:
		return t.Add(time.Hour)
	case Minute:
		return t.Add(time.Minute)
	default:
		return t.Add(time.Second)
	}
}
