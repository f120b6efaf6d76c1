package dir

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"time"

	"github.com/unspool-go/unspool/source"
)

var _ source.FolderLister = (*Source)(nil)

// Folder implements [source.FolderLister].
func (s *Source) Folder(ctx context.Context, folder string) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		seen := stamps{files: &s.files, settled: s.settled}
		l := listing{s: s, ctx: ctx, yield: yield, now: time.Now(), seen: &seen, flat: true}
		defer l.closeAll()
		if err := l.one(folder); err != nil && err != errStopped {
			yield(source.Object{}, err)
		}
	}
}

// one lists one folder.
func (l *listing) one(folder string) error {
	prefix := ""
	if l.s.closed.Load() {
		return l.fail("", fs.ErrClosed)
	}
	if folder != "" {
		if err := checkKey(folder); err != nil {
			return l.fail(folder, err)
		}
		prefix = folder + "/"
	}
	if err := l.descend(prefix); prefix != "" && errors.Is(err, fs.ErrNotExist) {
		return l.end() // which tells whether the directory itself is there
	} else if err != nil {
		return l.fail(prefix, err)
	}
	if err := l.walk(); err != nil {
		return err
	}
	return l.end()
}
