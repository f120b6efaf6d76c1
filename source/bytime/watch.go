package bytime

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/unspool-go/unspool/source"
)

// Watch implements [source.Watcher]. What appears is put in order as far as it
// is found at once.
func (s *Source) Watch(ctx context.Context) (source.Changes, error) {
	w, ok := s.Source.(source.Watcher)
	if !ok {
		return source.Poll(s), nil
	}
	inner, err := w.Watch(ctx)
	if err != nil {
		return nil, err
	}
	return &changes{Changes: inner, source: s}, nil
}

// changes puts what a source tells in order.
type changes struct {
	source.Changes
	source *Source
	rest   []dated // of a listing that came to its end and was broken off here
}

func (c *changes) Objects(ctx context.Context, all bool) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		portion := c.rest
		c.rest = nil
		defer func() { c.rest = portion }()
		for o, err := range c.Changes.Objects(ctx, all) {
			if err != nil {
				if c.pass(&portion, yield) {
					yield(source.Object{}, err)
				}
				return
			}
			portion = append(portion, c.source.dated(o))
			if ctx.Err() != nil {
				break
			}
			if len(portion) >= c.source.cfg.Window && !c.pass(&portion, yield) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(source.Object{}, fmt.Errorf("bytime: list: %w", err))
			return
		}
		c.pass(&portion, yield)
	}
}

// pass passes a portion on in order, and leaves in it what was not taken. It
// reports whether all of it was.
func (c *changes) pass(portion *[]dated, yield func(source.Object, error) bool) bool {
	slices.SortFunc(*portion, c.source.compare)
	for i, d := range *portion {
		if !yield(d.Object, nil) {
			*portion = (*portion)[i:]
			return false
		}
	}
	*portion = (*portion)[:0]
	return true
}
