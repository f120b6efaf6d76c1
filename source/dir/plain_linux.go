package dir

import (
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
)

// Archivers look at each file several times before and after they remove it. For
// a regular file that no link leads to that takes one call of the kernel once its
// folder is open, however deep it lies, and removing it two: os.Root needs two for
// each element of a path. Whatever is not plain is left to that.

// plainFolder is the folder of the last file: files come folder by folder. The
// zero value is none. It must be closed.
type plainFolder struct {
	path string // empty for none
	fd   int
}

func (p *plainFolder) close() {
	if p.path != "" {
		unix.Close(p.fd)
		p.path = ""
	}
}

// open returns the folder of a key, which not even a link leads to, and the name in
// it.
func (p *plainFolder) open(f *files, key string) (fd int, name string, err error) {
	folder, name := path.Split(key)
	if folder = path.Clean(folder); folder == p.path {
		return p.fd, name, nil
	}
	fd, err = f.resolve(folder, unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return -1, name, err
	}
	p.close()
	p.path, p.fd = folder, fd
	return fd, name, nil
}

// statPlain looks at a plain file, as Stat does. ok says that it was one, or that
// nothing has its name.
func (f *files) statPlain(in *plainFolder, key string) (seen source.Seen, ok bool) {
	if !f.openat2 {
		return seen, false
	}
	var st unix.Stat_t
	folder, name, err := in.open(f, key)
	if err == nil {
		err = unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	switch {
	case err != nil:
		return source.Seen{Err: err}, err == syscall.ENOENT
	case kindOfStat(&st) != kindFile:
		return seen, false
	}
	return plainSeen(key, &st), true
}

// removePlain removes a plain file that is still the one seen, as Remove does. It
// must be there since the same time as well, if that is known. ok says that it was
// one, or that nothing has its name.
func (f *files) removePlain(in *plainFolder, seen source.Seen) (ok bool, err error) {
	if !f.openat2 {
		return false, nil
	}
	folder, name, err := in.open(f, seen.Key)
	if err != nil {
		return err == syscall.ENOENT, err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err == syscall.ENOENT, err
	}
	switch now := plainSeen(seen.Key, &st); {
	case kindOfStat(&st) != kindFile:
		return false, nil
	case !isStill(now, seen):
		return true, source.ErrChanged
	}
	return true, unix.Unlinkat(folder, name, 0)
}

func plainSeen(key string, st *unix.Stat_t) source.Seen {
	o := source.Object{Key: key, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix())}
	since := o.ModTime
	if c := time.Unix(st.Ctim.Unix()); c.After(since) {
		since = c
	}
	return source.Seen{Object: o, Since: since}
}
