package dir

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// files opens files below the directory. It asks the kernel to keep paths
// inside (openat2 with RESOLVE_BENEATH, Linux 5.6), which takes one call where
// os.Root needs one for each element and allocates; where the kernel or a
// sandbox refuses, os.Root does it.
type files struct {
	root    *os.Root
	dot     *os.File
	fd      int // of dot
	openat2 bool
}

func newFiles(root *os.Root, dot *os.File) files {
	f := files{root: root, dot: dot, fd: int(dot.Fd()), openat2: true}
	fd, err := f.resolve(".", unix.O_PATH, 0)
	if f.openat2 = err == nil; f.openat2 {
		unix.Close(fd)
	}
	return f
}

// readFlags never wait for the other end of a FIFO.
const readFlags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC

// file is an open file. It is not closed by the garbage collector.
type file struct {
	fd   int
	root *os.File // where os.Root opened it
}

// open opens the file for reading.
func (f *files) open(key string) (file, error) {
	if !f.openat2 {
		r, err := f.openRoot(key)
		if err != nil {
			return file{}, err
		}
		return file{fd: int(r.Fd()), root: r}, nil
	}
	fd, err := f.openHere(key)
	if err != nil {
		fd, err = f.resolve(key, readFlags, 0)
	}
	return file{fd: fd}, err
}

// errNested says that a path is not just a name.
var errNested = errors.New("path has several elements")

// openHere opens a file that lies in the directory itself: a plain name that is
// no link cannot lead anywhere else, and openat without the walk of openat2
// saves a tenth of what opening costs. Whatever else it is, resolve will see.
func (f *files) openHere(name string) (int, error) {
	var short [256]byte
	if len(name) >= len(short) || strings.IndexByte(name, '/') >= 0 || name == ".." || name == "." {
		return -1, errNested
	}
	copy(short[:], name)
	defer runtime.KeepAlive(f.dot)
	fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT, uintptr(f.fd), uintptr(unsafe.Pointer(&short[0])), readFlags|unix.O_NOFOLLOW, 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// openFile is open for files that are read at leisure.
func (f *files) openFile(key string) (*os.File, error) {
	if !f.openat2 {
		return f.openRoot(key)
	}
	fd, err := f.resolve(key, readFlags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), key), nil
}

func (f *files) openRoot(key string) (*os.File, error) {
	r, err := f.root.OpenFile(key, os.O_RDONLY|unix.O_NONBLOCK, 0)
	return r, cause(err)
}

// maxRaces bounds how often a path is resolved again because something on the
// way was renamed at the same time.
const maxRaces = 32

// resolve opens path below the directory.
func (f *files) resolve(path string, flags, resolve uint64) (int, error) {
	// The path is copied onto the stack, with its end marked: package unix would
	// allocate for that.
	var short [256]byte
	name := append(append(short[:0], path...), 0)
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve | unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	defer runtime.KeepAlive(f.dot)
	for try := 0; ; try++ {
		fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT2, uintptr(f.fd), uintptr(unsafe.Pointer(&name[0])),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch {
		case errno == 0:
			return int(fd), nil
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && try < maxRaces: // something was renamed meanwhile
		case errno == unix.EXDEV:
			return -1, errLeavesRoot
		default:
			return -1, errno
		}
	}
}

func (f file) stat() (info, error) {
	var st unix.Stat_t
	for {
		switch err := unix.Fstat(f.fd, &st); err {
		case nil:
			return infoOf(&st), nil
		case unix.EINTR:
		default:
			return info{}, err
		}
	}
}

func infoOf(st *unix.Stat_t) info {
	return info{
		size:    st.Size,
		modTime: time.Unix(st.Mtim.Unix()),
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}

func (f file) read(p []byte) (int, error) {
	for {
		n, err := unix.Read(f.fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func (f file) close() {
	if f.root != nil {
		f.root.Close()
		return
	}
	unix.Close(f.fd)
}
