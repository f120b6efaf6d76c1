package processor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/unspool-go/unspool/source"
)

// copy makes sure that there is a copy of an object in To: durable, and compared
// with the object in size and checksum.
func (a *archiver) copy(ctx context.Context, o source.Object) error {
	if !filepath.IsLocal(filepath.FromSlash(o.Key)) || path.Clean(o.Key) != o.Key || o.Key == "." {
		return errors.New("its key is no name for a file")
	}
	var sum content
	err := a.write(ctx, o, &sum)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, sumErr := a.contentOf(o.Key)
	switch {
	case sumErr != nil:
		return fmt.Errorf("compare with the copy: %w", sumErr)
	case there == sum && err != nil:
		return a.folder.Seal(o.Key) // whoever put it there may have died just then
	case there == sum:
		return nil
	case err != nil:
		return errCollision
	}
	return errors.New("the copy differs")
}

// content stands for the bytes of a file.
type content struct {
	size int64
	sum  [sha256.Size]byte
}

// write copies an object into a file, unless there is one of that name: the error
// then wraps [fs.ErrExist]. sum is set in both cases.
func (a *archiver) write(ctx context.Context, o source.Object, sum *content) error {
	body, found, err := a.cfg.Source.Open(ctx, o, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close() // only read
	hash := sha256.New()
	exists, err := a.exists(o.Key)
	if err != nil {
		return err
	}
	if exists {
		if sum.size, err = io.Copy(hash, body); err != nil {
			return err
		}
		hash.Sum(sum.sum[:0])
		return fs.ErrExist
	}
	file, err := a.folder.Create(o.Key)
	if err != nil {
		return err
	}
	if sum.size, err = io.Copy(io.MultiWriter(file, hash), body); err == nil && found.Size >= 0 && sum.size != found.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		file.Abort()
		return err
	}
	hash.Sum(sum.sum[:0])
	if err := file.Commit(); err != nil {
		return err
	}
	return a.keepTime(o)
}

// exists reports whether To has something of that name.
func (a *archiver) exists(name string) (bool, error) {
	root, err := a.folder.Root()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer root.Close()
	_, err = root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// contentOf reads a file of To.
func (a *archiver) contentOf(name string) (content, error) {
	var c content
	f, err := os.OpenInRoot(a.folder.Path(), name)
	if err != nil {
		return c, err
	}
	defer f.Close()
	hash := sha256.New()
	c.size, err = io.Copy(hash, f)
	hash.Sum(c.sum[:0])
	return c, err
}

// keepTime gives a copy the time of its object, as if it had been moved.
func (a *archiver) keepTime(o source.Object) error {
	if o.ModTime.IsZero() {
		return nil
	}
	root, err := a.folder.Root()
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Chtimes(o.Key, time.Time{}, o.ModTime)
}
