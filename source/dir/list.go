package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// kind is what a name in a folder stands for.
type kind uint8

const (
	kindOther kind = iota // FIFO, socket, device: no object
	kindFile
	kindFolder
	kindLink
	kindUnknown // the file system did not say
)

// entry is a name in a folder. The name is valid until the next entry is asked
// for.
type entry struct {
	name []byte
	kind kind
}

// entries gives the names of one folder, in whatever order, and io.EOF at the
// end.
type entries interface {
	next() (entry, error)
	close()
}

// looker is an open folder that says what a name in it is, faster than by the
// whole path. Links are not followed.
type looker interface {
	look(name string) (info, kind, error)
}

const (
	// maxReported bounds how many folders that could not be listed are named.
	maxReported = 8
	// maxCarved is how many bytes of keys share one string. A key that is kept
	// keeps that string.
	maxCarved = 4 << 10
)

// Objects implements [source.Source]. A file that vanishes while it is listed
// is left out. A nested folder that cannot be listed is passed over, and the
// error comes after everything else was listed. If the directory itself was
// deleted the error is marked fault.Fatal.
func (s *Source) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	objects, _ := s.List(ctx)
	return objects
}

// List implements [source.Relister]: whatever is added to a folder, or renamed
// in it, changes the times of the folder itself.
func (s *Source) List(ctx context.Context) (objects iter.Seq2[source.Object, error], more func() bool) {
	return s.list(ctx, nil)
}

// list is List as a Changes sees it, or as everybody does if v is nil.
func (s *Source) list(ctx context.Context, v *view) (objects iter.Seq2[source.Object, error], more func() bool) {
	seen := stamps{files: &s.files, settled: s.settled}
	objects = func(yield func(source.Object, error) bool) {
		seen.reset()
		l := listing{s: s, ctx: ctx, yield: yield, now: time.Now(), seen: &seen, view: v}
		defer l.closeAll()
		switch err := l.all(); {
		case err == errStopped:
		case err != nil:
			yield(source.Object{}, err)
		default:
			seen.complete = true
		}
	}
	return objects, seen.changed
}

// listing is one walk through the directory, a folder's objects where the
// folder stands. Its memory is that of the folders on the way down to the
// current one.
type listing struct {
	s     *Source
	ctx   context.Context
	yield func(source.Object, error) bool
	now   time.Time
	view  *view // nil if it is not for Changes
	flat  bool  // only the first folder is wanted

	levels []level
	here   looker    // the folder of the entry at hand, if that can be asked
	seen   *stamps   // of the folders
	skip   []skipped // folders that could not be listed
	more   int       // how many are not in skip

	carved strings.Builder
}

// skipped is a folder that could not be listed.
type skipped struct {
	prefix string
	err    error
}

// level is a folder that is being listed.
type level struct {
	prefix string // its key with a slash at the end; empty for the root
	entries
	busy bool // there is something in it but folders that are not listed
}

var errStopped = errors.New("stopped by the caller")

// all lists everything, or as much as the caller wants: then it returns
// errStopped.
func (l *listing) all() error {
	if l.s.closed.Load() {
		return l.fail("", fs.ErrClosed)
	}
	if l.view != nil {
		l.view.unsettled.begin()
	}
	if err := l.descend(""); err != nil {
		return l.fail("", err)
	}
	if err := l.walk(); err != nil {
		return err
	}
	if l.view != nil {
		l.view.unsettled.end()
	}
	return l.end()
}

// walk lists the folders that are open, and those in them.
func (l *listing) walk() error {
	for len(l.levels) > 0 {
		top := &l.levels[len(l.levels)-1]
		e, err := top.next()
		switch {
		case l.ctx.Err() != nil:
			return l.fail("", l.ctx.Err())
		case err == nil:
			l.here, _ = top.entries.(looker)
			if err = l.take(top.prefix, e); err == errStopped {
				return err
			}
			continue
		case err == io.EOF:
			l.view.listed(top.prefix)
			if !top.busy {
				l.view.empty(top.prefix)
			}
		case top.prefix == "":
			return l.fail("", err)
		default:
			l.skipFolder(top.prefix, err)
		}
		top.close()
		l.levels = l.levels[:len(l.levels)-1]
	}
	return nil
}

// end returns what is wrong when everything else was listed.
func (l *listing) end() error {
	if gone, err := l.s.files.gone(); gone || err != nil {
		return l.fail("", errors.Join(fs.ErrNotExist, err))
	}
	var errs []error
	for _, f := range l.skip {
		l.view.tell(f.prefix, f.err)
		errs = append(errs, f.err)
	}
	if l.more > 0 {
		errs = append(errs, fmt.Errorf("dir: list: and %d folders more", l.more))
	}
	return errors.Join(errs...)
}

// take yields the object e, or goes into the folder e.
func (l *listing) take(prefix string, e entry) error {
	in := len(l.levels) - 1
	ignored := l.s.ignores(e.name)
	if e.kind == kindFolder && !ignored {
		if l.enter(prefix + string(e.name) + "/") {
			l.levels[in].busy = true
		}
		return nil
	}
	l.levels[in].busy = true // what is ignored may be on its way to another name
	if ignored {
		return nil
	}
	return l.offer(l.carve(prefix, e.name), e, nil)
}

