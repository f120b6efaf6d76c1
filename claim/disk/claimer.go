package disk

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

// entryKeys is the most keys in one log entry, so that a call with millions of
// keys needs no buffer for all of them.
const entryKeys = 4096

// enter begins a call that changes something; leave ends it.
func (s *Store) enter(ctx context.Context, op string) error {
	if err := lease.Begin(ctx, op); err != nil {
		return err
	}
	s.calls.RLock()
	err := s.err()
	if s.closed { // set under calls
		err = claim.ErrClosed
	}
	if err != nil {
		s.calls.RUnlock()
	}
	return err
}

func (s *Store) leave() { s.calls.RUnlock() }

// durable makes the log durable up to position end.
func (s *Store) durable(end int64) error {
	if err := s.log.sync(end); err != nil {
		return s.fail(err)
	}
	return nil
}

// Claim implements [claim.Claimer].
func (s *Store) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if err := s.enter(ctx, "claim"); err != nil {
		return nil, err
	}
	defer s.leave()
	if len(keys) == 0 {
		return nil, nil
	}
	if err := lease.CheckTTL("claim", ttl); err != nil {
		return nil, err
	}
	if err := lease.CheckNonce(nonce); err != nil {
		return nil, err
	}
	results := make([]claim.Result, len(keys))
	if err := s.lookUp(keys, results); err != nil { // returns with s.mu held
		return nil, err
	}
	var failures lease.Failures
	now := s.clock.Now()
	s.grants++
	id := s.epoch<<epochShift | s.grants
	g := &lease.Grant{ID: id, Token: lease.TokenOf(id), Owner: owner, Nonce: nonce, At: now}
	var again []string // granted before to a call with this nonce
	granted := 0
	for i, key := range keys {
		if err := claim.CheckKey(key); err != nil {
			results[i] = claim.Result{}
			failures.Add(i, err)
			continue
		}
		// What is remembered outruns what lookUp found in segments.
		if f, known := s.recently(key); known {
			results[i].Status = 0
			if !f.forgotten() {
				results[i].Status = claim.Done
			}
		}
		if results[i].Status == claim.Done {
			continue
		}
		results[i] = s.table.Claim(g, key, now, ttl)
		if results[i].Status == claim.Granted {
			if granted++; results[i].Lease.Token != g.Token {
				again = append(again, key)
			}
		}
	}
	var end int64
	if granted > len(again) {
		for part := range slices.Chunk(results, entryKeys) {
			end = s.log.append(func(b []byte) []byte { return appendClaim(b, g, lease.After(now, ttl), part) })
		}
	}
	for part := range slices.Chunk(again, entryKeys) {
		end = s.log.append(func(b []byte) []byte {
			b = binary.AppendVarint(append(b, kindExtend), lease.After(now, ttl))
			for _, key := range part {
				b = append(appendText(b, key), 0)
			}
			return b
		})
	}
	err := s.freezeIfFull()
	s.mu.Unlock()
	if err == nil {
		err = s.log.flush(end)
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return results, failures.Err()
}

// epochShift leaves room for a million million Claim calls of one process.
const epochShift = 40

func appendClaim(b []byte, g *lease.Grant, expires int64, results []claim.Result) []byte {
	b = binary.AppendUvarint(append(b, kindClaim), g.ID)
	b = binary.AppendVarint(b, g.At)
	b = binary.AppendVarint(b, expires)
	b = appendText(b, g.Owner)
	for i := range results {
		if r := &results[i]; r.Status == claim.Granted && r.Lease.Token == g.Token {
			b = appendText(b, r.Lease.Key)
			b = binary.AppendUvarint(b, uint64(r.Lease.Attempt))
		}
	}
	return b
}

// lookUp marks the keys that are finished and in segments. It reads the disk
// without the lock, and returns with the lock held, unless it fails.
func (s *Store) lookUp(keys []string, results []claim.Result) error {
	s.mu.Lock()
	for {
		if len(s.segments) == 0 {
			return nil
		}
		v := s.viewLocked()
		s.mu.Unlock()
		err := s.lookUpIn(v, keys, results)
		v.release()
		if err != nil {
			return s.fail(err)
		}
		s.mu.Lock()
		if s.spills == v.spills {
			return nil
		}
		// What was remembered went into a segment that was not looked at.
	}
}

func (s *Store) lookUpIn(v view, keys []string, results []claim.Result) error {
	fi := s.finder()
	defer s.done(fi, v)
	for i, key := range keys {
		f, found, err := fi.find(v, key)
		if err != nil {
			return err
		}
		results[i].Status = 0
		if found && !f.forgotten() {
			results[i].Status = claim.Done
		}
	}
	return nil
}

