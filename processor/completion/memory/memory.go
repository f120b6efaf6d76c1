// Package memory keeps what is known of sets in the memory of one process: for tests,
// and where producers, monitor and observer live and die together.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// Store is a store in memory. It is safe for concurrent use. It has no bound: it
// holds the key of every arrival, until [Store.Forget].
type Store struct {
	mu   sync.Mutex
	sets map[completion.Set]*entry
}

type entry struct {
	record completion.Record
	keys   map[string]struct{}
}

var _ completion.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{sets: map[completion.Set]*entry{}} }

// begin begins a call, which must unlock s if there is no error.
func (s *Store) begin(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(fmt.Errorf("%s: %w", op, err))
	}
	s.mu.Lock()
	return nil
}

// of returns the entry of a set, which is added where there is none.
func (s *Store) of(set completion.Set) *entry {
	e := s.sets[set]
	if e == nil {
		e = &entry{keys: map[string]struct{}{}}
		s.sets[set] = e
	}
	return e
}

// Arrive implements [completion.Store].
func (s *Store) Arrive(ctx context.Context, set completion.Set, arrivals []completion.Arrival) (counted int, err error) {
	if err := s.begin(ctx, "arrive"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	e := s.of(set)
	for _, a := range arrivals {
		if _, known := e.keys[a.Key]; known {
			continue
		}
		e.keys[a.Key] = struct{}{}
		e.record.Count = e.record.Count.Add(a)
		counted++
	}
	return counted, nil
}

// Look implements [completion.Store].
func (s *Store) Look(ctx context.Context, set completion.Set) (completion.Record, error) {
	if err := s.begin(ctx, "look"); err != nil {
		return completion.Record{}, err
	}
	defer s.mu.Unlock()
	if e := s.sets[set]; e != nil {
		return e.record, nil
	}
	return completion.Record{}, nil
}

// Swap implements [completion.Store].
func (s *Store) Swap(ctx context.Context, set completion.Set, c completion.Change) (bool, error) {
	if err := s.begin(ctx, "swap"); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	e := s.of(set)
	if e.record.Edition != c.Edition || c.Arrivals != completion.Any && c.Arrivals != e.record.Count.Arrivals {
		return false, nil
	}
	e.record.Edition++
	e.record.Status = c.To
	return true, nil
}

// Missing implements [completion.Store].
func (s *Store) Missing(ctx context.Context, set completion.Set, keys []string) ([]string, error) {
	if err := s.begin(ctx, "missing"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	e := s.sets[set]
	var missing []string
	for _, key := range keys {
		known := false
		if e != nil {
			_, known = e.keys[key]
		}
		if !known {
			missing = append(missing, key)
		}
	}
	return missing, nil
}

// Forget forgets a set. An event of it that comes later begins a new one.
func (s *Store) Forget(set completion.Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sets, set)
}
