// Package wholefile creates files that are visible, under their final names,
// whole and durable or not at all, and that never replace another file.
//
// A file is written under a hidden name in the folder it is meant for, synced,
// linked to its final name and the folders on the way to it synced. What a
// crash leaves behind is hidden, and removed by [Folder.Sweep].
package wholefile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

const (
	folderMode = 0o755
	fileMode   = 0o644
	walkBatch  = 256 // names read from a folder at a time
)

// tempName is what unfinished files are called, and nothing else is.
var tempName = regexp.MustCompile(`^\.part-[0-9a-f-]{36}\.tmp$`)

// Folder is a folder that whole files are created in, and in folders below it.
// It need not exist: it is made with the first file. A Folder holds nothing
// open between calls and is safe for concurrent use.
//
// Every access goes through os.Root, opened anew each time: links cannot lead
// out, and a folder that was moved or deleted meanwhile is noticed.
type Folder struct {
	base string                 // absolute
	sync func(f *os.File) error // of a file or a folder; (*os.File).Sync but in tests

	mu     sync.Mutex
	synced bool // base existed with durable ancestors
}

// In returns the folder dir. A relative path is that of the working folder now,
// not later.
func In(dir string) (*Folder, error) {
	base, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{base: base, sync: (*os.File).Sync}, nil
}

// Path returns the absolute path of the folder.
func (f *Folder) Path() string { return f.base }

// Root opens the folder; the caller closes it.
func (f *Folder) Root() (*os.Root, error) { return os.OpenRoot(f.base) }

// Create starts a file. name is a slash-separated path below the folder (see
// [fs.ValidPath]); folders on the way are made.
func (f *Folder) Create(name string) (*File, error) {
	if err := f.makeBase(); err != nil {
		return nil, err
	}
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	file, err := newFile(root, name, f.sync)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return file, nil
}

// makeBase creates the base and, once, makes its ancestors durable: whoever
// created them, a file below them must not be lost with them.
func (f *Folder) makeBase() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.synced {
		if _, err := os.Stat(f.base); err == nil {
			return nil
		}
	}
	if err := os.MkdirAll(f.base, folderMode); err != nil {
		return err
	}
	for dir := filepath.Dir(f.base); ; dir = filepath.Dir(dir) {
		d, err := os.Open(dir)
		if errors.Is(err, fs.ErrPermission) {
			break // not ours, so it was there before
		}
		if err == nil {
			err = syncFolder(d, f.sync)
		}
		if err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	f.synced = true
	return nil
}

// syncFolder makes the entries of a folder durable, and closes it. File systems
// that cannot sync a folder say EINVAL or ENOTSUP: they promise nothing, and
// there is nothing more to do.
func syncFolder(d *os.File, sync func(*os.File) error) error {
	err := sync(d)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Walk calls visit with the name of each visible regular file below the folder,
// reading a few names at a time, in no order, and stops at the first error.
// Hidden files and folders are left out. A folder that does not exist is empty.
// What is visited may be removed meanwhile.
func (f *Folder) Walk(ctx context.Context, visit func(root *os.Root, name string) error) error {
	return f.walk(ctx, func(root *os.Root, name string) error {
		if path.Base(name)[0] == '.' {
			return nil
		}
		return visit(root, name)
	})
}

// Sweep removes what crashed processes left behind: unfinished files that were
// last written to before the given time. It returns how many it removed.
func (f *Folder) Sweep(ctx context.Context, before time.Time) (int, error) {
	n := 0
	err := f.walk(ctx, sweep(before, &n))
	return n, err
}

// SweepIn is [Folder.Sweep] of a single folder, a slash-separated path below f,
// or ".", without those below it.
func (f *Folder) SweepIn(ctx context.Context, dir string, before time.Time) (int, error) {
	root, err := f.Root()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.Close()
	n := 0
	err = walkFolder(ctx, root, dir, false, sweep(before, &n))
	return n, err
}

// sweep is the visit of Sweep, which counts in n.
func sweep(before time.Time, n *int) func(*os.Root, string) error {
	return func(root *os.Root, name string) error {
		if !tempName.MatchString(path.Base(name)) {
			return nil
		}
		info, err := root.Lstat(name)
		if err == nil && info.ModTime().Before(before) {
			if err = root.Remove(name); err == nil {
				*n++
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
}

// walk is Walk with the hidden files.
func (f *Folder) walk(ctx context.Context, visit func(root *os.Root, name string) error) error {
	root, err := f.Root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return walkFolder(ctx, root, ".", true, visit)
}

// walkFolder visits the files of one folder, and where it is deep those of the
// folders below.
func walkFolder(ctx context.Context, root *os.Root, dir string, deep bool, visit func(root *os.Root, name string) error) error {
	d, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, readErr := d.ReadDir(walkBatch)
		for _, entry := range entries {
			var err error
			name := path.Join(dir, entry.Name())
			switch {
			case entry.Type().IsRegular():
				err = visit(root, name)
			case deep && entry.IsDir() && entry.Name()[0] != '.':
				err = walkFolder(ctx, root, name, true, visit)
			}
			if err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}
