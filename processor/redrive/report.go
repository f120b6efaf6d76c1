package redrive

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Report says what [Run] found and did. Every letter that was seen and matches was
// replayed, refused or, where Run ended early, left.
type Report struct {
	DryRun bool `json:",omitempty"`
	// Seen letters were looked at, and Matched the filter, without tickets.
	Seen, Matched int64
	// Replayed letters were acknowledged.
	Replayed int64
	// Refused letters cannot be replayed, or were not taken for a reason of their
	// own: they are where they were.
	Refused int64 `json:",omitempty"`
	// Tickets match, and stand for objects to be read again: they are not replayed.
	Tickets int64 `json:",omitempty"`
	// Unreadable is how many files could not be gone through: nothing of them was
	// replayed.
	Unreadable int64 `json:",omitempty"`
	// Reasons counts the letters that match by their reasons. There are at most 50
	// different ones, the others count as [OtherReasons].
	Reasons map[string]int64 `json:",omitempty"`
	// Examples are the first letters that match, of a DryRun.
	Examples []Example `json:",omitempty"`
	// Errors are the first few different ones. They hold no payload.
	Errors []string `json:",omitempty"`
}

// OtherReasons stands for what is not counted by itself.
const OtherReasons = "other reasons"

// Example is one letter in a report.
type Example struct {
	ID, Reason string
	RecordID   string `json:",omitempty"`
	Object     string `json:",omitempty"`
	Offset     int64
	Attempt    int       `json:",omitempty"`
	Time       time.Time `json:",omitzero"`
	Bytes      int       // of the data
	Data       string    // the beginning of it
}

const (
	mostReasons = 50
	mostErrors  = 10
	mostData    = 256
)

func (r *Report) clone() Report {
	c := *r
	c.Reasons, c.Examples = maps.Clone(r.Reasons), slices.Clone(r.Examples)
	return c
}

// add counts a letter that matches.
func (r *Report) add(l *Letter, show bool, examples int) {
	reason := l.Reason
	if _, known := r.Reasons[reason]; !known && len(r.Reasons) >= mostReasons {
		reason = OtherReasons
	}
	r.Reasons[reason]++
	if !show || len(r.Examples) >= examples {
		return
	}
	r.Examples = append(r.Examples, exampleOf(l))
}

func exampleOf(l *Letter) Example {
	data := l.Data[:min(len(l.Data), mostData)]
	return Example{
		ID: l.ID, Reason: l.Reason, RecordID: l.RecordID(), Object: l.Object, Offset: l.Offset, Attempt: l.Attempt,
		Time: l.Time, Bytes: len(l.Data), Data: strings.ToValidUTF8(string(data), "\ufffd"),
	}
}

func (r *Report) note(err error) {
	if text := err.Error(); len(r.Errors) < mostErrors && !slices.Contains(r.Errors, text) {
		r.Errors = append(r.Errors, text)
	}
}
