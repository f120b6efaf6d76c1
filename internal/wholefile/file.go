package wholefile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/google/uuid"
)

// buffer is what is held back per file, to write in larger pieces.
const buffer = 32 << 10

// File is a file on its way. It is used by one goroutine at a time, and ended
// by Commit or Abort.
type File struct {
	root       *os.Root
	name, temp string
	file       *os.File
	sync       func(f *os.File) error // see [Folder]
	buf        *bufio.Writer
}

// newFile takes over root if it succeeds.
func newFile(root *os.Root, name string, sync func(*os.File) error) (*File, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	temp := path.Join(dir, ".part-"+id.String()+".tmp")
	if err := root.MkdirAll(dir, folderMode); err != nil {
		return nil, err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	return &File{root: root, name: name, temp: temp, file: f, sync: sync, buf: bufio.NewWriterSize(f, buffer)}, nil
}

// Write appends to the file. After an error it can only be aborted: Commit
// would fail.
func (f *File) Write(b []byte) (int, error) { return f.buf.Write(b) }

// Abort discards the file. What cannot be removed stays hidden, for
// [Folder.Sweep].
func (f *File) Abort() {
	f.file.Close()
	f.root.Remove(f.temp)
	f.root.Close()
}

// Commit makes the file durable and visible. On an error it has aborted; only
// where the last folder could not be synced may the file be there all the same,
// after a crash. A file of that name that exists is left alone, and the error
// wraps [fs.ErrExist].
func (f *File) Commit() error {
	err := f.buf.Flush()
	if err == nil {
		err = f.sync(f.file)
	}
	if err == nil {
		err = f.file.Close()
	}
	if err == nil {
		err = f.publish()
	}
	if err != nil {
		f.Abort()
		return err
	}
	if err := f.syncFolders(); err != nil {
		// Not durable, so not committed: take it back as far as we can.
		f.root.Remove(f.name)
		f.root.Close()
		return err
	}
	f.root.Close()
	return nil
}

// publish gives the file its final name, without ever replacing another.
func (f *File) publish() error {
	err := f.root.Link(f.temp, f.name)
	if err == nil {
		f.root.Remove(f.temp) // or else Sweep does: it is one more name, hidden
		return nil
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A file system without hard links. Looking first leaves a gap, which the
	// unique names of our callers close.
	if _, statErr := f.root.Lstat(f.name); statErr == nil {
		return fmt.Errorf("rename %s: %w", f.name, fs.ErrExist)
	}
	return f.root.Rename(f.temp, f.name)
}

// syncFolders makes the name durable, and every folder on the way to it: they
// may have been created by another process that has not synced them yet.
func (f *File) syncFolders() error {
	for dir := path.Dir(f.name); ; dir = path.Dir(dir) {
		d, err := f.root.Open(dir)
		if err != nil {
			return err
		}
		if err := syncFolder(d, f.sync); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}
