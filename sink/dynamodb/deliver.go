package dynamodb

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

const (
	// firstPause and longestPause bound the pauses after a call of which nothing got
	// through, half of each random. They are short: others got through just before.
	firstPause   = 5 * time.Millisecond
	longestPause = 20 * time.Millisecond
	// mostPauses is how many there may be in a row.
	mostPauses = 10
)

// deliver writes items of different keys, and those again for which there was no
// capacity, as long as some get through. It returns an error where none ever did, of
// these, which are the first of a Send.
func (s *Sink) deliver(ctx context.Context, key []keyAttribute, items []entry, failed *failures, first bool) error {
	left, err := s.write(ctx, key, items, failed)
	switch {
	case err != nil && first:
		return err
	case err != nil: // others have got through
		left = because(items, err)
	}
	pauses := 0
	for len(left) > 0 && pauses <= mostPauses && ctx.Err() == nil {
		now, err := s.write(ctx, key, left, failed)
		if err != nil {
			now = because(left, err)
		}
		if err != nil && !fault.Is(err, fault.ClassInterrupted) {
			break
		}
		progressed := len(now) < len(left)
		left = now
		if progressed {
			pauses = 0
			continue
		}
		if !rest(ctx, min(firstPause<<pauses, longestPause)) {
			break
		}
		pauses++
	}
	for _, e := range left {
		failed.add(e.index, e.err)
	}
	return nil
}

// because notes why entries were not written.
func because(entries []entry, err error) []entry {
	for i := range entries {
		entries[i].err = err
	}
	return entries
}

// rest waits for half of d and as much of the other half as chance has it, and
// reports whether ctx allows that.
func rest(ctx context.Context, d time.Duration) bool {
	return sleep.For(ctx, d/2+rand.N(d/2)) == nil
}
