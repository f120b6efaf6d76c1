package web

import (
	"context"
	"fmt"
	"io/fs"
	"iter"

	"github.com/unspool-go/unspool/internal/leftout"
	"github.com/unspool-go/unspool/source"
)

// Watch implements [source.Watcher]. A web server does not tell what appears: it
// is listed again and again (see [source.Poll]), without the folders in which
// nothing was left and, as [Config.PastFolder] says, nothing more is expected.
func (s *Source) Watch(ctx context.Context) (source.Changes, error) {
	err := ctx.Err()
	if err == nil && s.closed.Load() {
		err = fs.ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("web: watch %s: %w", s.URL(), err)
	}
	left := leftout.New(s.cfg.PastFolder)
	return polling{source.Poll(polled{s, left}), left}, nil
}

// polling are the Changes of a Source.
type polling struct {
	source.Changes
	left *leftout.Set
}

func (p polling) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		if all {
			p.left.Clear()
		}
		p.Changes.Objects(ctx, all)(yield)
	}
}

// polled is a Source as its Changes list it.
type polled struct {
	*Source
	left *leftout.Set
}

func (p polled) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return p.list(ctx, p.left)
}
