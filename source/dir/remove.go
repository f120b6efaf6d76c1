package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/unspool-go/unspool/source"
)

var (
	_ source.BlockRemover = (*Source)(nil)
	_ source.Mover        = (*Source)(nil)
)

// Stat implements [source.Remover]. The time since when a file is there is that
// of the last change of its content, or, where the system keeps that, of
// anything about it: its name, mode and owner. A file that is renamed into place
// may be old, and yet has come just now.
func (s *Source) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	var in plainFolder
	defer in.close()
	seen := s.look(ctx, &in, key)
	return seen.Object, seen.Since, seen.Err
}

// StatBlock implements [source.BlockRemover].
func (s *Source) StatBlock(ctx context.Context, keys []string) []source.Seen {
	var in plainFolder
	defer in.close()
	all := make([]source.Seen, len(keys))
	for i, key := range keys {
		all[i] = s.look(ctx, &in, key)
	}
	return all
}

// look looks at the file of a key, for which in is of use where it is that of its
// folder.
func (s *Source) look(ctx context.Context, in *plainFolder, key string) source.Seen {
	seen := s.lookAt(ctx, in, key)
	if seen.Err != nil {
		return source.Seen{Err: fmt.Errorf("dir: look at %q: %w", key, cause(seen.Err))}
	}
	return seen
}

func (s *Source) lookAt(ctx context.Context, in *plainFolder, key string) source.Seen {
	if err := s.ready(ctx, key); err != nil {
		return source.Seen{Err: err}
	}
	if seen, ok := s.files.statPlain(in, key); ok {
		return seen
	}
	f, st, err := s.openObject(ctx, key)
	if err != nil {
		return source.Seen{Err: err}
	}
	defer f.Close()
	since := changed(st)
	link, err := s.root.Lstat(key)
	if err != nil {
		return source.Seen{Err: err}
	}
	if t := changed(link); t.After(since) {
		since = t // of a link, which may be newer than what it leads to
	}
	return source.Seen{Object: objectOf(key, st), Since: since}
}

// isStill reports whether now is what was seen.
func isStill(now, seen source.Seen) bool {
	return seen.SameAs(now.Object) && (seen.Since.IsZero() || seen.Since.Equal(now.Since))
}

// openObject opens the file of a key to look at it. The caller closes it.
func (s *Source) openObject(ctx context.Context, key string) (*os.File, fs.FileInfo, error) {
	if err := s.ready(ctx, key); err != nil {
		return nil, nil, err
	}
	f, err := s.files.openFile(key)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, st, nil
}

func objectOf(key string, st fs.FileInfo) source.Object {
	return source.Object{Key: key, Size: st.Size(), ModTime: st.ModTime()}
}

// Remove implements [source.Remover]. A file is looked at and then removed by its
// name. Should another be renamed into its
// place in the microseconds between, that one is removed: files must not change
// names that are taken.
func (s *Source) Remove(ctx context.Context, objects []source.Object) []error {
	seen := make([]source.Seen, len(objects))
	for i, o := range objects {
		seen[i].Object = o
	}
	return s.RemoveBlock(ctx, seen)
}

// RemoveBlock implements [source.BlockRemover], as Remove does.
func (s *Source) RemoveBlock(ctx context.Context, seen []source.Seen) []error {
	var in plainFolder
	defer in.close()
	objects := make([]source.Object, len(seen))
	errs := make([]error, len(seen))
	touched := folders{}
	for i := range seen {
		objects[i] = seen[i].Object
		if errs[i] = s.remove(ctx, &in, seen[i]); errs[i] == nil {
			touched.add(objects[i].Key)
		}
	}
	s.sealRemoved(objects, errs, touched)
	return named("remove", objects, errs)
}

func (s *Source) remove(ctx context.Context, in *plainFolder, seen source.Seen) error {
	if err := s.ready(ctx, seen.Key); err != nil {
		return err
	}
	if ok, err := s.files.removePlain(in, seen); ok {
		return err
	}
	switch now := s.lookAt(ctx, in, seen.Key); {
	case now.Err != nil:
		return now.Err
	case !isStill(now, seen):
		return source.ErrChanged
	}
	return s.root.Remove(seen.Key)
}

// sealRemoved makes durable that files are no longer in their folders.
func (s *Source) sealRemoved(objects []source.Object, errs []error, touched folders) {
	failed := touched.sync(s.root)
	for i, o := range objects {
		if errs[i] == nil {
			errs[i] = failed[path.Dir(o.Key)]
		}
	}
}

// named gives errors the names of their objects.
func named(op string, objects []source.Object, errs []error) []error {
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("dir: %s %q: %w", op, objects[i].Key, cause(err))
		}
	}
	return errs
}

// folders are folders below a root whose entries changed.
type folders map[string]bool

// add notes the folder of a key.
func (f folders) add(key string) { f[path.Dir(key)] = true }

// sync makes the entries of the folders durable, and returns the errors by
// folder.
func (f folders) sync(root *os.Root) map[string]error {
	failed := map[string]error{}
	for name := range f {
		if err := syncFolder(root, name); err != nil {
			failed[name] = err
		}
	}
	return failed
}

// syncFolder makes the entries of a folder durable. File systems that cannot
// sync a folder say EINVAL or ENOTSUP: they promise nothing. A folder that is
// gone has no entries.
func syncFolder(root *os.Root, name string) error {
	d, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
