package dir

import (
	"context"
	"fmt"
	"io/fs"
	"iter"

	"github.com/unspool-go/unspool/internal/leftout"
	"github.com/unspool-go/unspool/source"
)

var _ source.Watcher = (*Source)(nil)

// maxWatched is the most folders that are observed. A directory with more is
// polled.
const maxWatched = 64 << 10

// Watch implements [source.Watcher].
//
// On Linux, files in the directory and in nested folders are noticed at once
// when they are renamed or moved into place, or closed after writing, and soon
// when they are linked into place. Where the kernel cannot tell of all that
// appears the directory is polled (see [source.Poll]): on file systems that
// others can write to or that are not known here (NFS, SMB, FUSE, overlay and
// the like), beyond the limits of the kernel (fs.inotify.max_user_instances,
// max_user_watches) or 65,536 folders, on other systems, and where Config.Poll
// asks for it.
//
// A file that is found while it is still written to is held back, and does not
// hold up others. On local file systems the kernel tells whether one has it open
// for writing, if the process owns the file or has CAP_LEASE. Otherwise a file
// is taken when it was not written to for Config.Settle, by its modification
// time: the clock of a file server must not be behind by that much. One that is
// written to later was taken as it was, or gives [source.ErrChanged] when that
// happens while it is read.
//
// A nested folder that cannot be listed is reported by one listing, and tried
// again, without a word, by each that lists everything.
func (s *Source) Watch(ctx context.Context) (source.Changes, error) {
	err := ctx.Err()
	if err == nil && s.closed.Load() {
		err = fs.ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("dir: watch %q: %w", s.path, err)
	}
	v := s.newView()
	if !s.cfg.Poll {
		if c := s.observe(v); c != nil {
			return c, nil
		}
	}
	return s.poll(v), nil
}

func (s *Source) poll(v *view) source.Changes {
	v.left = leftout.New(s.cfg.PastFolder)
	return polling{source.Poll(polled{s, v}), v}
}

// polling are the Changes of a directory that is polled.
type polling struct {
	source.Changes
	view *view
}

func (p polling) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		if all {
			p.view.left.Clear()
		}
		p.Changes.Objects(ctx, all)(yield)
	}
}

// polled is a Source as Changes list it.
type polled struct {
	*Source
	view *view
}

var _ source.Relister = polled{}

func (p polled) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	objects, _ := p.List(ctx)
	return objects
}

func (p polled) List(ctx context.Context) (objects iter.Seq2[source.Object, error], more func() bool) {
	return p.list(ctx, p.view)
}
