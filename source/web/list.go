package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/unspool-go/unspool/internal/leftout"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

const (
	// maxReported bounds how many folders and names that could not be listed
	// are named.
	maxReported = 8
	// maxCarved is how many bytes of keys share one string. A key that is kept
	// keeps that string.
	maxCarved = 4 << 10
)

// Objects implements [source.Source]. It reads page after page, a folder's files
// in the order of its page and then the folders in it, and holds no more than
// the names of folders that were not read yet.
//
// A page that fails for an outage is asked for again, and goes on after the name
// that came last. A nested folder that vanished is left out; one that cannot be
// listed otherwise, and a name that cannot be one, is passed over, and the error
// comes after everything else was listed. An outage, and whatever is wrong with
// the root or the credentials, ends the listing.
func (s *Source) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return s.list(ctx, nil)
}

// list is Objects without the folders that left holds.
func (s *Source) list(ctx context.Context, left *leftout.Set) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		l := listing{s: s, ctx: ctx, yield: yield, left: left}
		defer s.closeIdle(s.lists)
		if err := l.run(); err != nil && err != errStopped {
			yield(source.Object{}, err)
		}
	}
}

// listing is one walk through the directory.
type listing struct {
	s     *Source
	ctx   context.Context
	yield func(source.Object, error) bool
	left  *leftout.Set // folders that need not be listed; nil where all are

	folders []string // to be read, the next one last: keys with a slash at the end
	pages   int
	entries int64
	skip    []error // what could not be listed
	more    int     // how many are not in skip

	carved strings.Builder
}

var (
	errStopped = errors.New("stopped by the caller")
	errTooMany = errors.New("too many")
)

// run lists everything, or as much as the caller wants: then it returns
// errStopped.
func (l *listing) run() error {
	if l.s.closed.Load() {
		return fmt.Errorf("web: list %s: %w", l.s.URL(), fs.ErrClosed)
	}
	l.folders = []string{""}
	for len(l.folders) > 0 {
		last := len(l.folders) - 1
		folder := l.folders[last]
		l.folders = l.folders[:last]
		switch err := l.folder(folder); {
		case err == nil:
		case err == errStopped:
			return err
		case folder == "" || l.ends(err):
			return l.fail(folder, err)
		default:
			l.pass(folder, err)
		}
	}
	if l.more > 0 {
		l.skip = append(l.skip, fmt.Errorf("web: list: and %d more", l.more))
	}
	return errors.Join(l.skip...)
}

// ends reports whether the error of one folder ends the whole listing.
func (l *listing) ends(err error) bool {
	return l.ctx.Err() != nil || errors.Is(err, errTooMany) || fault.Is(err, fault.ClassInterrupted) || fault.Is(err, fault.ClassFatal)
}

// pass notes that something was passed over. What vanished has nothing to list.
func (l *listing) pass(path string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case len(l.skip) == maxReported:
		l.more++
	default:
		l.skip = append(l.skip, l.fail(path, err))
	}
}

// fail names the folder that err is about. A root that is no listing never will
// be one.
func (l *listing) fail(folder string, err error) error {
	if folder != "" {
		return fmt.Errorf("web: list folder %q: %w", strings.TrimSuffix(folder, "/"), err)
	}
	err = fmt.Errorf("web: list %s: %w", l.s.URL(), err)
	if errors.Is(err, errUnknown) {
		return fault.Fatal(err)
	}
	return err
}

// folder lists one folder and notes those in it.
func (l *listing) folder(prefix string) error {
	if l.pages++; l.pages > l.s.cfg.MaxPages {
		return fmt.Errorf("%w folders: there are more than MaxPages, %d", errTooMany, l.s.cfg.MaxPages)
	}
	p := page{listing: l, prefix: prefix, depth: strings.Count(prefix, "/")}
	first := len(l.folders)
	again := backoff{most: l.s.cfg.Retries}
	err := again.retry(l.ctx, p.read(), p.read)
	if err == nil && !p.busy {
		l.left.Empty(prefix)
	}
	slices.Reverse(l.folders[first:])
	return err
}

