//go:build !linux

package dir

import (
	"io/fs"
	"os"
	"path"
)

// folder reads names in batches.
type folder struct {
	file   *os.File
	unread []fs.DirEntry
	name   []byte
}

const folderBatch = 512

// openFolder opens the folder whose key, with a slash at the end, is prefix.
func (f *files) openFolder(prefix string) (entries, error) {
	r, err := f.root.Open(path.Clean(prefix))
	if err != nil {
		return nil, cause(err)
	}
	return &folder{file: r}, nil
}

func (f *folder) next() (entry, error) {
	if len(f.unread) == 0 {
		var err error
		if f.unread, err = f.file.ReadDir(folderBatch); len(f.unread) == 0 {
			return entry{}, cause(err)
		}
	}
	d := f.unread[0]
	f.unread = f.unread[1:]
	f.name = append(f.name[:0], d.Name()...)
	return entry{name: f.name, kind: kindOfMode(d.Type())}, nil
}

func (f *folder) close() { f.file.Close() }

// look says what the path is, and what it leads to if links are followed.
func (f *files) look(path string, follow bool) (info, kind, error) {
	return lookRoot(f.root, path, follow)
}

// gone reports whether the directory itself was deleted, which looks like an
// empty one on some systems.
func (f *files) gone() (bool, error) {
	_, err := f.root.Stat(".")
	return os.IsNotExist(err), nil
}
