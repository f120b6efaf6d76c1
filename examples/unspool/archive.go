package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source/web"
)

// runArchive is "unspool archive".
func runArchive(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	w.NameTime = "" // files go in any order
	s, err := openSite(ctx, w, append(errs, checkTo(w)...), true)
	if err != nil {
		return err
	}
	defer s.Close()
	if server, ok := s.Source.(*web.Source); ok {
		dav := server.DAV()
		if err := dav.Prove(ctx); err != nil {
			return fmt.Errorf("--source: %w", err)
		}
		s.Source = dav
	}
	cfg := processor.ArchiveConfig{
		Source: s.Source, Claims: s.claims, To: w.To, Delete: w.Delete, After: max(w.After, 0),
		ForgetAfter: w.Forget, ClockSkew: w.clockSkew(),
	}
	if w.Forget > 0 {
		cfg.RetryURL = s.RetryURL
	}
	r, err := processor.Archive(ctx, cfg)
	if r.StartTime.IsZero() {
		return err
	}
	err = errors.Join(err, s.Close())
	if werr := answer(stdout, w.JSON, r, archiveText(r)); werr != nil {
		err = errors.Join(err, werr)
	}
	if err == nil && r.Status == processor.StatusStopped {
		return told(errStopped)
	}
	return err
}

// coarseness is how far the times of a file and of a claim can be apart that were
// told by the same clock.
const coarseness = 10 * time.Millisecond

// clockSkew is as the library has it, for which 0 is the default.
func (s *settings) clockSkew() time.Duration {
	_, local, _ := localPath(s.Source) // a mistake is told by --source
	switch {
	case s.ClockSkew != unset:
		return orNoTime(s.ClockSkew)
	case local && (s.Claims == "" || strings.HasPrefix(s.Claims, "disk:")):
		return coarseness // both are of this machine
	}
	return 0
}

// checkArchive is the check of "unspool archive".
func checkArchive(s *settings) []error {
	errs := checkOrigin(s)
	if s.Source == "" {
		errs = append(errs, errors.New("--source: required"))
	}
	takes := s.To != "" || s.Delete
	switch {
	case !takes && s.Forget == 0:
		errs = append(errs, errors.New("--to: required, unless with --delete or --forget"))
	case s.To != "" && s.Delete:
		errs = append(errs, errors.New("--delete: not with --to"))
	}
	switch {
	case takes && s.After == unset:
		errs = append(errs, errors.New("--after: required"))
	case !takes && s.After != unset:
		errs = append(errs, errors.New("--after: only with --to or --delete"))
	}
	return errs
}

// checkTo reports an archive that is in the way of the places of a run.
func checkTo(w words) []error {
	if w.To == "" || w.Source == "" {
		return nil
	}
	to, local, err := localPath(w.To)
	switch {
	case err != nil:
		return []error{&optionError{"to", err}}
	case !local && kindOf(w.To) != kindFolder && kindOf(w.To) == kindOf(w.Source):
		return nil // from bucket to bucket, or within a web server
	case !local:
		return []error{&optionError{"to", errors.New(w.To + " is neither a local folder nor where --source is")}}
	}
	var folders []folder
	from, local, err := localPath(w.Source)
	if err != nil {
		return nil // a mistake that is told by --source
	}
	if local {
		folders = append(folders, folder{"source", from})
	}
	places, _ := plan(w.settings, from)
	for _, p := range []folder{{"retry", places.retry}, {"failed", places.failed}, {"corruption", places.corruption}} {
		if path, local, err := localPath(p.path); err == nil && local && p.path != "" {
			folders = append(folders, folder{p.option, path})
		}
	}
	if path, err := checkClaims(places.claims); err == nil && path != "" {
		folders = append(folders, folder{"claims", path})
	}
	var errs []error
	for _, f := range folders {
		errs = append(errs, overlaps([]folder{f, {"to", to}})...)
	}
	return errs
}

func archiveText(r processor.ArchiveReport) string {
	var t rows
	t.add("status", "%s after %v", r.Status, (time.Duration(r.RuntimeMs) * time.Millisecond).Round(10*time.Millisecond))
	if r.Busy {
		t.add("busy", "another archiver is at work: nothing was done")
		return t.String()
	}
	t.add("objects", "%s archived, %s%s", digits(r.Archived), bytesText(r.Bytes), some(
		part{r.Copied, "of them copied"}, part{r.Repaired, "archived before and forgotten now"}))
	if r.Forgotten > 0 {
		t.add("forgotten", "%s that others took away, or that were worked off", digits(r.Forgotten))
	}
	t.add("left", "%s%s", digits(r.Objects-r.Archived), some(
		part{r.Unfinished, "not finished"}, part{r.Recent, "finished too recently"}, part{r.Vanished, "vanished"},
		part{r.Changed, "not what was processed"}, part{r.Collided, "whose name is taken"}, part{r.Failed, "that could not be archived, or looked for"}))
	for _, e := range r.Errors {
		t.add("error", "%s", printable(e))
	}
	return t.String()
}
