package dir

import (
	"bytes"
	"encoding/binary"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// folder reads names with getdents64, which tells their kinds as well.
type folder struct {
	file   file
	buffer []byte
	unread []byte // of buffer
}

const folderBuffer = 32 << 10

// openFolder opens the folder whose key, with a slash at the end, is prefix.
func (f *files) openFolder(prefix string) (entries, error) {
	h, err := f.folder(prefix, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &folder{file: h}, nil
}

// folder opens that folder itself. Not even its parents are symbolic links.
func (f *files) folder(prefix string, flags uint64) (file, error) {
	name := "."
	if prefix != "" {
		name = prefix[:len(prefix)-1]
	}
	flags |= unix.O_DIRECTORY | unix.O_NOFOLLOW
	if f.openat2 {
		fd, err := f.resolve(name, flags, unix.RESOLVE_NO_SYMLINKS)
		return file{fd: fd}, err
	}
	for i := range len(prefix) {
		if prefix[i] != '/' {
			continue
		}
		st, err := f.root.Lstat(prefix[:i])
		switch {
		case err != nil:
			return file{}, cause(err)
		case !st.IsDir():
			return file{}, unix.ENOTDIR
		}
	}
	r, err := f.root.OpenFile(name, int(flags), 0)
	if err != nil {
		return file{}, cause(err)
	}
	return file{fd: int(r.Fd()), root: r}, nil
}

func (f *folder) look(name string) (info, kind, error) { return f.file.look(name) }

// look says what a name in an open folder is. It does not follow links.
func (f file) look(name string) (info, kind, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return info{}, kindOther, err
	}
	return infoOf(&st), kindOfStat(&st), nil
}

const (
	direntLength = unsafe.Offsetof(unix.Dirent{}.Reclen)
	direntType   = unsafe.Offsetof(unix.Dirent{}.Type)
	direntName   = unsafe.Offsetof(unix.Dirent{}.Name)
)

func (f *folder) next() (entry, error) {
	for {
		for len(f.unread) > 0 {
			d := f.unread
			n := int(binary.NativeEndian.Uint16(d[direntLength:]))
			f.unread = d[n:]
			name := d[direntName:n]
			name = name[:bytes.IndexByte(name, 0)]
			if string(name) != "." && string(name) != ".." {
				return entry{name: name, kind: kindOf(d[direntType])}, nil
			}
		}
		if f.buffer == nil {
			f.buffer = make([]byte, folderBuffer)
		}
		n, err := unix.Getdents(f.file.fd, f.buffer)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return entry{}, err
		case n <= 0:
			return entry{}, io.EOF
		default:
			f.unread = f.buffer[:n]
		}
	}
}

func (f *folder) close() { f.file.close() }

func kindOf(t byte) kind {
	switch t {
	case unix.DT_REG:
		return kindFile
	case unix.DT_DIR:
		return kindFolder
	case unix.DT_LNK:
		return kindLink
	case unix.DT_UNKNOWN:
		return kindUnknown
	}
	return kindOther
}

// look says what the path is, and what it leads to if links are followed.
func (f *files) look(path string, follow bool) (info, kind, error) {
	if !f.openat2 {
		return lookRoot(f.root, path, follow)
	}
	flags, resolve := uint64(unix.O_PATH), uint64(0)
	if !follow {
		flags, resolve = flags|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := f.resolve(path, flags, resolve)
	if err != nil {
		return info{}, kindOther, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return info{}, kindOther, err
	}
	return infoOf(&st), kindOfStat(&st), nil
}

func kindOfStat(st *unix.Stat_t) kind {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return kindFile
	case unix.S_IFDIR:
		return kindFolder
	case unix.S_IFLNK:
		return kindLink
	}
	return kindOther
}

// gone reports whether the directory itself was deleted, which looks like an
// empty one.
func (f *files) gone() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return false, err
	}
	return st.Nlink == 0, nil
}
