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
	_ source.Remover = (*Source)(nil)
	_ source.Mover   = (*Source)(nil)
)

// Stat implements [source.Remover]. The time since when a file is there is that
// of the last change of its content, or, where the system keeps that, of
// anything about it: its name, mode and owner. A file that is renamed into place
// may be old, and yet has come just now.
func (s *Source) Stat(ctx context.Context, key string) (source.Object, time.Time, error) {
	o, since, err := s.statObject(ctx, key)
	if err != nil {
		return source.Object{}, time.Time{}, fmt.Errorf("dir: look at %q: %w", key, cause(err))
	}
	return o, since, nil
}

func (s *Source) statObject(ctx context.Context, key string) (source.Object, time.Time, error) {
	if err := s.ready(ctx, key); err != nil {
		return source.Object{}, time.Time{}, err
	}
	if o, since, ok, err := s.files.statPlain(key); ok {
		return o, since, err
	}
	f, st, err := s.openObject(ctx, key)
	if err != nil {
		return source.Object{}, time.Time{}, err
	}
	defer f.Close()
	since := changed(st)
	if link, err := s.root.Lstat(key); err != nil {
		return source.Object{}, time.Time{}, err
	} else if t := changed(link); t.After(since) {
		since = t // of a link, which may be newer than what it leads to
	}
	return objectOf(key, st), since, nil
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
	errs := make([]error, len(objects))
	touched := folders{}
	for i, o := range objects {
		if errs[i] = s.remove(ctx, o); errs[i] == nil {
			touched.add(o.Key)
		}
	}
	s.sealRemoved(objects, errs, touched)
	return named("remove", objects, errs)
}

func (s *Source) remove(ctx context.Context, o source.Object) error {
	if err := s.ready(ctx, o.Key); err != nil {
		return err
	}
	if ok, err := s.files.removePlain(o); ok {
		return err
	}
	f, st, err := s.openObject(ctx, o.Key)
	if err != nil {
		return err
	}
	defer f.Close()
	if !o.SameAs(objectOf(o.Key, st)) {
		return source.ErrChanged
	}
	return s.root.Remove(o.Key)
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
