package destination

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/unspool-go/unspool/internal/wholefile"
)

// local is a folder of this machine.
type local struct{ folder *wholefile.Folder }

var _ backend = local{}

func (l local) create(ctx context.Context, name string) (file, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := l.folder.Create(name)
	if err != nil {
		return nil, err
	}
	return localFile{f}, nil
}

// localFile is a file on its way. A local disk is not asked to hurry: contexts
// are looked at before, not during its work.
type localFile struct{ *wholefile.File }

func (f localFile) abort() { f.Abort() }

func (f localFile) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		f.Abort()
		return err
	}
	return f.Commit()
}

// errStop ends a list early.
var errStop = errors.New("stop")

func (l local) list(ctx context.Context, yield func(Info, error) bool) {
	err := l.folder.Walk(ctx, func(root *os.Root, name string) error {
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if !yield(Info{Name: name, Size: info.Size(), ModTime: info.ModTime()}, nil) {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		yield(Info{}, err)
	}
}

func (l local) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenInRoot(l.folder.Path(), name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (l local) remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := l.folder.Root()
	if err == nil {
		err = errors.Join(root.Remove(name), root.Close())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (l local) sweep(ctx context.Context, before time.Time) (int, error) {
	return l.folder.Sweep(ctx, before)
}
