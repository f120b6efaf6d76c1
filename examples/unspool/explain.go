package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// runExplain is "unspool explain".
func runExplain(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	s, err := openSite(ctx, w, errs, false)
	if err != nil {
		return err
	}
	defer s.Close()
	if w.Record != "" {
		return s.traceRecord(ctx, w, stdout)
	}
	stories, err := processor.Explain(ctx, s.InspectConfig, s.keys(w.files)...)
	if err != nil {
		return err
	}
	unknown := false
	for _, story := range stories {
		if err := answer(stdout, w.JSON, story, storyText(story, s.Source != nil, time.Now())); err != nil {
			return err
		}
		unknown = unknown || story.Standing == processor.StandingNew && story.Stored == nil && len(story.Parts) == 0
	}
	if unknown {
		return told(errors.New("unknown file"))
	}
	return nil
}

func storyText(s processor.Story, hasSource bool, now time.Time) string {
	var t rows
	t.add("file", "%s", printable(s.Key))
	at := func(v time.Time) string { return v.UTC().Format(time.RFC3339) + " (" + ago(v, now) + ")" }
	switch {
	case s.Stored != nil:
		t.add("source", "%s of %s", bytesText(s.Stored.Size), at(s.Stored.ModTime))
	case hasSource:
		t.add("source", "it is not there")
	}
	t.add("state", "%s%s", s.Standing, map[processor.Standing]string{
		processor.StandingNew:     ": nobody has claimed it",
		processor.StandingExpired: ": its worker has not been heard of; the next one takes it",
		processor.StandingWaiting: ": given back; the next worker takes it",
	}[s.Standing])
	if s.Owner != "" {
		t.add("owner", "%s", printable(s.Owner))
	}
	if s.Attempt > 0 {
		t.add("attempts", "%d", s.Attempt)
	}
	if s.Reason != "" {
		t.add("reason", "%s", printable(s.Reason))
	}
	for _, row := range []struct {
		name string
		time time.Time
	}{{"claimed", s.ClaimedAt}, {"finished", s.FinishedAt}} {
		if !row.time.IsZero() {
			t.add(row.name, "%s", at(row.time))
		}
	}
	switch {
	case s.Expires.IsZero():
	case s.Standing == processor.StandingWaiting:
		t.add("not before", "%s", at(s.Expires))
	default:
		t.add("expires", "%s", at(s.Expires))
	}
	if c := s.Checkpoint; c != nil {
		spans := ""
		if len(c.Spans) > 0 {
			spans = some(part{int64(len(c.Spans)), "stretches further on"})
		}
		t.add("checkpoint", "settled up to byte %s%s", digits(c.Offset), spans)
	}
	for _, p := range s.Parts {
		t.add(p.Destination, "%s: %s records%s", printable(p.Name), digits(int64(p.Records)), some(
			part{int64(p.Tickets), "tickets"}, part{int64(p.Attempt), "attempts"}))
		for _, reason := range p.Reasons {
			t.add("", "%s", printable(reason))
		}
	}
	return t.String()
}