// offer yields the object e under key, if it can be taken. seen is what is known
// of it besides.
func (l *listing) offer(key string, e entry, seen *sighting) error {
	o := source.Object{Key: key, Size: -1}
	link := e.kind == kindLink || e.kind == kindUnknown
	if link || e.kind == kindFile && (l.s.cfg.Stat || l.s.cfg.MinAge > 0 || l.view != nil) {
		known, err := l.look(key, &e)
		switch {
		case errors.Is(err, fs.ErrNotExist) && e.kind != kindLink:
			return nil
		case err == nil && e.kind == kindFile && !l.ready(key, known, seen):
			l.seen.unsure = true // it will be
			return nil
		case err == nil && l.s.cfg.Stat:
			o.Size, o.ModTime = known.size, known.modTime
		}
		// Otherwise it is listed, and the error comes when it is opened.
	}
	switch e.kind {
	case kindFolder: // which only the look told
		l.enter(key + "/")
		return nil
	case kindOther:
		l.seen.unsure = l.seen.unsure || link // what it leads to may change
		return nil
	}
	if !l.yield(o, nil) {
		return errStopped
	}
	return nil
}

// ready reports whether the file under key can be taken.
func (l *listing) ready(key string, known info, seen *sighting) bool {
	if l.view != nil {
		return l.view.unsettled.ready(key, known, seen, l.now)
	}
	return l.s.cfg.MinAge == 0 || l.now.Sub(known.modTime) >= l.s.cfg.MinAge
}

// look asks for what the folder did not say of e, and settles its kind. A link
// is followed; one that leads to no regular file is no object.
func (l *listing) look(key string, e *entry) (info, error) {
	var known info
	var k kind
	var err error
	if l.here != nil && e.kind != kindLink {
		known, k, err = l.here.look(key[strings.LastIndexByte(key, '/')+1:])
	} else {
		known, k, err = l.s.files.look(key, e.kind == kindLink)
	}
	if err != nil {
		return info{}, err
	}
	if e.kind == kindUnknown && k == kindLink {
		e.kind = kindLink
		return l.look(key, e)
	}
	if e.kind == kindLink && k == kindFolder {
		k = kindOther
	}
	e.kind = k
	return known, nil
}

// enter goes into a nested folder, and reports whether it is one that is listed.
func (l *listing) enter(prefix string) bool {
	if l.flat || l.s.cfg.Flat || l.s.skips(prefix) || l.view.leavesOut(prefix) {
		return false
	}
	err := fmt.Errorf("nested deeper than %d folders", l.s.cfg.MaxDepth)
	if strings.Count(prefix, "/") <= l.s.cfg.MaxDepth {
		err = l.descend(prefix)
	}
	if err != nil {
		l.skipFolder(prefix, err)
	}
	return true
}

// skips reports whether the folder whose key, with a slash at the end, is prefix
// is passed over.
func (s *Source) skips(prefix string) bool {
	return s.cfg.SkipFolder != nil && s.cfg.SkipFolder(prefix[:len(prefix)-1])
}

func (l *listing) descend(prefix string) error {
	if err := l.view.enter(prefix); err != nil {
		return err
	}
	l.seen.add(prefix)
	open := func() (entries, error) { return l.s.files.openFolder(prefix) }
	if l.s.cfg.Order == NameOrder {
		l.levels = append(l.levels, level{prefix: prefix, entries: &sorted{open: open, most: maxSorted}})
		return nil
	}
	es, err := open()
	if err != nil {
		return err
	}
	l.levels = append(l.levels, level{prefix: prefix, entries: es})
	return nil
}

// skipFolder notes that a nested folder could not be listed. One that vanished
// has nothing to list.
func (l *listing) skipFolder(prefix string, err error) {
	err = l.fail(prefix, err)
	switch {
	case errors.Is(err, fs.ErrNotExist), l.view.knows(prefix, err):
	case len(l.skip) == maxReported:
		l.more++
	default:
		l.skip = append(l.skip, skipped{prefix, err})
	}
}

// fail names the folder that err is about.
func (l *listing) fail(prefix string, err error) error {
	if prefix != "" {
		return fmt.Errorf("dir: list folder %q: %w", strings.TrimSuffix(prefix, "/"), cause(err))
	}
	err = fmt.Errorf("dir: list %q: %w", l.s.path, cause(err))
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.Fatal(err)
	}
	return err
}

func (l *listing) closeAll() {
	for _, level := range l.levels {
		level.close()
	}
}

// ignores reports whether a file or folder of that name is passed over.
func (s *Source) ignores(name []byte) bool {
	if !s.cfg.IncludeHidden && (name[0] == '.' || len(name) > 4 && string(name[len(name)-4:]) == ".tmp") {
		return true
	}
	for _, pattern := range s.cfg.Ignore {
		// Open has checked the patterns.
		if ok, _ := path.Match(pattern, string(name)); ok {
			return true
		}
	}
	return false
}

// carve returns prefix+name, many of which share one allocation.
func (l *listing) carve(prefix string, name []byte) string {
	n := len(prefix) + len(name)
	if l.carved.Cap()-l.carved.Len() < n {
		l.carved = strings.Builder{}
		l.carved.Grow(max(n, maxCarved))
	}
	from := l.carved.Len()
	l.carved.WriteString(prefix)
	l.carved.Write(name)
	return l.carved.String()[from:]
}
