//go:build !linux

package dir

import (
	"io/fs"
	"time"
)

// changed returns when a file's content last changed: a file that is renamed into
// place keeps its time, and cannot be told from one that was there.
func changed(st fs.FileInfo) time.Time { return st.ModTime() }
