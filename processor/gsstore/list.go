package gsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/viant/afs/file"
	"github.com/viant/afs/object"
	"github.com/viant/afs/option"
	afsstorage "github.com/viant/afs/storage"
	"google.golang.org/api/iterator"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
)

// All lists every object below a folder, at any depth, in the order of their
// names and page by page as the loop goes on; an error is the last element. What
// is listed may be deleted meanwhile. A folder without objects is empty, whether
// or not somebody made a name for it: names that end in a slash are left out.
func (m *Manager) All(ctx context.Context, at string) iter.Seq2[afsstorage.Object, error] {
	return func(yield func(afsstorage.Object, error) bool) {
		l, err := locate(at)
		if err != nil {
			yield(nil, fault.Fatal(fmt.Errorf("gsstore: list: %w", err)))
			return
		}
		for a, err := range m.entries(ctx, l, "") {
			if err != nil {
				yield(nil, err)
				return
			}
			if !strings.HasSuffix(a.Name, "/") && !yield(l.at(a.Name).info(a.Size, a.Created), nil) {
				return
			}
		}
	}
}

// entries lists below l. With a delimiter what is in nested folders is one entry
// each, without a Name and with the Prefix.
func (m *Manager) entries(ctx context.Context, l location, delimiter string) iter.Seq2[*storage.ObjectAttrs, error] {
	return func(yield func(*storage.ObjectAttrs, error) bool) {
		query := &storage.Query{Prefix: l.folder(), Delimiter: delimiter, Projection: storage.ProjectionNoACL}
		if err := query.SetAttrSelection([]string{"Name", "Size", "Created"}); err != nil {
			yield(nil, fault.Fatal(fmt.Errorf("gsstore: list %s: %w", l, err)))
			return
		}
		asking, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(m.cfg.Timeout, func() { cancel(gcpclient.ErrStalled) })
		defer timer.Stop()
		all := m.bucket(l).Objects(asking, query)
		for {
			if all.PageInfo().Remaining() == 0 {
				timer.Reset(m.cfg.Timeout) // a page is asked for
			}
			a, err := all.Next()
			if err == iterator.Done {
				return
			}
			if err != nil {
				yield(nil, listError(ctx, l, gcpclient.Why(asking, err)))
				return
			}
			timer.Stop()
			if !yield(a, nil) {
				return
			}
		}
	}
}

// info is an object as afs has it.
func (l location) info(size int64, modified time.Time) afsstorage.Object {
	info := file.NewInfo(path.Base(l.key), size, file.DefaultFileOsMode, modified, false)
	return object.New(l.String(), info, nil)
}

// directory is a folder as afs has it.
func (l location) directory() afsstorage.Object {
	name := path.Base(l.key)
	if l.key == "" {
		name = ""
	}
	info := file.NewInfo(name, 0, file.DefaultDirOsMode|os.ModeDir, time.Time{}, true)
	return object.New(strings.TrimSuffix(l.String(), "/"), info, nil)
}

// List lists one folder as afs does: the folder itself, then what is in it. Of a
// URL that names an object it lists that, and where there is neither the error
// wraps [fs.ErrNotExist]. Page and matcher options are obeyed, and no more pages
// are asked for than they need. For what may be long there is [Manager.All].
func (m *Manager) List(ctx context.Context, at string, options ...afsstorage.Option) ([]afsstorage.Object, error) {
	l, err := locate(at)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("gsstore: list: %w", err))
	}
	c := collector{parent: strings.TrimSuffix(l.folder(), "/"), match: option.GetMatchFunc(nil), page: new(option.Page)}
	var matcher option.Matcher
	option.Assign(options, &c.match, &c.page, &matcher)
	if matcher != nil {
		c.match = matcher.Match
	}
	there := l.key == "" // a bucket may be empty
	if there && !c.take(l.directory()) {
		return c.found, nil
	}
	for a, err := range m.entries(ctx, l, "/") {
		if err != nil {
			return nil, err
		}
		if !there {
			there = true
			if !c.take(l.directory()) {
				break
			}
		}
		switch {
		case a.Prefix != "":
			if !c.take(l.at(a.Prefix).directory()) {
				return c.found, nil
			}
		case !strings.HasSuffix(a.Name, "/"):
			if !c.take(l.at(a.Name).info(a.Size, a.Created)) {
				return c.found, nil
			}
		}
	}
	if there {
		return c.found, nil
	}
	o, err := m.head(ctx, l)
	if err != nil {
		return nil, err
	}
	c.take(o)
	return c.found, nil
}

// collector gathers what the options of a listing let through.
type collector struct {
	parent string // path of the folder
	match  option.Match
	page   *option.Page
	found  []afsstorage.Object
}

// take adds an entry, and reports whether more are wanted.
func (c *collector) take(o afsstorage.Object) bool {
	switch {
	case !c.match(c.parent, o):
		return true
	case c.page.ShallSkip():
	case c.page.HasReachedLimit():
		return false
	default:
		c.found = append(c.found, o)
	}
	c.page.Increment()
	return !c.page.HasReachedLimit()
}

// Object tells what is at a URL: an object, or a folder that holds some. Where
// there is neither the error wraps [fs.ErrNotExist].
func (m *Manager) Object(ctx context.Context, at string, _ ...afsstorage.Option) (afsstorage.Object, error) {
	l, err := locate(at)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("gsstore: look at: %w", err))
	}
	o, err := m.head(ctx, l)
	if !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	for _, listErr := range m.entries(ctx, l, "") {
		if listErr != nil {
			return nil, listErr
		}
		return l.directory(), nil
	}
	if l.key == "" { // it was listed
		return l.directory(), nil
	}
	return nil, err
}

// head asks for one object.
func (m *Manager) head(ctx context.Context, l location) (afsstorage.Object, error) {
	if l.key == "" || strings.HasSuffix(l.key, "/") {
		return nil, fmt.Errorf("gsstore: look at %s: %w", l, fs.ErrNotExist)
	}
	a, err := m.attrs(ctx, l)
	if err != nil {
		return nil, lookError(ctx, "look at", l, err)
	}
	return l.info(a.Size, a.Created), nil
}

// attrs asks for what is known of one object.
func (m *Manager) attrs(ctx context.Context, l location) (*storage.ObjectAttrs, error) {
	limited, cancel := context.WithTimeoutCause(ctx, m.cfg.Timeout, gcpclient.ErrStalled)
	defer cancel()
	a, err := m.object(l).Attrs(limited)
	return a, gcpclient.Why(limited, err)
}

// Exists reports whether there is an object at a URL, or a folder that holds
// some.
func (m *Manager) Exists(ctx context.Context, at string, options ...afsstorage.Option) (bool, error) {
	_, err := m.Object(ctx, at, options...)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
