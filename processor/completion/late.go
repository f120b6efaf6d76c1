package completion

import (
	"context"
	"fmt"
	"time"
)

// Late is what a callback is told of arrivals that were counted after a set was
// closed.
type Late struct {
	// Completion is the one that they came too late for. Its callback had succeeded.
	Completion
	// Added is all that has come since.
	Added Count
	// Reopens says that the set is about to be reopened.
	Reopens bool
	// Told is when they were told of, by the clock of who did.
	Told time.Time
}

// LatePolicy says what becomes of arrivals after completion. The zero value counts
// them and does nothing else.
type LatePolicy struct {
	// Tell, when not nil, is called when there are more late arrivals than were
	// told of before. It may be called again about the same: when it failed, when
	// noting it did, and when several processes count at the same time.
	Tell func(context.Context, Late) error
	// Reopen makes the set an open one again, of which everything that has arrived is
	// a part. It completes once more, with another [Completion.ID], if it is observed:
	// a [Monitor] has [MonitorConfig.Start] for that.
	Reopen bool
}

// handle tells of what is late in a set that has fired, and reopens it if that is
// wanted. started says that the caller goes on to observe it then. It returns the
// record as it is now: that of an open set where this, or somebody else, has reopened
// it.
func (p LatePolicy) handle(ctx context.Context, store Store, set Set, rec Record, started bool) (Record, error) {
	for range tries {
		if !rec.Status.Fired {
			return rec, nil // not yet, or reopened by others
		}
		told := max(rec.Status.Told, rec.Status.Decision.Count.size())
		if rec.Count.size() <= told || p.Tell == nil && !p.Reopen {
			return rec, nil
		}
		if p.Tell != nil {
			late := Late{
				Completion: rec.Status.completion(set),
				Added:      rec.Count.Sub(rec.Status.Decision.Count),
				Reopens:    p.Reopen,
				Told:       time.Now(),
			}
			err := ask(func() error { return p.Tell(ctx, late) })
			if err != nil {
				return rec, fmt.Errorf("tell of late arrivals: %w", err)
			}
		}
		to := rec.Status
		to.Told = rec.Count.size()
		if p.Reopen {
			to = Status{Opened: time.Now(), Reopened: rec.Status.Reopened + 1, Started: started}
		}
		swapped, err := store.Swap(ctx, set, Change{rec.Edition, Any, to})
		if err != nil {
			return rec, err
		}
		if swapped {
			rec.Edition, rec.Status = rec.Edition+1, to
			return rec, nil
		}
		if rec, err = store.Look(ctx, set); err != nil {
			return rec, err
		}
	}
	return rec, nil
}
