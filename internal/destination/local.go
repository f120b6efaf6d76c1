package destination

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

const (
	folderMode = 0o755
	fileMode   = 0o644

	partBuffer = 32 << 10 // bytes held back per part, to write in larger pieces
	listBatch  = 256      // names read from a folder at a time
)

// tempName is what unfinished parts are called, and nothing else is.
var tempName = regexp.MustCompile(`^\.part-[0-9a-f-]{36}\.tmp$`)

// local is a folder. Every access below it goes through os.Root, opened anew
// each time: links cannot lead out, and a base that was moved or deleted
// meanwhile is noticed.
type local struct {
	base string // absolute

	mu     sync.Mutex
	synced bool // base exists and its ancestors are durable
}

var _ backend = (*local)(nil)

func newLocal(dir string) (*local, error) {
	base, err := filepath.Abs(dir) // later changes of the working folder must not move it
	if err != nil {
		return nil, err
	}
	return &local{base: base}, nil
}

func (l *local) create(ctx context.Context, name string) (file, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.makeBase(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(l.base)
	if err != nil {
		return nil, err
	}
	f, err := newLocalFile(root, name)
	if err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

// makeBase creates the base, once, and makes its ancestors durable: whoever
// created them, a part in them must not be lost with them.
func (l *local) makeBase() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.synced {
		if _, err := os.Stat(l.base); err == nil {
			return nil
		}
	}
	if err := os.MkdirAll(l.base, folderMode); err != nil {
		return err
	}
	for dir := filepath.Dir(l.base); ; dir = filepath.Dir(dir) {
		f, err := os.Open(dir)
		if errors.Is(err, fs.ErrPermission) {
			break // not ours, so it was there before
		}
		if err == nil {
			err = syncFolder(f)
		}
		if err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	l.synced = true
	return nil
}

// syncFolder makes the entries of a folder durable, and closes it. File systems
// that cannot sync a folder say EINVAL or ENOTSUP: they promise nothing, and
// there is nothing more to do.
func syncFolder(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// localFile is a part on its way: a hidden file in the folder of the part.
type localFile struct {
	root       *os.Root
	name, temp string
	file       *os.File
	buf        *bufio.Writer
}

// newLocalFile takes over root if it succeeds.
func newLocalFile(root *os.Root, name string) (*localFile, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	temp := path.Join(dir, ".part-"+id.String()+".tmp")
	if err := root.MkdirAll(dir, folderMode); err != nil {
		return nil, err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	return &localFile{root: root, name: name, temp: temp, file: f, buf: bufio.NewWriterSize(f, partBuffer)}, nil
}

func (f *localFile) Write(b []byte) (int, error) { return f.buf.Write(b) }

func (f *localFile) abort() {
	// What cannot be removed stays hidden, for Sweep.
	f.file.Close()
	f.root.Remove(f.temp)
	f.root.Close()
}

func (f *localFile) commit(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		err = f.buf.Flush()
	}
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		f.abort()
		return err
	}
	if err := f.file.Close(); err != nil {
		f.abort()
		return err
	}
	if err := f.publish(); err != nil {
		f.abort()
		return err
	}
	if err := f.syncFolders(); err != nil {
		// Not durable, so not committed: take it back as far as we can.
		f.root.Remove(f.name)
		f.root.Close()
		return err
	}
	return f.root.Close()
}

// publish gives the file its final name, without ever replacing another.
func (f *localFile) publish() error {
	err := f.root.Link(f.temp, f.name)
	if err == nil {
		return f.root.Remove(f.temp)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A file system without hard links: the name is unique, so that looking
	// first is enough.
	if _, statErr := f.root.Lstat(f.name); statErr == nil {
		return fmt.Errorf("link %s: %w", f.name, fs.ErrExist)
	}
	return f.root.Rename(f.temp, f.name)
}

// syncFolders makes the name durable, and every folder on the way to it: they
// may have been created by another worker who has not synced them yet.
func (f *localFile) syncFolders() error {
	for dir := path.Dir(f.name); ; dir = path.Dir(dir) {
		d, err := f.root.Open(dir)
		if err != nil {
			return err
		}
		if err := syncFolder(d); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

func (l *local) list(ctx context.Context, yield func(Info, error) bool) {
	root, err := os.OpenRoot(l.base)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		yield(Info{}, err)
		return
	}
	defer root.Close()
	err = walk(ctx, root, ".", func(name string, entry fs.DirEntry) error {
		if path.Base(name)[0] == '.' {
			return nil
		}
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if !yield(Info{Name: name, Size: info.Size(), ModTime: info.ModTime()}, nil) {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		yield(Info{}, err)
	}
}

// errStop ends a walk early.
var errStop = errors.New("stop")

// walk visits the regular files below dir, reading a few names at a time, and
// stops at the first error. Hidden folders are skipped.
func walk(ctx context.Context, root *os.Root, dir string, visit func(name string, entry fs.DirEntry) error) error {
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
		entries, err := d.ReadDir(listBatch)
		for _, entry := range entries {
			name := path.Join(dir, entry.Name())
			switch {
			case entry.Type().IsRegular():
				err := visit(name, entry)
				if err != nil {
					return err
				}
			case entry.IsDir() && entry.Name()[0] != '.':
				if err := walk(ctx, root, name, visit); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *local) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenInRoot(l.base, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (l *local) remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := os.OpenRoot(l.base)
	if err == nil {
		err = errors.Join(root.Remove(name), root.Close())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (l *local) sweep(ctx context.Context, before time.Time) (int, error) {
	root, err := os.OpenRoot(l.base)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.Close()
	n := 0
	err = walk(ctx, root, ".", func(name string, entry fs.DirEntry) error {
		if !tempName.MatchString(path.Base(name)) {
			return nil
		}
		info, err := root.Lstat(name)
		if err == nil && info.ModTime().Before(before) {
			if err = root.Remove(name); err == nil {
				n++
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, err
}
