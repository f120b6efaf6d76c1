package bytime

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unspool-go/unspool/internal/timefolder"
	"github.com/unspool-go/unspool/processor/fault"
)

// FoldersConfig says how the folders of a tree are named by time, and how far
// back they are listed.
type FoldersConfig struct {
	// Layout is how folders are named, from the root of the source on, in the form
	// of package time: "2006/01/02/15", "dt=2006-01-02/hour=15". They go from long
	// times to short ones, without a gap. Names without a time may stand anywhere,
	// and "*" for any name, as in "*/2006/01/02". Required.
	Layout string
	// Location is where the clock stood. Defaults to UTC.
	Location *time.Location
	// Horizon is how long ago the time of a folder must have ended for [Folders.Skip]
	// to pass it over, whether its files were processed or not: it must be more
	// than any of them may be late. Defaults to 0: none is passed over.
	Horizon time.Duration
}

// Folders tells how old the folders of a tree are, by their names: to the options
// SkipFolder and PastFolder of source/dir and source/web. A folder whose name does
// not fit the layout has no age. It is safe for concurrent use.
type Folders struct {
	cfg    FoldersConfig
	names  []string // of the layout
	levels []timefolder.Level

	mu      sync.Mutex
	skipped map[string]struct{}
	more    int64 // that found no room in skipped
}

// pastAfter is how long after its end a time counts as past: longer than it is the
// same hour somewhere else, should the folders be named by another clock.
const pastAfter = 24 * time.Hour

// maxSkipped is how many folders that were passed over are told apart.
const maxSkipped = 1 << 16

// NewFolders reports every mistake in cfg.
func NewFolders(cfg FoldersConfig) (*Folders, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	f := &Folders{cfg: cfg, names: strings.Split(strings.TrimSuffix(cfg.Layout, "/"), "/"), skipped: map[string]struct{}{}}
	var errs []error
	timed := slices.DeleteFunc(slices.Clone(f.names), func(name string) bool { return name == "*" })
	var err error
	if f.levels, err = timefolder.Levels(strings.Join(timed, "/")); err != nil {
		errs = append(errs, fmt.Errorf("bytime: FoldersConfig.Layout: %q: %w", cfg.Layout, err))
	}
	if cfg.Horizon < 0 {
		errs = append(errs, fmt.Errorf("bytime: FoldersConfig.Horizon: %v is negative", cfg.Horizon))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(err)
	}
	return f, nil
}

// Skip reports whether the time that a folder stands for ended longer ago than
// the horizon. folder is its key, without a slash at the end.
func (f *Folders) Skip(folder string) bool {
	if f.cfg.Horizon == 0 || !f.endedBefore(folder, time.Now().Add(-f.cfg.Horizon)) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.skipped[folder]; ok {
		return true
	}
	if len(f.skipped) < maxSkipped {
		f.skipped[folder] = struct{}{}
	} else {
		f.more++
	}
	return true
}

// Past reports whether the time that a folder stands for has been over for a day,
// so that nothing more is expected in it.
func (f *Folders) Past(folder string) bool {
	return f.endedBefore(folder, time.Now().Add(-pastAfter))
}

// Skipped returns how many folders Skip has passed over, each with all that is in
// it counted once. Beyond 65,536 a folder counts each time.
func (f *Folders) Skipped() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.skipped)) + f.more
}

// endedBefore reports whether it is known that the time of a folder ended at t or
// earlier. A folder below those of the layout belongs to the one it is in.
func (f *Folders) endedBefore(folder string, t time.Time) bool {
	names := strings.Split(folder, "/")
	names = names[:min(len(names), len(f.names))]
	timed := names[:0]
	for i, name := range names {
		if f.names[i] != "*" {
			timed = append(timed, name)
		}
	}
	// The last level that the names reach.
	for _, l := range slices.Backward(f.levels) {
		n := strings.Count(l.Layout, "/")
		if n > len(timed) {
			continue
		}
		from, err := time.ParseInLocation(l.Layout, strings.Join(timed[:n], "/")+"/", f.cfg.Location)
		return err == nil && !l.Unit.Next(from).After(t)
	}
	return false
}
