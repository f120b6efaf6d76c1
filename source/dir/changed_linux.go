package dir

import (
	"io/fs"
	"syscall"
	"time"
)

// changed returns when a file, or anything about it, last changed.
func changed(st fs.FileInfo) time.Time {
	t := st.ModTime()
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		if c := time.Unix(sys.Ctim.Unix()); c.After(t) {
			t = c
		}
	}
	return t
}
