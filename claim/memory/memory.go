// Package memory is a claim store in the memory of one process: for tests, for
// one-shot runs, and wherever it does no harm that a restart forgets
// everything.
package memory

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

// Store is a claim store in memory. It is safe for concurrent use. It has no
// bound: it holds every key that was finished or released until [Store.Forget],
// about 100 bytes and the key's length each. The clock is the process's
// monotonic one.
type Store struct {
	clock lease.Clock

	mu       sync.Mutex
	grants   uint64
	table    lease.Table
	finished map[string]finish
}

// finish is how a key was finished.
type finish struct {
	grant uint64
	at    int64 // Unix time in ns
}

var (
	_ claim.Claimer   = (*Store)(nil)
	_ claim.Inspector = (*Store)(nil)
)

// New returns an empty store.
func New() *Store {
	return &Store{clock: lease.NewClock(), finished: make(map[string]finish)}
}

// Claim implements [claim.Claimer].
func (s *Store) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if err := lease.Begin(ctx, "claim"); err != nil || len(keys) == 0 {
		return nil, err
	}
	if err := lease.CheckTTL("claim", ttl); err != nil {
		return nil, err
	}
	if err := lease.CheckNonce(nonce); err != nil {
		return nil, err
	}
	results := make([]claim.Result, len(keys))
	var failures lease.Failures

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.grants++
	g := &lease.Grant{ID: s.grants, Token: lease.TokenOf(s.grants), Owner: owner, Nonce: nonce, At: now}
	for i, key := range keys {
		if err := claim.CheckKey(key); err != nil {
			failures.Add(i, err)
			continue
		}
		if _, ok := s.finished[key]; ok {
			results[i].Status = claim.Done
			continue
		}
		results[i] = s.table.Claim(g, key, now, ttl)
	}
	return results, failures.Err()
}

// Extend implements [claim.Claimer].
func (s *Store) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := lease.Begin(ctx, "extend"); err != nil || len(leases) == 0 {
		return err
	}
	if err := lease.CheckTTL("extend", ttl); err != nil {
		return err
	}
	var failures lease.Failures
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for i, l := range leases {
		_, err := s.table.Extend(l, now, ttl)
		failures.Add(i, err)
	}
	return failures.Err()
}

// Complete implements [claim.Claimer].
func (s *Store) Complete(ctx context.Context, leases []claim.Lease) error {
	if err := lease.Begin(ctx, "complete"); err != nil {
		return err
	}
	var failures lease.Failures
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for i, l := range leases {
		if g, ok := s.table.Complete(l); ok {
			s.finished[l.Key] = finish{grant: g.ID, at: now}
		} else if f, ok := s.finished[l.Key]; !ok || f.grant != lease.GrantOf(l.Token) {
			failures.Add(i, lease.Lost("complete", l.Key))
		}
	}
	return failures.Err()
}

// Release implements [claim.Claimer].
func (s *Store) Release(ctx context.Context, returns []claim.Return) error {
	if err := lease.Begin(ctx, "release"); err != nil {
		return err
	}
	var failures lease.Failures
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for i, r := range returns {
		_, err := s.table.Release(r, now)
		failures.Add(i, err)
	}
	return failures.Err()
}

// Inspect implements [claim.Inspector].
func (s *Store) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if err := lease.Begin(ctx, "inspect"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := make([]claim.Entry, len(keys))
	for i, key := range keys {
		if f, ok := s.finished[key]; ok {
			entries[i] = f.describe(key)
		} else if e, ok := s.table.Entry(key); ok {
			entries[i] = e.Describe(key)
		} else {
			entries[i].Key = key
		}
	}
	return entries, nil
}

// Expired implements [claim.Inspector]. It lists what was expired when the
// iteration began.
func (s *Store) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		s.mu.Lock()
		limit := s.clock.Now() - int64(grace)
		var expired []claim.Entry
		for key, e := range s.table.All {
			if e.Held && e.Expires <= limit {
				expired = append(expired, e.Describe(key))
			}
		}
		s.mu.Unlock()
		list(ctx, expired, yield)
	}
}

// Completed implements [claim.Inspector]. It lists what was finished when the
// iteration began.
func (s *Store) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		s.mu.Lock()
		completed := make([]claim.Entry, 0, len(s.finished))
		for key, f := range s.finished {
			completed = append(completed, f.describe(key))
		}
		s.mu.Unlock()
		list(ctx, completed, yield)
	}
}

// Forget implements [claim.Inspector].
func (s *Store) Forget(ctx context.Context, keys []string) error {
	if err := lease.Begin(ctx, "forget"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.finished, key)
	}
	return nil
}

// Count implements [claim.Inspector].
func (s *Store) Count(ctx context.Context) (claim.Counts, error) {
	if err := lease.Begin(ctx, "count"); err != nil {
		return claim.Counts{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := claim.Counts{Finished: int64(len(s.finished))}
	s.table.Counts(s.clock.Now(), &c)
	return c, nil
}

func (f finish) describe(key string) claim.Entry {
	return claim.Entry{Key: key, State: claim.Finished, DoneAt: time.Unix(0, f.at)}
}

// list yields entries until the context ends.
func list(ctx context.Context, entries []claim.Entry, yield func(claim.Entry, error) bool) {
	for _, e := range entries {
		if err := lease.Begin(ctx, "list claims"); err != nil {
			yield(claim.Entry{}, err)
			return
		}
		if !yield(e, nil) {
			return
		}
	}
}
