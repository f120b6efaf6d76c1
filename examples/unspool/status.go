package main

import (
	"context"
	"io"

	"github.com/unspool-go/unspool/processor"
)

// runStatus is "unspool status".
func runStatus(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	s, err := openSite(ctx, w, errs, false)
	if err != nil {
		return err
	}
	defer s.Close()
	s.passOverQueues()
	r, err := processor.Survey(ctx, s.InspectConfig)
	if err != nil {
		return err
	}
	return answer(stdout, w.JSON, r, statusText(r))
}

func statusText(r processor.SurveyReport) string {
	var t rows
	t.add("claims", "%s finished%s", digits(r.Counts.Finished), some(
		part{r.Counts.Processing, "processing"}, part{r.Counts.Expired, "expired"}, part{r.Counts.Waiting, "waiting"}))
	t.add("stuck", "%s", digits(r.Stuck))
	for _, o := range r.LongestStuck {
		by := ""
		if o.Owner != "" {
			by = ", last by " + o.Owner
		}
		t.add("", "%s: attempt %d, expired %s%s", printable(o.Key), o.Attempt, ago(o.Expires, r.Time), printable(by))
	}
	if b := r.Source; b != nil {
		t.add("source", "%s objects: %s new%s", digits(b.Objects), digits(b.New), some(
			part{b.Processing, "processing"}, part{b.Expired, "expired"}, part{b.Waiting, "waiting"}, part{b.Finished, "finished"}))
		if !b.Oldest.IsZero() {
			t.add("lag", "%s: the age of the oldest file that is not finished", short(r.Time.Sub(b.Oldest)))
		}
	}
	for _, d := range r.Destinations {
		oldest := ""
		if !d.Oldest.IsZero() {
			oldest = ", the oldest from " + ago(d.Oldest, r.Time)
		}
		t.add(d.Name, "%s parts in %s%s", digits(d.Parts), d.URL, oldest)
	}
	return t.String()
}
