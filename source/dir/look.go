package dir

import (
	"io/fs"
	"os"
)

// lookRoot says what the path is by way of os.Root.
func lookRoot(root *os.Root, path string, follow bool) (info, kind, error) {
	stat := root.Lstat
	if follow {
		stat = root.Stat
	}
	st, err := stat(path)
	if err != nil {
		return info{}, kindOther, cause(err)
	}
	return info{size: st.Size(), modTime: st.ModTime(), regular: st.Mode().IsRegular()}, kindOfMode(st.Mode()), nil
}

func kindOfMode(mode fs.FileMode) kind {
	switch {
	case mode.IsRegular():
		return kindFile
	case mode.IsDir():
		return kindFolder
	case mode&fs.ModeSymlink != 0:
		return kindLink
	}
	return kindOther
}
