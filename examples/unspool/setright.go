package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// runRelease is "unspool release".
func runRelease(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	return setRight(ctx, w, errs, stdout, func(s *site) ([]processor.Outcome, error) {
		return processor.Release(ctx, s.InspectConfig, s.keys(w.files)...)
	})
}

// runRetry is "unspool retry".
func runRetry(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	return setRight(ctx, w, errs, stdout, func(s *site) ([]processor.Outcome, error) {
		return processor.Retry(ctx, s.InspectConfig, w.Whole, s.keys(w.files)...)
	})
}

// setRight does something about files and says of each what that was.
func setRight(ctx context.Context, w words, errs []error, stdout io.Writer, do func(*site) ([]processor.Outcome, error)) error {
	s, err := openSite(ctx, w, errs, true)
	if err != nil {
		return err
	}
	defer s.Close()
	outcomes, err := do(s)
	left := false
	for _, o := range outcomes {
		if werr := answer(stdout, w.JSON, o, outcomeText(o, time.Now())); werr != nil {
			return errors.Join(err, werr)
		}
		left = left || !o.Did.Done()
	}
	if err = errors.Join(err, s.Close()); err == nil && left {
		err = told(errors.New("some were left as they are"))
	}
	return err
}

func outcomeText(o processor.Outcome, now time.Time) string {
	text := printable(o.Key) + ": "
	switch o.Did {
	case processor.DidRelease:
		text += "released: any worker can take it"
	case processor.DidRetry:
		text += digits(int64(o.Parts)) + " parts moved from failed to retry: the next run tries them again"
	case processor.DidForget:
		text += "forgotten: the next run processes it from its beginning"
		if o.Parts > 0 {
			text += some(part{int64(o.Parts), "parts deleted from failed"})
		}
	case processor.DidNothingHeld:
		text += "left alone: held"
		if o.Owner != "" {
			text += " by " + printable(o.Owner)
		}
		if !o.Expires.IsZero() {
			text += ", expires " + ago(o.Expires, now)
		}
	case processor.DidNothingFinished:
		text += "left alone: it is finished, and nothing of it failed"
	case processor.DidNothingNew:
		text += "left alone: nobody has claimed it"
	case processor.DidNothingGone:
		text += "left alone: it is not in the source any more"
	}
	return text + "\n"
}