// Extend implements [claim.Claimer].
func (s *Store) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := s.enter(ctx, "extend"); err != nil {
		return err
	}
	defer s.leave()
	if len(leases) == 0 {
		return nil
	}
	if err := lease.CheckTTL("extend", ttl); err != nil {
		return err
	}
	var failures lease.Failures
	progressed := false
	var end int64
	base := 0
	s.mu.Lock()
	now := s.clock.Now()
	for part := range slices.Chunk(leases, entryKeys) {
		end = s.log.append(func(b []byte) []byte {
			b = binary.AppendVarint(append(b, kindExtend), lease.After(now, ttl))
			for i, l := range part {
				changed, err := s.table.Extend(l, now, ttl)
				if err != nil {
					failures.Add(base+i, err)
					continue
				}
				b = appendText(b, l.Key)
				if !changed {
					b = append(b, 0)
					continue
				}
				progressed = true
				b = appendText(append(b, 1), l.Progress)
			}
			return b
		})
		base += len(part)
	}
	err := s.freezeIfFull()
	s.mu.Unlock()
	// A checkpoint must hold; that a lease was renewed dies with the process.
	if err == nil && progressed {
		err = s.log.sync(end)
	} else if err == nil {
		err = s.log.flush(end)
	}
	if err != nil {
		return s.fail(err)
	}
	return failures.Err()
}

// Complete implements [claim.Claimer].
func (s *Store) Complete(ctx context.Context, leases []claim.Lease) error {
	if err := s.enter(ctx, "complete"); err != nil {
		return err
	}
	defer s.leave()
	if len(leases) == 0 {
		return nil
	}
	var end int64
	var unknown []int // whose lease is not live: completed before, or lost
	base := 0
	s.mu.Lock()
	// Where segments are written more slowly than keys are finished, wait.
	for s.frozen != nil && s.full() && s.err() == nil {
		s.spilled.Wait()
	}
	if err := s.err(); err != nil {
		s.mu.Unlock()
		return err
	}
	at := s.clock.Now() / int64(time.Millisecond)
	for part := range slices.Chunk(leases, entryKeys) {
		end = s.log.append(func(b []byte) []byte {
			b = binary.AppendVarint(append(b, kindComplete), at)
			var last uint64
			for i, l := range part {
				g, ok := s.table.Complete(l)
				if !ok {
					unknown = append(unknown, base+i)
					continue
				}
				s.recent.set(l.Key, finish{g.ID, at})
				b = appendText(b, l.Key)
				b = binary.AppendVarint(b, int64(g.ID-last))
				last = g.ID
			}
			return b
		})
		base += len(part)
	}
	err := s.freezeIfFull()
	s.mu.Unlock()
	if err != nil {
		return s.fail(err)
	}
	var failures lease.Failures
	for _, i := range unknown {
		f, err := s.finishOf(leases[i].Key)
		if err != nil {
			return s.fail(err)
		}
		if f.forgotten() || f.grant != lease.GrantOf(leases[i].Token) {
			failures.Add(i, lease.Lost("complete", leases[i].Key))
		}
	}
	// Also where all were completed before: that may still be on its way.
	if err := s.durable(end); err != nil {
		return err
	}
	return failures.Err()
}

// finishOf returns how key was finished; if it is not, as if forgotten.
func (s *Store) finishOf(key string) (finish, error) {
	s.mu.Lock()
	f, known := s.recently(key)
	v := s.viewLocked()
	s.mu.Unlock()
	defer v.release()
	if known {
		return f, nil
	}
	fi := s.finder()
	defer s.done(fi, v)
	f, _, err := fi.find(v, key)
	return f, err
}

// Release implements [claim.Claimer].
func (s *Store) Release(ctx context.Context, returns []claim.Return) error {
	if err := s.enter(ctx, "release"); err != nil {
		return err
	}
	defer s.leave()
	if len(returns) == 0 {
		return nil
	}
	var failures lease.Failures
	var end int64
	base := 0
	s.mu.Lock()
	now := s.clock.Now()
	for part := range slices.Chunk(returns, entryKeys) {
		end = s.log.append(func(b []byte) []byte {
			b = append(b, kindRelease)
			for i, r := range part {
				changed, err := s.table.Release(r, now)
				failures.Add(base+i, err)
				if !changed {
					continue
				}
				e, _ := s.table.Entry(r.Lease.Key)
				b = appendText(b, r.Lease.Key)
				b = binary.AppendUvarint(b, uint64(e.Attempt))
				b = binary.AppendVarint(b, e.Expires)
				b = appendText(b, e.Progress())
				b = appendText(b, e.Reason())
			}
			return b
		})
		base += len(part)
	}
	err := s.freezeIfFull()
	s.mu.Unlock()
	if err != nil {
		return s.fail(err)
	}
	if err := s.durable(end); err != nil {
		return err
	}
	return failures.Err()
}

// Forget implements [claim.Inspector]. It is durable before it returns.
func (s *Store) Forget(ctx context.Context, keys []string) error {
	if err := s.enter(ctx, "forget"); err != nil {
		return err
	}
	defer s.leave()
	if len(keys) == 0 {
		return nil
	}
	results := make([]claim.Result, len(keys))
	if err := s.lookUp(keys, results); err != nil { // returns with s.mu held
		return err
	}
	var end int64
	base := 0
	for part := range slices.Chunk(keys, entryKeys) {
		end = s.log.append(func(b []byte) []byte {
			b = append(b, kindForget)
			for i, key := range part {
				f, known := s.recently(key)
				if known && f.forgotten() || !known && results[base+i].Status != claim.Done {
					continue
				}
				s.recent.set(key, finish{})
				b = appendText(b, key)
			}
			return b
		})
		base += len(part)
	}
	err := s.freezeIfFull()
	s.mu.Unlock()
	if err != nil {
		return s.fail(err)
	}
	return s.durable(end)
}
