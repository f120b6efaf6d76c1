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
