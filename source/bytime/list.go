package bytime

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source"
)

// dated is an object with its place in the order.
type dated struct {
	source.Object
	at    time.Time
	known bool
}

func (s *Source) dated(o source.Object) dated {
	at, ok := s.cfg.parse(o.Key)
	return dated{o, at, ok}
}

// compare orders objects: those with a time by that, then the others, and what
// is equal by key.
func (s *Source) compare(a, b dated) int {
	if a.known != b.known {
		if a.known {
			return -1
		}
		return 1
	}
	if c := a.at.Compare(b.at); c != 0 {
		if s.cfg.Order == NewestFirst {
			return -c
		}
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

// Objects implements [source.Source]: the source behind is listed once for each
// Window of its objects.
func (s *Source) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	objects, _ := s.List(ctx)
	return objects
}

// List implements [source.Relister]. Where the source behind cannot tell, there
// may always be more.
func (s *Source) List(ctx context.Context) (iter.Seq2[source.Object, error], func() bool) {
	more := func() bool { return true }
	return func(yield func(source.Object, error) bool) {
		var last *dated // what was yielded last
		for first := true; ; first = false {
			objects := s.Source.Objects(ctx)
			if r, ok := s.Source.(source.Relister); ok {
				var of func() bool
				if objects, of = r.List(ctx); first {
					more = of
				}
			}
			portion, left, err := s.portion(objects, last)
			if err != nil {
				yield(source.Object{}, err)
				return
			}
			for i := range portion {
				if err := ctx.Err(); err != nil {
					yield(source.Object{}, fmt.Errorf("bytime: list: %w", err))
					return
				}
				if !yield(portion[i].Object, nil) {
					return
				}
			}
			if !left {
				return
			}
			last = &portion[len(portion)-1]
		}
	}, func() bool { return more() }
}

// portion returns the first Window objects behind last, in order, and whether
// there are others behind them.
func (s *Source) portion(objects iter.Seq2[source.Object, error], last *dated) (portion []dated, left bool, err error) {
	h := worst{compare: s.compare}
	for o, err := range objects {
		if err != nil {
			return nil, false, err
		}
		d := s.dated(o)
		if last != nil && s.compare(d, *last) <= 0 {
			continue
		}
		switch {
		case len(h.objects) < s.cfg.Window:
			heap.Push(&h, d)
		case s.compare(d, h.objects[0]) < 0:
			h.objects[0] = d
			heap.Fix(&h, 0)
			left = true
		default:
			left = true
		}
	}
	slices.SortFunc(h.objects, s.compare)
	return h.objects, left, nil
}

// worst is a heap of objects, with the one on top that comes last.
type worst struct {
	compare func(a, b dated) int
	objects []dated
}

func (h *worst) Len() int           { return len(h.objects) }
func (h *worst) Less(i, j int) bool { return h.compare(h.objects[i], h.objects[j]) > 0 }
func (h *worst) Swap(i, j int)      { h.objects[i], h.objects[j] = h.objects[j], h.objects[i] }
func (h *worst) Push(x any)         { h.objects = append(h.objects, x.(dated)) }
func (h *worst) Pop() any {
	last := h.objects[len(h.objects)-1]
	h.objects = h.objects[:len(h.objects)-1]
	return last
}
