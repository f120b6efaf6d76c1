package dir

import (
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
)

// Archivers look at each file several times before and after they remove it. For
// a regular file that no link leads to that takes three calls of the kernel, and
// removing it four, however deep it lies: os.Root needs two for each element of a
// path. Whatever is not plain is left to that.

// statPlain looks at a plain file, as Stat does. ok says that it was one, or that
// nothing has its name.
func (f *files) statPlain(key string) (o source.Object, since time.Time, ok bool, err error) {
	if !f.openat2 {
		return source.Object{}, time.Time{}, false, nil
	}
	fd, err := f.resolve(key, unix.O_PATH|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return source.Object{}, time.Time{}, err == syscall.ENOENT, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || kindOfStat(&st) != kindFile {
		return source.Object{}, time.Time{}, false, err
	}
	o = plainObject(key, &st)
	since = o.ModTime
	if c := time.Unix(st.Ctim.Unix()); c.After(since) {
		since = c
	}
	return o, since, true, nil
}

// removePlain removes a plain file, as Remove does. ok says that it was one, or
// that nothing has its name.
func (f *files) removePlain(o source.Object) (ok bool, err error) {
	if !f.openat2 {
		return false, nil
	}
	folder, name := path.Split(o.Key)
	parent, err := f.resolve(path.Clean(folder), unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err == syscall.ENOENT, err
	}
	defer unix.Close(parent)
	var st unix.Stat_t
	switch err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err != nil:
		return err == syscall.ENOENT, err
	case kindOfStat(&st) != kindFile:
		return false, nil
	case !o.SameAs(plainObject(o.Key, &st)):
		return true, source.ErrChanged
	}
	return true, unix.Unlinkat(parent, name, 0)
}

func plainObject(key string, st *unix.Stat_t) source.Object {
	return source.Object{Key: key, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix())}
}
