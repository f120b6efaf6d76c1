package completion

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Set names a set of objects that are to be complete together. It is comparable; any
// of its parts may be empty, but not all, and each is valid UTF-8. A set completes
// once: what comes to its place another day is a set of another Run.
type Set struct {
	Bucket string `json:"bucket,omitempty"`
	// Prefix is what the names of the objects begin with, as in "out/2026-11-22/".
	Prefix string `json:"prefix,omitempty"`
	// Run tells sets apart that come to the same place one after the other.
	Run string `json:"run,omitempty"`
}

// MaxSetBytes bounds the ID of a set, and MaxKeyBytes the key of an arrival, which is
// as long as a key of S3 may be: so both fit into one key of any store. MaxCount bounds
// what one arrival stands for: so the sums of many are exact in any store.
const (
	MaxSetBytes = 1000
	MaxKeyBytes = 1024
	MaxCount    = 1 << 40
)

// ID is a text that no other set has, of printable ASCII.
func (s Set) ID() string {
	return url.QueryEscape(s.Bucket) + "/" + url.QueryEscape(s.Prefix) + "/" + url.QueryEscape(s.Run)
}

// String returns the set as people write it: bucket/prefix#run.
func (s Set) String() string {
	text := s.Bucket + "/" + s.Prefix
	if s.Run != "" {
		text += "#" + s.Run
	}
	return text
}

// Check reports what is wrong with the name.
func (s Set) Check() error {
	switch n := len(s.ID()); {
	case s == Set{}:
		return errors.New("the set has no name")
	case !utf8.ValidString(s.Bucket + s.Prefix + s.Run): // it travels in JSON
		return fmt.Errorf("set %.64q: it is not valid UTF-8", s)
	case n > MaxSetBytes:
		return fmt.Errorf("set %.64q: its ID has %d bytes, more than %d", s, n, MaxSetBytes)
	}
	return nil
}

// Arrival is something that came to a set: an object, or what a loader says it has
// loaded.
type Arrival struct {
	// Key tells arrivals of one set apart: of all with one key, the first is counted.
	// For an object it is its name below the set's prefix, for a summary the id of
	// the run. 1 to [MaxKeyBytes] bytes.
	Key string
	// Objects is how many objects it stands for, Records how many records they hold,
	// 0 where that is not known. Both are from 0 to [MaxCount]. An arrival of neither,
	// such as the summary of a loader that found nothing to do, is known and met by a
	// manifest, but no set begins, or is late, with it.
	Objects, Records int64
}

// Object is the arrival of one object, with the number of its records, or 0 where
// that is not known.
func Object(key string, records int64) Arrival {
	return Arrival{Key: key, Objects: 1, Records: records}
}

// Check reports what is wrong with an arrival.
func (a Arrival) Check() error {
	switch {
	case a.Key == "":
		return errors.New("an arrival has no key")
	case len(a.Key) > MaxKeyBytes:
		return fmt.Errorf("arrival %.64q: its key has %d bytes, more than %d", a.Key, len(a.Key), MaxKeyBytes)
	case a.Objects < 0, a.Objects > MaxCount, a.Records < 0, a.Records > MaxCount:
		return fmt.Errorf("arrival %.64q: %d objects and %d records: want 0 to %d", a.Key, a.Objects, a.Records, int64(MaxCount))
	}
	return nil
}

// Below returns the name of an object below the prefix of a set, and whether it is
// there: the key that its arrival has from events and listings alike.
func (s Set) Below(name string) (key string, ok bool) {
	key, ok = strings.CutPrefix(name, s.Prefix)
	return key, ok && key != ""
}

// Count is what has arrived.
type Count struct {
	Arrivals int64 `json:"arrivals"` // different keys
	Objects  int64 `json:"objects"`
	Records  int64 `json:"records"`
}

// Add returns the count with an arrival more.
func (c Count) Add(a Arrival) Count {
	return Count{c.Arrivals + 1, c.Objects + a.Objects, c.Records + a.Records}
}

// Sub returns what c counts more than d.
func (c Count) Sub(d Count) Count {
	return Count{c.Arrivals - d.Arrivals, c.Objects - d.Objects, c.Records - d.Records}
}

// size is what has come, by which looks see a change: arrivals that stand for nothing
// are none.
func (c Count) size() int64 { return c.Objects + c.Records }

// Unit says what an expected count is of.
type Unit string

// The units.
const (
	Objects Unit = "objects"
	Records Unit = "records"
)

// Of returns a count in the unit.
func (u Unit) Of(c Count) int64 {
	if u == Records {
		return c.Records
	}
	return c.Objects
}
