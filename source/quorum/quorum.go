// Package quorum gives out the objects of another [source.Source] only once a
// marker, such as _SUCCESS or x.done, says that they are complete: those in the
// folder of the marker, or those whose names begin with the marker's.
//
// They are given out as one object, whose records are those of all of them
// ([New]), or each by itself ([NewEach]). The marker must be written last; it is no
// data itself, and its content does not matter. A source that hides its name, as
// source/dir does those with a leading dot unless told otherwise, hides the marker.
//
// Wrap what decodes, so that compressed objects can be put together:
// quorum.New(decompress.New(files)).
package quorum

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Config says what a marker is and what it is for. One of Name and Ext is required.
type Config struct {
	// Name is what a marker is called: "_SUCCESS".
	Name string `yaml:"name"`
	// Ext is what the name of a marker ends in: ".done". Several in one folder count
	// as one.
	Ext string `yaml:"ext"`
	// ByStem has a marker stand, not for all objects in its folder, but for those
	// whose name begins with its own, less Ext, and a dot: with "a.done" a.csv and
	// a.2.csv, and not ab.csv. An object whose name so begins with that of two markers
	// belongs to both: do not use a.b.done beside a.done.
	ByStem bool `yaml:"byStem"`
	// Header is how many lines at the start of each object are left out but of the
	// first one. Only for [New].
	Header int `yaml:"header"`
	// Window is how many names are held in memory: where there are more, of the objects
	// that are put together or of the markers, they are listed once for each Window of
	// them. Defaults to 65,536, which takes about 10 MiB.
	Window int `yaml:"window"`
}

const defaultWindow = 1 << 16

func (c Config) withDefaults() Config {
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	return c
}

func (c Config) check(src source.Source) error {
	var errs []error
	if src == nil {
		errs = append(errs, errors.New("quorum: no source"))
	}
	switch {
	case c.Name == "" && c.Ext == "":
		errs = append(errs, errors.New("quorum: Config.Name: required, unless Ext is given"))
	case c.Name != "" && c.Ext != "":
		errs = append(errs, errors.New("quorum: Config.Ext: not together with Name"))
	case c.ByStem && c.Name != "":
		errs = append(errs, errors.New("quorum: Config.ByStem: needs Ext"))
	}
	for _, f := range []struct{ field, value string }{{"Name", c.Name}, {"Ext", c.Ext}} {
		if strings.Contains(f.value, "/") || f.value == "." || f.value == ".." {
			errs = append(errs, fmt.Errorf("quorum: Config.%s: %q is no part of a name", f.field, f.value))
		}
	}
	if c.Header < 0 {
		errs = append(errs, fmt.Errorf("quorum: Config.Header: %d is negative", c.Header))
	}
	if c.Window < 1 {
		errs = append(errs, fmt.Errorf("quorum: Config.Window: %d is below 1", c.Window))
	}
	if err := errors.Join(errs...); err != nil {
		return fault.Fatal(err)
	}
	return nil
}

// group is what one marker, or several, stand for.
type group struct {
	folder string // key without a slash at its end, "" for the root
	stem   string // of the names, with ByStem
}

// marker returns what an object stands for, if it is a marker.
func (c *Config) marker(key string) (g group, ok bool) {
	name := path.Base(key)
	if c.Name != "" {
		return group{folder: source.FolderOf(key)}, name == c.Name
	}
	stem, ok := strings.CutSuffix(name, c.Ext)
	if !c.ByStem {
		return group{folder: source.FolderOf(key)}, ok
	}
	return group{source.FolderOf(key), stem}, ok && stem != ""
}

// key returns the key of what is put together: that of the marker, or where there
// may be several that of one that is called as they end.
func (c *Config) key(g group) string {
	switch {
	case c.Name != "":
		return path.Join(g.folder, c.Name)
	default:
		return path.Join(g.folder, g.stem+c.Ext)
	}
}

// has reports whether an object in the folder of g is one that g stands for.
func (c *Config) has(g group, key string) bool {
	if _, marks := c.marker(key); marks {
		return false
	}
	return !c.ByStem || strings.HasPrefix(path.Base(key), g.stem+".")
}

