// Package fanout sends the entries of a call one by one, for claim stores that
// have no request for many keys which decides each by itself.
package fanout

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// Each calls do for every index below n, from at most width goroutines, which
// have ended when it returns. What the errors amount to, by the rules of
// [claim.Claimer]:
//
//   - the end of ctx is an interrupted error, and no further entry is begun;
//   - a fatal error is returned by itself, and no further entry is begun;
//   - where every entry was interrupted the store is away, and it is unknown
//     what took effect: an interrupted error with the first cause;
//   - otherwise a [*claim.BatchError] names the entries that failed.
func Each(ctx context.Context, op string, n, width int, do func(ctx context.Context, i int) error) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		next atomic.Int64
		wg   sync.WaitGroup

		mu          sync.Mutex
		failed      []claim.EntryError
		fatal       error
		interrupted int
	)
	for range min(n, width) {
		wg.Go(func() {
			for work.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := do(work, i)
				if err == nil {
					continue
				}
				mu.Lock()
				failed = append(failed, claim.EntryError{Index: i, Err: err})
				switch fault.Of(err) {
				case fault.ClassFatal:
					if fatal == nil {
						fatal = err
					}
					cancel()
				case fault.ClassInterrupted:
					interrupted++
				default:
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	switch {
	case fatal != nil:
		return fatal
	case ctx.Err() != nil && (len(failed) > 0 || int(next.Load()) < n):
		return fault.Interrupted(fmt.Errorf("%s: %w", op, ctx.Err()))
	case len(failed) == 0:
		return nil
	}
	slices.SortFunc(failed, func(a, b claim.EntryError) int { return a.Index - b.Index })
	if interrupted == n {
		return fault.Interrupted(fmt.Errorf("%s: all %d entries failed, the first: %w", op, n, failed[0].Err))
	}
	return &claim.BatchError{Failed: failed}
}
