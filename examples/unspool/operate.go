package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
)

// site is what an operator's command is about: the places of one spool.
type site struct {
	processor.InspectConfig
	claims processor.Claims // nil for those who only look
	folder string           // of the source, "" where that is none

	closers []func() error
}

// openSite opens the places that the options name. change says that the claims
// are to be changed.
func openSite(ctx context.Context, w words, errs []error, change bool) (_ *site, err error) {
	s := &site{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if w.Source != "" {
		from, err := openOrigin(ctx, w.settings, true)
		if err != nil {
			errs = append(errs, err)
		} else {
			s.Source, s.folder = from.Source, from.Folder
			s.closers = append(s.closers, from.Close)
		}
	}
	closeStores, err := openStores(ctx, w.stores()...)
	if err != nil {
		errs = append(errs, err)
	}
	s.closers = append(s.closers, closeStores)
	places, more := plan(w.settings, s.folder)
	if err := usage(append(errs, more...)); err != nil {
		return nil, err
	}
	s.RetryURL, s.FailedURL, s.CorruptionURL = places.retry, places.failed, places.corruption
	s.Grace = orNoTime(w.Grace)
	var closeClaims func() error
	if change {
		s.claims, closeClaims, err = openClaims(ctx, places.claims, toChange)
		s.Claims = s.claims
	} else {
		s.Claims, closeClaims, err = lookAtClaims(ctx, places.claims)
	}
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, closeClaims)
	return s, nil
}

// passOverQueues forgets the destinations that show nothing of what is in them: for who
// counts what lies in folders, and not for who tells what became of something.
func (s *site) passOverQueues() {
	for _, url := range []*string{&s.FailedURL, &s.CorruptionURL} {
		if destination.CheckReadable(*url) != nil {
			*url = ""
		}
	}
}

// Close closes what was opened, the last first.
func (s *site) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// orNoTime returns d as the library has it, for which 0 is the default and a
// negative duration means none.
func orNoTime(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// keys returns the keys of files, which may be named by key, or by a path that
// leads into the source.
func (s *site) keys(files []string) []string {
	keys := make([]string, len(files))
	for i, f := range files {
		keys[i] = s.key(f)
	}
	return keys
}

func (s *site) key(file string) string {
	if s.folder == "" {
		return file
	}
	if _, err := os.Lstat(filepath.Join(s.folder, filepath.FromSlash(file))); err == nil && !filepath.IsAbs(file) {
		return file
	}
	path, local, err := localPath(file)
	if err == nil && local && within(path, s.folder) {
		if rel, err := filepath.Rel(s.folder, path); err == nil && (filepath.IsAbs(file) || exists(path)) {
			return filepath.ToSlash(rel)
		}
	}
	return file
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// answer writes v as one line of JSON, or text.
func answer(w io.Writer, asJSON bool, v any, text string) error {
	out := []byte(text)
	if asJSON {
		line, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		out = append(line, '\n')
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// rows is text of names and what there is to say of each.
type rows struct{ strings.Builder }

func (r *rows) add(name, format string, args ...any) {
	fmt.Fprintf(r, "%-11s %s\n", name, fmt.Sprintf(format, args...))
}

// ago tells how long before now a time was.
func ago(t, now time.Time) string {
	if t.After(now) {
		return "in " + short(t.Sub(now))
	}
	return short(now.Sub(t)) + " ago"
}

// short is a duration without what is small beside the rest of it.
func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	case d >= time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d >= time.Second:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}
