package quorum

import (
	"context"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// each shows the objects of each group by themselves.
type each struct {
	source.Source
	cfg Config
}

// NewEach returns a source of those objects of inner that a marker stands for, each
// by itself, and without the markers. inner is listed twice for each Window of
// markers: once for these, then for what they stand for, so that nothing is listed
// that was there before its marker was and not all of the rest.
//
// The source has the parts of inner that remove and move objects, and is always a
// [source.Relister], [source.SmallReader], [source.Watcher] and [source.Decoder].
// inner stays the caller's, to be closed by it.
func NewEach(inner source.Source, cfg Config) (source.Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(inner); err != nil {
		return nil, err
	}
	if cfg.Header > 0 {
		return nil, fault.Fatal(fmt.Errorf("quorum: Config.Header: %d has no meaning where objects are not put together", cfg.Header))
	}
	s := &each{Source: inner, cfg: cfg}
	switch remover := inner.(type) {
	case source.Mover:
		return struct {
			*each
			source.Mover
		}{s, remover}, nil
	case source.Remover:
		return struct {
			*each
			source.Remover
		}{s, remover}, nil
	}
	return s, nil
}

var (
	_ source.Source      = (*each)(nil)
	_ source.SmallReader = (*each)(nil)
	_ source.Relister    = (*each)(nil)
	_ source.Watcher     = (*each)(nil)
	_ source.Decoder     = (*each)(nil)
)

// Objects implements [source.Source].
func (s *each) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	objects, _ := s.List(ctx)
	return objects
}

// List implements [source.Relister]. Where the inner source cannot tell, there
// may always be more.
func (s *each) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	more := func() bool { return true }
	return func(yield func(source.Object, error) bool) {
		for after := ""; ; {
			objects := s.Source.Objects(ctx)
			if r, ok := s.Source.(source.Relister); ok {
				var of func() bool
				if objects, of = r.List(ctx); after == "" {
					more = of
				}
			}
			groups, last, left, err := s.groups(objects, after)
			if err != nil {
				yield(source.Object{}, err)
				return
			}
			if len(groups) > 0 && !s.pass(ctx, groups, yield) || !left {
				return
			}
			after = last
		}
	}, func() bool { return more() }
}

// groups returns the first Window groups that there is a marker of and whose key
// comes after a key, the last of those keys, and whether there are more.
func (s *each) groups(objects iter.Seq2[source.Object, error], after string) (groups map[group]struct{}, last string, left bool, err error) {
	groups = map[group]struct{}{}
	var kept []group
	cut := func() {
		slices.SortFunc(kept, func(a, b group) int { return strings.Compare(s.cfg.key(a), s.cfg.key(b)) })
		kept = slices.Compact(kept)
		if len(kept) > s.cfg.Window {
			kept, left = kept[:s.cfg.Window], true
		}
	}
	for o, err := range objects {
		if err != nil {
			return nil, "", false, err
		}
		g, ok := s.cfg.marker(o.Key)
		if !ok || after != "" && s.cfg.key(g) <= after {
			continue
		}
		if kept = append(kept, g); len(kept) >= 2*s.cfg.Window {
			cut()
		}
	}
	cut()
	for _, g := range kept {
		groups[g] = struct{}{}
		last = s.cfg.key(g)
	}
	return groups, last, left, nil
}

// pass lists what those groups stand for. It reports whether to go on.
func (s *each) pass(ctx context.Context, groups map[group]struct{}, yield func(source.Object, error) bool) bool {
	for o, err := range s.Source.Objects(ctx) {
		if err != nil {
			yield(source.Object{}, err)
			return false
		}
		if s.belongs(o.Key, groups) && !yield(o, nil) {
			return false
		}
	}
	return true
}

func (s *each) belongs(key string, groups map[group]struct{}) bool {
	if _, marks := s.cfg.marker(key); marks {
		return false
	}
	g := group{folder: source.FolderOf(key)}
	if !s.cfg.ByStem {
		_, ok := groups[g]
		return ok
	}
	name := path.Base(key)
	for i := 1; i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		g.stem = name[:i]
		if _, ok := groups[g]; ok {
			return true
		}
	}
	return false
}

// ReadObject implements [source.SmallReader]. Where the inner source does not,
// every object is too large.
func (s *each) ReadObject(ctx context.Context, o source.Object, dst []byte, max int) ([]byte, source.Object, error) {
	if small, ok := s.Source.(source.SmallReader); ok {
		return small.ReadObject(ctx, o, dst, max)
	}
	return dst, o, fmt.Errorf("quorum: read %q: %w", o.Key, source.ErrTooLarge)
}

// Watch implements [source.Watcher]: a marker tells of objects that are there
// already, so that all is listed.
func (s *each) Watch(context.Context) (source.Changes, error) { return source.Poll(s), nil }

// Stored implements [source.Decoder].
func (s *each) Stored() source.Source {
	if d, ok := s.Source.(source.Decoder); ok {
		return d.Stored()
	}
	return s.Source
}

// URL returns that of the inner source.
func (s *each) URL() string {
	if l, ok := s.Source.(interface{ URL() string }); ok {
		return l.URL()
	}
	return noPlace
}
