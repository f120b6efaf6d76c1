package s3

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/source"
)

// Watch implements [source.Watcher]. S3 does not tell what appears: it is listed
// again and again. Without [Growing] each listing goes through everything and
// yields what the one before did not have. With it most begin where the last
// ones ended, and a full one follows every Growing.FullEvery: an object that
// comes late, with a small key, is listed by that one at the latest.
func (s *Source) Watch(ctx context.Context) (source.Changes, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.cfg.Growing.On {
		return source.Poll(s), nil
	}
	return &growing{s: s}, nil
}

// growing is the Changes of a source whose keys grow.
type growing struct {
	s     *Source
	after string    // where listings begin: all up to that key has been listed
	ends  []end     // of listings, oldest first, that are not in after yet
	full  time.Time // when the last full listing began that came to its end
}

// end is where a listing came to its end.
type end struct {
	at  time.Time
	key string // the greatest it saw, before the first that it kept back
}

// Objects implements [source.Changes].
func (g *growing) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		began, after := time.Now(), g.after
		full := all || g.full.IsZero() || began.Sub(g.full) >= g.s.cfg.Growing.FullEvery
		if full {
			after = ""
		}
		last := after
		err := g.s.scan(ctx, after, func(p page) bool {
			last = max(last, p.last)
			for _, o := range p.objects {
				if !yield(o, nil) {
					return false
				}
			}
			return true
		})
		switch {
		case errors.Is(err, errStopped):
			return
		case err != nil:
			yield(source.Object{}, err)
			return
		case full:
			g.full = began
		}
		g.advance(began)
		g.ends = append(g.ends, end{time.Now(), last})
	}
}

// advance moves after on when a listing that began at that time has come to its
// end. What writers overtook when an earlier one ended was there by then, if
// that was the overlap before, and so has been listed.
func (g *growing) advance(began time.Time) {
	for len(g.ends) > 0 && began.Sub(g.ends[0].at) >= g.s.cfg.Growing.Overlap {
		g.after = g.ends[0].key
		g.ends = g.ends[1:]
	}
}

// Wait implements [source.Changes]: S3 has nothing to wake it.
func (g *growing) Wait(ctx context.Context, most time.Duration) { _ = sleep.For(ctx, most) }

// Close implements [source.Changes].
func (g *growing) Close() error { return nil }
