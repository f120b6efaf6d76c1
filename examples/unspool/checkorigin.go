package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source/bytime"
)

// originKind is what --source names.
type originKind int

const (
	kindFolder originKind = iota // or what nobody knows
	kindWeb
	kindBucket
	kindGoogle
)

func kindOf(source string) originKind {
	switch scheme, _, _ := strings.Cut(source, "://"); {
	case scheme == source: // a path
	case scheme == "http" || scheme == "https":
		return kindWeb
	case scheme == "s3":
		return kindBucket
	case scheme == "gs":
		return kindGoogle
	}
	return kindFolder
}

// checkOrigin reports options that do not go together with the source, or with
// each other. Of a source that is missing it says nothing.
func checkOrigin(s *settings) []error {
	errs := checkFormats(s)
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	kind := kindOf(s.Source)
	for _, o := range []struct {
		name  string
		given bool
		kind  originKind
		want  string
	}{
		{"header", s.Header != nil, kindWeb, "an http(s):// source"},
		{"settle", s.Settle != unset, kindFolder, "a folder"},
		{"poll", s.Poll, kindFolder, "a folder"},
		{"keys-grow", s.KeysGrow, kindBucket, "an s3:// source"},
	} {
		if o.given && s.Source != "" && kind != o.kind {
			bad("--%s: only with %s", o.name, o.want)
		}
	}
	switch {
	case s.Partitions == "":
		if s.Horizon > 0 {
			bad("--horizon: only with --partitions")
		}
		return errs
	case kind == kindGoogle:
		bad("--partitions: not with gs://")
		return errs
	case s.Flat:
		bad("--flat: not with --partitions, which are nested folders")
	case kind == kindBucket && s.Horizon == 0:
		bad("--horizon: required with --partitions of s3://")
	}
	if kind == kindBucket && strings.Contains(s.Partitions, "*") {
		bad("--partitions: %q: s3:// takes no *", s.Partitions)
	}
	if _, err := bytime.NewFolders(bytime.FoldersConfig{Layout: s.Partitions}); err != nil {
		errs = append(errs, &optionError{"partitions", err})
	}
	return errs
}

// setHeader adds a header of --header. It quotes nothing that may be secret.
func setHeader(s *settings, text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok || name == "" {
		return errors.New("is no NAME:VALUE")
	}
	value = strings.TrimSpace(value)
	if variable, ok := strings.CutPrefix(value, "env:"); ok {
		if value = os.Getenv(variable); value == "" {
			return fmt.Errorf("%s: the variable %q is empty or not set", name, variable)
		}
	}
	if s.Header == nil {
		s.Header = http.Header{}
	}
	s.Header.Add(name, value)
	return nil
}

// addPattern adds a pattern of --ignore.
func addPattern(s *settings, pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("%q is no pattern", pattern)
	}
	s.Ignore = append(s.Ignore, pattern)
	return nil
}

// settleTime is --settle as source/dir has it.
func settleTime(d time.Duration) time.Duration {
	if d == unset {
		return 0
	}
	return orNoTime(d)
}
