package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
)

// Move implements [source.Mover] for a folder of the same file system, a path or
// a file:// URL, by renaming: a file is in one place or the other whatever
// happens. Should another file have come in its place just then, that one is
// renamed back.
func (s *Source) Move(ctx context.Context, objects []source.Object, to string) []error {
	errs := make([]error, len(objects))
	m, err := s.newMove(to)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return named("move", objects, errs)
	}
	defer m.close()
	for i, o := range objects {
		errs[i] = m.move(ctx, o)
	}
	// There first: a file that is in both places after a loss of power is moved
	// again, one that is in neither is lost.
	arrived := m.arrived.sync(m.to)
	for i, o := range objects {
		if errs[i] == nil {
			errs[i] = arrived[path.Dir(o.Key)]
		}
	}
	s.sealRemoved(objects, errs, m.left)
	return named("move", objects, errs)
}

// move is one call of Move.
type move struct {
	s             *Source
	to            *os.Root
	left, arrived folders // that files left, and came to
	from, into    parent  // of the last file
}

// parent is an open folder: files come folder by folder.
type parent struct {
	name string
	dir  *os.File
}

// open returns the folder of that name below root.
func (p *parent) open(root *os.Root, name string) (int, error) {
	if p.dir == nil || p.name != name {
		d, err := root.Open(name)
		if err != nil {
			return -1, err
		}
		p.close()
		p.name, p.dir = name, d
	}
	return int(p.dir.Fd()), nil
}

func (p *parent) close() {
	if p.dir != nil {
		p.dir.Close()
		p.dir = nil
	}
}

func (s *Source) newMove(to string) (*move, error) {
	if rest, ok := strings.CutPrefix(to, "file://"); ok {
		host, after, _ := strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return nil, errors.ErrUnsupported
		}
		to = "/" + after
	} else if strings.Contains(to, "://") {
		return nil, errors.ErrUnsupported
	}
	to, err := filepath.Abs(to)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, err
	}
	if above, err := os.OpenRoot(filepath.Dir(to)); err == nil { // else it is not ours, and was there before
		err = errors.Join(syncFolder(above, "."), above.Close())
		if err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	return &move{s: s, to: root, left: folders{}, arrived: folders{}}, nil
}

func (m *move) close() {
	m.from.close()
	m.into.close()
	m.to.Close()
}

func (m *move) move(ctx context.Context, o source.Object) error {
	f, st, err := m.s.openObject(ctx, o.Key)
	if err != nil {
		return err
	}
	defer f.Close()
	if !o.SameAs(objectOf(o.Key, st)) {
		return source.ErrChanged
	}
	dir, name := path.Split(o.Key)
	dir = path.Clean(dir)
	from, err := m.from.open(m.s.root, dir)
	if err != nil {
		return err
	}
	var is unix.Stat_t
	if err := unix.Fstatat(from, name, &is, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	} else if kindOfStat(&is) != kindFile {
		return errors.ErrUnsupported // a link would lead elsewhere from there
	}
	into, err := m.into.open(m.to, dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = m.to.MkdirAll(dir, 0o755); err == nil {
			into, err = m.into.open(m.to, dir)
		}
	}
	if err != nil {
		return err
	}
	if err := rename(from, into, name); err != nil {
		return err
	}
	m.left.add(o.Key)
	for d := dir; ; d = path.Dir(d) { // folders on the way may be new
		m.arrived[d] = true
		if d == "." {
			break
		}
	}
	var came unix.Stat_t
	err = unix.Fstatat(into, name, &came, unix.AT_SYMLINK_NOFOLLOW)
	if was, ok := st.Sys().(*syscall.Stat_t); err == nil && ok && came.Dev == was.Dev && came.Ino == was.Ino {
		return nil // f is open: no other file has its number
	}
	if back := rename(into, from, name); back != nil {
		return fmt.Errorf("%w: it lies in %s now: %w", source.ErrChanged, m.to.Name(), errors.Join(err, back))
	}
	return source.ErrChanged
}

// rename moves a name from one folder to another, in place of nothing.
func rename(from, into int, name string) error {
	switch err := unix.Renameat2(from, name, into, name, unix.RENAME_NOREPLACE); err {
	case unix.EXDEV, unix.ENOSYS, unix.EINVAL:
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	default:
		return err
	}
}