// page is one folder that is being listed.
type page struct {
	*listing
	prefix string
	depth  int

	last    []byte // the name that came last
	skipTo  bool   // names up to last came before
	started bool
	busy    bool // there is something in it but folders that are not listed
}

// read reads the page, from after the name that came last if that is still
// there.
func (p *page) read() error {
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	p.skipTo = p.started && len(p.last) > 0
	p.started = true
	doc, err := p.s.openPage(p.ctx, p.prefix)
	if err != nil {
		return err
	}
	defer doc.close()
	for {
		e, err := doc.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = p.entry(doc, e)
		}
		if err != nil {
			return err
		}
	}
	if p.skipTo { // what came last is gone: all of it once more
		p.last = p.last[:0]
		return fault.Interrupted(errors.New("the page changed while it was read"))
	}
	return nil
}

// entry takes what one name of the page stands for.
func (p *page) entry(doc *document, e entry) error {
	if p.skipTo {
		p.skipTo = string(e.name) != string(p.last)
		return nil
	}
	if p.entries++; p.entries > p.s.cfg.MaxEntries {
		return fmt.Errorf("%w names: there are more than MaxEntries, %d", errTooMany, p.s.cfg.MaxEntries)
	}
	p.last = append(p.last[:0], e.name...)
	if e.kind == kindFolder && plainName(e.name) && !p.s.ignored(e.name) {
		return p.enter(e.name)
	}
	p.busy = true // what is ignored may be on its way to another name
	switch {
	case e.kind == kindOther:
		return nil
	case e.kind == kindBad || !plainName(e.name):
		p.pass(p.prefix+shorten(e.name), errBadName)
		return nil
	case p.s.ignored(e.name):
		return nil
	}
	o := source.Object{Key: p.carve(p.prefix, e.name), Size: e.size, ModTime: e.modTime}
	if ripe, err := p.ripe(&o, doc.date); err != nil || !ripe {
		return err
	}
	if !p.yield(o, nil) {
		return errStopped
	}
	return nil
}

// enter notes a nested folder, to be listed after this page.
func (p *page) enter(name []byte) error {
	folder := p.prefix + string(name) + "/"
	if p.s.cfg.Flat || p.s.skips(folder) || p.left.Holds(folder) {
		return nil
	}
	p.busy = true
	switch {
	case p.depth >= p.s.cfg.MaxDepth:
		p.pass(folder, fmt.Errorf("nested deeper than %d folders", p.s.cfg.MaxDepth))
		return nil
	case p.pages+len(p.folders) >= p.s.cfg.MaxPages:
		return fmt.Errorf("%w folders: there are more than MaxPages, %d", errTooMany, p.s.cfg.MaxPages)
	}
	p.folders = append(p.folders, folder)
	return nil
}

// skips reports whether the folder whose key, with a slash at the end, is prefix
// is passed over.
func (s *Source) skips(prefix string) bool {
	return s.cfg.SkipFolder != nil && s.cfg.SkipFolder(prefix[:len(prefix)-1])
}

// ripe reports whether an object is old enough at the time now of the server.
// Where the listing does not tell, the object is asked for.
func (p *page) ripe(o *source.Object, now time.Time) (bool, error) {
	if p.s.cfg.MinAge == 0 {
		return true, nil
	}
	if o.ModTime.IsZero() {
		found, err := p.s.look(p.ctx, o.Key)
		switch {
		case err == nil:
			*o = source.Object{Key: o.Key, Size: found.Size, ModTime: found.ModTime, Version: found.Version}
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		case p.ends(err):
			return false, err
		default:
			return true, nil // the error comes when it is opened
		}
	}
	return now.Sub(o.ModTime) >= p.s.cfg.MinAge, nil
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

// shorten cuts a name that is to stand in an error.
func shorten(name []byte) string {
	const most = 100
	if len(name) > most {
		return string(name[:most]) + "…"
	}
	return string(name)
}
