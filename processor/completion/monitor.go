package completion

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// MonitorConfig configures a [Monitor].
type MonitorConfig struct {
	// Store is that of the observers. Required.
	Store Store
	// Start, when not nil, is called when something has arrived in a set that nobody
	// has been started to observe, first or once it was reopened: an object or a
	// record, not just a summary of nothing. It may be called more than once about one
	// set, by several processes at the same time: any number of observers may look at
	// it. Defaults to nothing: observers are started by who starts the producers.
	Start func(context.Context, Set) error
	// Late says what becomes of what arrives after completion.
	Late LatePolicy
}

// Monitor counts what arrives. It is safe for concurrent use, for any number of sets.
type Monitor struct {
	store Store
	start func(context.Context, Set) error
	late  LatePolicy
}

// NewMonitor returns a monitor, or what is wrong with cfg.
func NewMonitor(cfg MonitorConfig) (*Monitor, error) {
	if cfg.Store == nil {
		return nil, fault.Fatal(errors.New("configure monitor: Store: required"))
	}
	return &Monitor{cfg.Store, cfg.Start, cfg.Late}, nil
}

// Arrive counts those of the arrivals that the set does not know yet, starts
// observers, and tells of what is late. It returns how many it knows to have
// counted. After an error it is to be called again with the same: only a call that
// succeeded has done all of that.
func (m *Monitor) Arrive(ctx context.Context, set Set, arrivals ...Arrival) (counted int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("arrivals in %s: %w", set, err)
		}
	}()
	arrivals, err = distinct(set, arrivals)
	if err != nil {
		return 0, fault.Corrupt(err)
	}
	if len(arrivals) == 0 {
		return 0, nil
	}
	counted, err = m.store.Arrive(ctx, set, arrivals)
	if err != nil {
		return counted, err
	}
	return counted, m.follow(ctx, set)
}

// Listing counts the objects of a listing, as [source.Source] makes one. Its root must
// be the set's prefix, so that keys are those of events. What it lists again is not
// counted again: it is what events that were lost are made up for with. It returns
// how many it knows to have counted. It stops at the first error, of the listing or
// of the store; what came before is counted.
func (m *Monitor) Listing(ctx context.Context, set Set, objects iter.Seq2[source.Object, error]) (counted int, err error) {
	const block = 500
	var arrivals []Arrival
	for o, err := range objects {
		if err != nil {
			n, failed := m.Arrive(ctx, set, arrivals...)
			return counted + n, errors.Join(fmt.Errorf("list %s: %w", set, err), failed)
		}
		if arrivals = append(arrivals, Object(o.Key, 0)); len(arrivals) == block {
			n, err := m.Arrive(ctx, set, arrivals...)
			counted += n
			if err != nil {
				return counted, err
			}
			arrivals = arrivals[:0]
		}
	}
	n, err := m.Arrive(ctx, set, arrivals...)
	return counted + n, err
}

// distinct checks arrivals, and returns the first of each key.
func distinct(set Set, arrivals []Arrival) ([]Arrival, error) {
	if err := set.Check(); err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(arrivals))
	first := make([]Arrival, 0, len(arrivals))
	for _, a := range arrivals {
		if err := a.Check(); err != nil {
			return nil, err
		}
		if !known[a.Key] {
			known[a.Key] = true
			first = append(first, a)
		}
	}
	return first, nil
}

// follow does what follows from the state of the set once something has arrived.
func (m *Monitor) follow(ctx context.Context, set Set) error {
	if m.start == nil && m.late.Tell == nil && !m.late.Reopen {
		return nil
	}
	rec, err := m.store.Look(ctx, set)
	if err != nil {
		return err
	}
	// An observer that has yet to note its callback's success looks for what was
	// late by then itself.
	rec, err = m.late.handle(ctx, m.store, set, rec, false)
	if err != nil {
		return err
	}
	return m.started(ctx, set, rec)
}

// started makes sure that an open set is observed.
func (m *Monitor) started(ctx context.Context, set Set, rec Record) error {
	if m.start == nil || rec.Status.Started || rec.Status.Decision != nil || rec.Count.size() == 0 {
		return nil
	}
	if err := ask(func() error { return m.start(ctx, set) }); err != nil {
		return fmt.Errorf("start an observer: %w", err)
	}
	for range tries {
		to := rec.Status
		to.Started = true
		swapped, err := m.store.Swap(ctx, set, Change{rec.Edition, Any, to})
		if err != nil || swapped {
			return err
		}
		if rec, err = m.store.Look(ctx, set); err != nil {
			return err
		}
		if rec.Status.Started || rec.Status.Decision != nil {
			return nil
		}
	}
	return nil // it is observed all the same
}
