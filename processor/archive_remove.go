package processor

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/unspool-go/unspool/source"
)

// remove moves or deletes the items, and returns the error of each.
func (a *archiver) remove(items []item) []error {
	if blocks, ok := a.remover.(source.BlockRemover); ok && a.cfg.Delete {
		seen := make([]source.Seen, len(items))
		for i, it := range items {
			seen[i] = it.Seen
		}
		return blocks.RemoveBlock(a.work, seen) // which looks at each once more
	}
	r := removal{a, items, make([]error, len(items))}
	all := make([]int, len(items))
	for i := range all {
		all[i] = i
	}
	all = r.unchanged(all)
	if a.cfg.Delete {
		r.call(all, func(o []source.Object) []error { return a.remover.Remove(a.work, o) })
		return r.errs
	}
	left := all // to be copied
	if a.mover != nil {
		r.call(all, func(o []source.Object) []error { return a.mover.Move(a.work, o, a.cfg.To) })
		left = left[:0]
		for _, i := range all {
			exists := errors.Is(r.errs[i], fs.ErrExist)
			switch {
			case a.folder == nil && exists:
				r.errs[i] = errCollision
			case a.folder == nil:
			case exists, errors.Is(r.errs[i], errors.ErrUnsupported):
				// What is in the way may be the copy that an archiver made which died.
				left = append(left, i)
			}
		}
	}
	r.copyAndRemove(left)
	return r.errs
}

// removal is what becomes of the items of one intent.
type removal struct {
	*archiver
	items []item
	errs  []error // of each item
}

// call has those items removed that are at the given indexes.
func (r *removal) call(indexes []int, op func([]source.Object) []error) {
	if len(indexes) == 0 {
		return
	}
	objects := make([]source.Object, len(indexes))
	for j, i := range indexes {
		objects[j] = r.items[i].Object
	}
	for j, err := range op(objects) {
		r.errs[indexes[j]] = err
	}
}

// copyAndRemove copies those items, and removes what was copied.
func (r *removal) copyAndRemove(indexes []int) {
	r.each(len(indexes), func(j int) {
		i := indexes[j]
		r.errs[i] = r.copy(r.work, r.items[i].Object)
	})
	copied := r.unchanged(indexes) // copying takes its time
	if err := r.alive(); err != nil {
		for _, i := range copied {
			r.errs[i] = err
		}
		return
	}
	r.call(copied, func(o []source.Object) []error { return r.remover.Remove(r.work, o) })
	for _, i := range copied {
		if r.errs[i] == nil {
			r.report.Copied++
		}
	}
}

// unchanged returns those of the indexes whose items are without an error, and
// what they were when they were chosen: noting the intent takes a moment, and
// copying longer. Where a source has no versions, what came in an item's place
// with its size and time would pass for it when it is removed.
func (r *removal) unchanged(indexes []int) []int {
	var moot []int // may have been exchanged
	var keys []string
	for _, i := range indexes {
		if it := &r.items[i]; r.errs[i] == nil && it.Version == "" {
			moot, keys = append(moot, i), append(keys, it.Key)
		}
	}
	for n, now := range r.look(r.work, keys) {
		i := moot[n]
		if r.errs[i] = now.Err; now.Err == nil && !r.items[i].isStill(now) {
			r.errs[i] = source.ErrChanged
		}
	}
	good := make([]int, 0, len(indexes))
	for _, i := range indexes {
		if r.errs[i] == nil {
			good = append(good, i)
		}
	}
	return good
}

// each calls do for every index below n, Concurrency at a time.
func (a *archiver) each(n int, do func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, a.cfg.Concurrency)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	wg.Wait()
}
