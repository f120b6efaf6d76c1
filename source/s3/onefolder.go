package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/unspool-go/unspool/source"
)

var _ source.FolderLister = (*Source)(nil)

// Folder implements [source.FolderLister]. What is in the folders below is gone
// through as well, and left out.
func (s *Source) Folder(ctx context.Context, folder string) iter.Seq2[source.Object, error] {
	prefix := folder
	if folder != "" {
		prefix += "/"
	}
	return func(yield func(source.Object, error) bool) {
		w := &walk{s: s, filter: s.newFilter(time.Now())}
		err := w.scan(ctx, func(ctx context.Context) error { return w.folder(ctx, prefix) }, func(p page) bool {
			for _, o := range p.objects {
				if source.FolderOf(o.Key) == folder && !yield(o, nil) {
					return false
				}
			}
			return true
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(source.Object{}, err)
		}
	}
}

// folder lists what begins with a prefix, and returns the error that the listing
// ends with.
func (w *walk) folder(ctx context.Context, prefix string) error {
	if err := w.prefix(ctx, prefix, ""); err != nil {
		return fmt.Errorf("s3: list %s%s: %w", w.s.URL(), prefix, err)
	}
	return w.filter.err()
}
