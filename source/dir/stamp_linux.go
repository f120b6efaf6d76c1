package dir

import (
	"time"

	"golang.org/x/sys/unix"
)

// version tells one state of a folder from another. The time of change cannot
// be set by anybody, as that of modification can.
type version struct {
	dev, ino     uint64
	mtime, ctime unix.Timespec
}

// changed is when the folder was last changed.
func (v version) changed() time.Time { return time.Unix(v.ctime.Unix()) }

func (f *files) version(path string) (version, bool) {
	if !f.openat2 {
		return version{}, false
	}
	fd, err := f.resolve(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return version{}, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return version{}, false
	}
	return version{st.Dev, st.Ino, st.Mtim, st.Ctim}, true
}
