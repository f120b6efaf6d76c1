package gs

import (
	"context"
	"fmt"
	"iter"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/unspool-go/unspool/internal/gcpclient"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Objects implements [source.Source], page by page, in the order of the names,
// byte by byte. A name that can be no key, such as "a//b", is passed over, and
// the error comes after everything else was listed. Missing permissions and the
// lack of the bucket are marked fault.Fatal.
func (s *Source) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		f := s.newFilter()
		for a, err := range s.list(ctx) {
			if err != nil {
				yield(source.Object{}, fmt.Errorf("gs: list %s: %w", s.URL(), err))
				return
			}
			key, ok := f.key(a.Name)
			if !ok {
				continue
			}
			if o := object(key, a); !f.young(o) && !yield(o, nil) {
				return
			}
		}
		if err := f.err(); err != nil {
			yield(source.Object{}, err)
		}
	}
}

// list lists what is stored under the prefix. Errors are classified.
func (s *Source) list(ctx context.Context) iter.Seq2[*storage.ObjectAttrs, error] {
	return func(yield func(*storage.ObjectAttrs, error) bool) {
		query := &storage.Query{Prefix: s.cfg.Prefix, Projection: storage.ProjectionNoACL}
		if s.cfg.Flat {
			query.Delimiter = "/"
		}
		if err := query.SetAttrSelection([]string{"Name", "Size", "Generation", "Created", "Finalized"}); err != nil {
			yield(nil, fault.Fatal(err))
			return
		}
		asking, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(s.cfg.Timeout, func() { cancel(gcpclient.ErrStalled) })
		defer timer.Stop()
		objects := s.bucket.Objects(asking, query)
		for {
			if objects.PageInfo().Remaining() == 0 {
				timer.Reset(s.cfg.Timeout) // a page is asked for
			}
			a, err := objects.Next()
			switch {
			case err == iterator.Done:
				return
			case err == nil && ctx.Err() != nil: // the rest of the page is there already
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, ofBucket(ctx, gcpclient.Why(asking, err)))
				return
			}
			timer.Stop()
			if a.Name == "" {
				continue // a nested folder, of a flat listing
			}
			if a.Generation <= 0 {
				yield(nil, fault.Fatal(errNoGeneration))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}
