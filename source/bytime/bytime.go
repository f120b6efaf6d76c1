// Package bytime puts the objects of a source in the order of the times in
// their names, oldest or newest first, and tells how old they are.
//
// A name such as 2026-11-22T10-15-30.250-feed.json holds the time of its object
// better than its modification time does, which a copy changes. [New] wraps any
// source; what it reads, removes and learns of new objects it leaves to that.
package bytime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Order is what comes first.
type Order string

const (
	// OldestFirst is for queues in which nothing may grow old.
	OldestFirst Order = "oldest"
	// NewestFirst is for readers who want the news, whatever backlog there is.
	NewestFirst Order = "newest"
)

// Config says where in the name of an object its time is, and what to do with
// it.
type Config struct {
	// Layout is the time in the name, as in [time.Parse], at the beginning of the
	// last element of a key; with n slashes, at the beginning of its last n+1
	// elements ("2006/01/02/15/04-05" for a tree of folders). Each of its elements
	// must have a fixed width: January, for one, has not. Or "unix", "unixmilli",
	// "unixmicro" or "unixnano": a decimal number since 1970. Required.
	Layout string
	// Prefix is what stands in front of the time.
	Prefix string
	// Location is where the clock stood. Defaults to UTC.
	Location *time.Location
	// Order defaults to [OldestFirst].
	Order Order
	// Window is how many objects are held in memory to be put in order. A listing
	// of more is made once for each Window of them, and what a Watch finds at once
	// is put in order by portions of that many. Defaults to 65,536, which takes
	// about 20 MiB.
	Window int
}

const defaultWindow = 1 << 16

// Source lists the objects of another source by the times in their names.
// Objects without a time come last, in the order of their keys.
type Source struct {
	source.Source
	cfg Config
}

// New returns src in order. The result is a [source.Relister],
// [source.SmallReader] and [source.Watcher], and a [source.Remover] or
// [source.Mover] if src is. It reports every mistake in cfg.
func New(src source.Source, cfg Config) (source.Source, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	cfg.Order = cmp.Or(cfg.Order, OldestFirst)
	cfg.Window = cmp.Or(cfg.Window, defaultWindow)
	var errs []error
	if src == nil {
		errs = append(errs, errors.New("bytime: no source"))
	}
	if err := checkLayout(cfg.Layout); err != nil {
		errs = append(errs, fmt.Errorf("bytime: Config.Layout: %w", err))
	}
	if cfg.Order != OldestFirst && cfg.Order != NewestFirst {
		errs = append(errs, fmt.Errorf("bytime: Config.Order: %q is neither %q nor %q", cfg.Order, OldestFirst, NewestFirst))
	}
	if cfg.Window < 0 {
		errs = append(errs, fmt.Errorf("bytime: Config.Window: %d is negative", cfg.Window))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(err)
	}
	s := &Source{Source: src, cfg: cfg}
	switch remover := src.(type) {
	case source.Mover:
		return &struct {
			*Source
			source.Mover
		}{s, remover}, nil
	case source.Remover:
		return &struct {
			*Source
			source.Remover
		}{s, remover}, nil
	}
	return s, nil
}

var (
	_ source.Source      = (*Source)(nil)
	_ source.SmallReader = (*Source)(nil)
	_ source.Relister    = (*Source)(nil)
	_ source.Watcher     = (*Source)(nil)
	_ source.Dater       = (*Source)(nil)
)

// ReadObject implements [source.SmallReader]. Where the source behind does not,
// every object is too large.
func (s *Source) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if small, ok := s.Source.(source.SmallReader); ok {
		return small.ReadObject(ctx, o, dst, max)
	}
	return dst, o, source.ErrTooLarge
}

// Date implements [source.Dater].
func (s *Source) Date(o source.Object) (time.Time, bool) { return s.cfg.parse(o.Key) }
