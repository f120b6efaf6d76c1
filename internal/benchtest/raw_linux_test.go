package benchtest

import (
	"encoding/binary"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Offsets in a linux_dirent64: see getdents64(2).
const (
	direntLength = 16
	direntType   = 18
	direntName   = 19
)

// readFolder lists, opens, reads and closes every file of a folder on two
// goroutines with nothing but system calls: names go from getdents64 to openat
// where they lie, contents into a buffer that is used again. It looks at
// nothing, checks nothing and is the ceiling of what reads files one by one.
func readFolder(tb testing.TB, folder string, want int) {
	dir, err := os.Open(folder)
	require.NoError(tb, err)
	defer dir.Close()
	fd := dir.Fd()
	var listing sync.Mutex
	var failure atomic.Uintptr // an errno
	var count atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			names, content := make([]byte, 16<<10), make([]byte, 64<<10)
			n := 0
			defer func() { count.Add(int64(n)) }()
			for {
				listing.Lock()
				length, _, errno := syscall.Syscall(unix.SYS_GETDENTS64, fd, uintptr(unsafe.Pointer(&names[0])), uintptr(len(names)))
				listing.Unlock()
				if errno != 0 {
					failure.Store(uintptr(errno))
				}
				if errno != 0 || length == 0 {
					return
				}
				for rest := names[:length]; len(rest) > 0; rest = rest[binary.NativeEndian.Uint16(rest[direntLength:]):] {
					if rest[direntType] != unix.DT_REG {
						continue
					}
					if errno := readFile(fd, &rest[direntName], content); errno != 0 {
						failure.Store(uintptr(errno))
						return
					}
					n++
				}
			}
		})
	}
	wg.Wait()
	require.Zero(tb, failure.Load(), "errno")
	require.EqualValues(tb, want, count.Load())
}

// readFile reads the file of the given name, which ends in a zero byte.
func readFile(folder uintptr, name *byte, content []byte) syscall.Errno {
	f, _, errno := syscall.Syscall6(unix.SYS_OPENAT, folder, uintptr(unsafe.Pointer(name)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	_, _, errno = syscall.Syscall(unix.SYS_READ, f, uintptr(unsafe.Pointer(&content[0])), uintptr(len(content)))
	syscall.Syscall(unix.SYS_CLOSE, f, 0, 0)
	return errno
}

// readLarge reads a file on two goroutines, half of it each, into buffers that
// are used again.
func readLarge(tb testing.TB, name string) {
	file, err := os.Open(name)
	require.NoError(tb, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(tb, err)
	half := info.Size() / 2
	var wg sync.WaitGroup
	for _, part := range []*io.SectionReader{io.NewSectionReader(file, 0, half), io.NewSectionReader(file, half, info.Size()-half)} {
		wg.Go(func() {
			buf := make([]byte, 256<<10)
			var err error
			for err == nil {
				_, err = part.Read(buf)
			}
			if err != io.EOF {
				tb.Error(err)
			}
		})
	}
	wg.Wait()
}
