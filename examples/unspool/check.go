package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// runCheck is "unspool check".
func runCheck(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	s, voided, err := openForCheck(ctx, w, errs)
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := processor.Check(ctx, processor.CheckConfig{
		Claims: s.claims, FailedURL: s.FailedURL, RetryURL: s.RetryURL,
		MaxRetries: orNone(w.MaxRetries), Grace: orNoTime(w.Grace),
	})
	if r.StartTime.IsZero() {
		return err
	}
	r.Expired, r.Released = r.Expired+voided, r.Released+voided
	err = errors.Join(err, s.Close())
	if werr := answer(stdout, w.JSON, r, checkText(r)); werr != nil {
		err = errors.Join(err, werr)
	}
	if err == nil && r.Status == processor.StatusStopped {
		return told(errStopped)
	}
	return err
}

// openForCheck opens the site. To open claims on disk gives back all that
// another process had, which must be dead then: voided is how many those were.
func openForCheck(ctx context.Context, w words, errs []error) (s *site, voided int64, err error) {
	if s, err = openSite(ctx, w, errs, false); err != nil {
		return nil, 0, err
	}
	before, err := s.Claims.Count(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, 0, err
	}
	if s, err = openSite(ctx, w, nil, true); err != nil {
		return nil, 0, err
	}
	if w.Claims == "" || strings.HasPrefix(w.Claims, "disk:") {
		voided = before.Processing + before.Expired
	}
	return s, voided, nil
}

func checkText(r processor.CheckReport) string {
	var t rows
	t.add("status", "%s after %v", r.Status, (time.Duration(r.RuntimeMs) * time.Millisecond).Round(10*time.Millisecond))
	t.add("expired", "%s%s", digits(r.Expired), some(
		part{r.Released, "given back"}, part{r.Failed, "given up"}, part{r.Held, "taken by others"},
		part{r.Finished, "finished meanwhile"}, part{r.Lost, "lost to others"}))
	if !r.Oldest.IsZero() {
		t.add("oldest", "expired %s", ago(r.Oldest, r.StartTime))
	}
	t.add("claims", "%s finished%s", digits(r.Counts.Finished), some(
		part{r.Counts.Processing, "processing"}, part{r.Counts.Expired, "expired"}, part{r.Counts.Waiting, "waiting"}))
	if r.FailedURL != "" {
		t.add("failed", "%s", r.FailedURL)
	}
	for _, e := range r.Errors {
		t.add("error", "%s", printable(e))
	}
	return t.String()
}
