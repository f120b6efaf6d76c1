//go:build !linux

package dir

import (
	"io"
	"os"
)

// files opens files below the directory.
type files struct{ root *os.Root }

func newFiles(root *os.Root, _ *os.File) files { return files{root} }

// file is an open file.
type file struct{ *os.File }

// open opens the file for reading.
func (f *files) open(key string) (file, error) {
	r, err := f.openFile(key)
	return file{r}, err
}

func (f *files) openFile(key string) (*os.File, error) {
	r, err := f.root.OpenFile(key, os.O_RDONLY|nonBlock, 0)
	return r, cause(err)
}

func (f file) stat() (info, error) { return statFile(f.File) }

func (f file) read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (f file) close() { f.File.Close() }