// merged shows the objects of each group as one.
type merged struct {
	inner source.Source
	cfg   Config
}

// New returns a source with one object for each marker in inner, made of the
// objects that it stands for, in the order of their names, byte by byte. Where one
// does not end in a newline, one is put in before the next. Its key is that of the
// marker (with Ext, without ByStem: that of a marker that is called just Ext).
// Its Version is a hash of the names, versions and sizes of what it is made of: if
// any of that changes, appears or vanishes before it was read to its end, that is
// [source.ErrChanged]. The listing does not tell it, so that it has to be claimed by
// its key. How long it is nobody knows.
//
// What is damaged in one of the objects takes those behind it along: the rest of
// what is put together is then one defect, and what becomes of it is up to whoever
// looks at it. OnDone of the processor leaves such objects where they are, all of them;
// an archiver does not know them from others. [NewEach] keeps them apart.
//
// For each opening the folder is listed twice, and once more for each further
// Window of names; where inner is no [source.FolderLister] all of it is listed for
// that. If inner can remove objects, so can the source: first the marker goes, then
// the objects, so that what a crash leaves is not taken for something new. Moved
// objects keep their own names.
//
// inner stays the caller's, to be closed by it.
func New(inner source.Source, cfg Config) (source.Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(inner); err != nil {
		return nil, err
	}
	s := &merged{inner: inner, cfg: cfg}
	switch remover := inner.(type) {
	case source.Mover:
		return struct {
			*merged
			source.Mover
		}{s, mover{taker{s, remover}, remover}}, nil
	case source.Remover:
		return struct {
			*merged
			source.Remover
		}{s, taker{s, remover}}, nil
	}
	return s, nil
}

var (
	_ source.Source   = (*merged)(nil)
	_ source.Relister = (*merged)(nil)
	_ source.Watcher  = (*merged)(nil)
)

// Objects implements [source.Source].
func (s *merged) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return s.markers(s.inner.Objects(ctx))
}

// List implements [source.Relister]. Where the inner source cannot tell, there
// may always be more.
func (s *merged) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	if r, ok := s.inner.(source.Relister); ok {
		objects, more := r.List(ctx)
		return s.markers(objects), more
	}
	return s.Objects(ctx), func() bool { return true }
}

// markers passes on what the markers among objects stand for.
func (s *merged) markers(objects iter.Seq2[source.Object, error]) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		several := s.cfg.Ext != "" && !s.cfg.ByStem
		seen := map[string]struct{}{}
		for o, err := range objects {
			if err != nil {
				yield(source.Object{}, err)
				return
			}
			g, ok := s.cfg.marker(o.Key)
			if !ok {
				continue
			}
			out := source.Object{Key: s.cfg.key(g), Size: -1, ModTime: o.ModTime}
			if several {
				if _, again := seen[out.Key]; again {
					continue
				}
				if len(seen) == s.cfg.Window {
					clear(seen) // to list one again does no harm
				}
				seen[out.Key] = struct{}{}
				out.ModTime = time.Time{} // that of which one?
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// Watch implements [source.Watcher].
func (s *merged) Watch(ctx context.Context) (source.Changes, error) {
	w, ok := s.inner.(source.Watcher)
	if !ok {
		return source.Poll(s), nil
	}
	inner, err := w.Watch(ctx)
	if err != nil {
		return nil, err
	}
	return changes{inner, s}, nil
}

// changes tells of markers that appear.
type changes struct {
	source.Changes
	source *merged
}

// Objects implements [source.Changes].
func (c changes) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return c.source.markers(c.Changes.Objects(ctx, all))
}

// Date implements [source.Dater].
func (s *merged) Date(o source.Object) (time.Time, bool) {
	at := source.DateOf(s.inner, o)
	return at, !at.IsZero()
}

// noPlace is the URL of a source that has none. No destination lies in it.
const noPlace = "source://"

// URL returns that of the inner source.
func (s *merged) URL() string {
	if l, ok := s.inner.(interface{ URL() string }); ok {
		return l.URL()
	}
	return noPlace
}
