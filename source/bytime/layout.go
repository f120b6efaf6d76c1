package bytime

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// epochs are the layouts of decimal numbers.
var epochs = map[string]func(n int64) time.Time{
	"unix":      func(n int64) time.Time { return time.Unix(n, 0) },
	"unixmilli": time.UnixMilli,
	"unixmicro": time.UnixMicro,
	"unixnano":  func(n int64) time.Time { return time.Unix(0, n) },
}

// widths are two times between which every element of a layout whose width
// varies has another one.
var widths = [2]time.Time{
	time.Date(2026, time.May, 3, 4, 5, 6, 0, time.UTC),                                        // Sunday
	time.Date(2027, time.September, 23, 22, 15, 16, 123456789, time.FixedZone("AHEAD", 5400)), // Wednesday
}

func checkLayout(layout string) error {
	if epochs[layout] != nil {
		return nil
	}
	a, b := widths[0].Format(layout), widths[1].Format(layout)
	switch {
	case layout == "":
		return errors.New("required")
	case a == b:
		return fmt.Errorf("%q holds no time", layout)
	case len(a) != len(layout) || len(b) != len(layout):
		return fmt.Errorf("the width of %q varies: elements such as January, 2, 3, .999 and MST cannot be used", layout)
	}
	return nil
}

// parse returns the time in the name of the object with that key.
func (c *Config) parse(key string) (time.Time, bool) {
	name, ok := strings.CutPrefix(tail(key, strings.Count(c.Layout, "/")), c.Prefix)
	if !ok {
		return time.Time{}, false
	}
	if epoch := epochs[c.Layout]; epoch != nil {
		end := strings.IndexFunc(name, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(name)
		}
		n, err := strconv.ParseInt(name[:end], 10, 64)
		return epoch(n).In(c.Location), err == nil
	}
	if len(name) < len(c.Layout) {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(c.Layout, name[:len(c.Layout)], c.Location)
	return t, err == nil
}

// tail returns the last n+1 elements of a key.
func tail(key string, n int) string {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] != '/' {
			continue
		}
		if n == 0 {
			return key[i+1:]
		}
		n--
	}
	return key
}

// Older returns a function that reports whether a folder, by its key without a
// slash at the end, holds only objects from more than age ago, so that a listing
// may pass it over: for trees such as 2026/11/22/15, once everything that old is
// archived. layout is that of the deepest folders ("2006/01/02/15"), in UTC;
// folders above are told by the elements they have, and those below belong to
// the folder above them. A folder that does not fit the layout is not older.
//
// Whoever passes over what is old loses what comes late: age must be more than
// any delay. It reports a mistake in layout.
func Older(layout string, age time.Duration) (func(folder string) bool, error) {
	if err := checkLayout(layout); err != nil {
		return nil, fmt.Errorf("bytime: layout of folders: %w", err)
	}
	if epochs[layout] != nil {
		return nil, fmt.Errorf("bytime: layout of folders: %q has no folders", layout)
	}
	if age <= 0 {
		return nil, fmt.Errorf("bytime: age of folders: %v is not positive", age)
	}
	levels := strings.Split(layout, "/")
	return func(folder string) bool {
		names := strings.Split(folder, "/")
		n := min(len(names), len(levels))
		upTo := strings.Join(levels[:n], "/")
		t, err := time.Parse(upTo, strings.Join(names[:n], "/"))
		return err == nil && time.Since(end(t, upTo)) > age
	}, nil
}

// end returns when the stretch of time begins that follows the one that t
// begins, by the finest element of the layout.
func end(t time.Time, layout string) time.Time {
	for _, next := range []time.Time{
		t.Add(time.Second), t.Add(time.Minute), t.Add(time.Hour), t.AddDate(0, 0, 1), t.AddDate(0, 1, 0),
	} {
		if next.Format(layout) != t.Format(layout) {
			return next
		}
	}
	return t.AddDate(1, 0, 0)
}
