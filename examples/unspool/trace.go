package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/redrive"
)

// checkExplain is the check of "unspool explain".
func checkExplain(s *settings) []error {
	errs := checkOperator(s)
	switch {
	case s.From == "":
	case !strings.HasPrefix(s.From, "sqs:"):
		errs = append(errs, errors.New("--from: only sqs:QUEUE here: the destinations are looked through anyway"))
	case s.Record == "":
		errs = append(errs, errors.New("--from: only with --record"))
	}
	return errs
}

// traceRecord is "unspool explain --record".
func (s *site) traceRecord(ctx context.Context, w words, stdout io.Writer) error {
	cfg := redrive.TraceConfig{
		Inspect: s.InspectConfig,
		// Their listings do not tell the versions that whoever reads is told.
		Open: kindOf(w.Source) == kindWeb || w.Merge,
	}
	if len(w.files) > 0 {
		cfg.Keys = s.keys(w.files)
	}
	if queue, ok := strings.CutPrefix(w.From, "sqs:"); ok {
		letters, err := openDeadLetters(ctx, queue, 0)
		if err != nil {
			return err
		}
		cfg.Boxes = append(cfg.Boxes, letters)
	}
	track, err := redrive.Trace(ctx, cfg, w.Record)
	if err != nil {
		return err
	}
	if err := answer(stdout, w.JSON, track, trackText(track, s.Source != nil, time.Now())); err != nil {
		return err
	}
	if track.Fate == redrive.FateUnknown {
		return told(errors.New("unknown record"))
	}
	return nil
}

func trackText(k redrive.Track, hasSource bool, now time.Time) string {
	var t rows
	t.add("record", "%s", printable(k.RecordID))
	t.add("offset", "%s in the decoded stream%s", digits(k.Offset), some(part{int64(k.Output), "is the number of the output"}))
	t.add("fate", "%s", k.Fate)
	for _, a := range k.Aside {
		name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(string(a.Fate), "in the "), "in a "), " destination")
		if a.Ticket {
			name += ", with the rest of its file"
		}
		t.add("aside", "%s", name)
		exampleText(&t, "", a.Example, now)
	}
	if k.Story != nil {
		t.WriteString(storyText(*k.Story, hasSource, now))
	}
	return t.String()
}
