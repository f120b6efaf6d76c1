package redis

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

const (
	// scanned is about how many leases one run of the scan script looks at.
	scanned = 1000
	// dumped is how many buckets are read in one round trip.
	dumped = 64
)

// Inspect implements [claim.Inspector]. A name that is answered as done for
// its age alone is Finished, with a reason that says so.
func (s *Store) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if err := lease.Begin(ctx, "inspect"); err != nil || len(keys) == 0 {
		return nil, err
	}
	c := s.newCall("inspect", inspectScript, base, s.horizonText())
	entries := make([]claim.Entry, len(keys))
	for i, key := range keys {
		entries[i].Key = key
		if key == "" {
			continue // never claimed, and the name of filler
		}
		n, bucket := s.layout.place(key)
		time, period := s.age(key)
		r := c.add(i, n)
		r.keys = append(r.keys, s.layout.shards[n].bucket(period, bucket))
		r.args = append(r.args, key, time)
	}
	if err := c.whole(ctx); err != nil {
		return nil, err
	}
	for _, r := range c.requests {
		if len(r.answer) != len(r.entries) {
			return nil, malformed("inspect")
		}
		for n, i := range r.entries {
			if !describe(&entries[i], r.answer[n]) {
				return nil, malformed("inspect")
			}
		}
	}
	return entries, nil
}

// whole runs a call that has failed where any part of it has.
func (c *call) whole(ctx context.Context) error {
	if err := c.store.begin(ctx, c.op, c.requests); err != nil {
		return err
	}
	for _, r := range c.requests {
		if r.err != nil {
			return fmt.Errorf("%s: %w", c.op, r.err)
		}
	}
	return nil
}

// describe reads what the inspect script answers for one name, and reports whether
// it makes sense.
func describe(e *claim.Entry, answer any) bool {
	switch a := answer.(type) {
	case int64:
		if a == 1 {
			e.State = claim.Finished
			e.Reason = "older than the horizon"
		}
		return true
	case string:
		if len(a) == doneBytes {
			describeDone(e, a)
			return true
		}
		return unpackLease(e, a)
	}
	return false
}

// doneBytes is the length of what is kept of a processed name: attempt, token
// in 7 bytes, Unix time in s.
const doneBytes = 12

// describeDone reads what is kept of a processed name.
func describeDone(e *claim.Entry, kept string) {
	token := binary.BigEndian.Uint64([]byte(kept[:8])) & (1<<56 - 1)
	e.State = claim.Finished
	e.Attempt = int(kept[0])
	e.ClaimedAt = time.UnixMicro(int64(token)) // a token is a time
	e.DoneAt = time.Unix(int64(binary.BigEndian.Uint32([]byte(kept[8:]))), 0)
}

// unpackLease reads a lease as it is kept: whether it is held, attempt, expires,
// token, owner, nonce, progress and reason (see prelude.lua).
func unpackLease(e *claim.Entry, kept string) bool {
	const fixed = 1 + 4 + 8 + 8
	if len(kept) < fixed {
		return false
	}
	if kept[0] == 1 {
		e.State = claim.Processing
	}
	e.Attempt = int(binary.BigEndian.Uint32([]byte(kept[1:])))
	e.Expires = time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(kept[5:]))))
	e.ClaimedAt = time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(kept[13:]))))
	var nonce string
	kept = kept[fixed:]
	for _, field := range []*string{&e.Owner, &nonce, &e.Progress, &e.Reason} {
		if len(kept) < 4 {
			return false
		}
		n := binary.BigEndian.Uint32([]byte(kept))
		if kept = kept[4:]; uint64(n) > uint64(len(kept)) {
			return false
		}
		*field, kept = kept[:n], kept[n:]
	}
	return kept == ""
}

// describeLease reads attempt, expires, token, owner, progress and reason.
func describeLease(e *claim.Entry, a []any) {
	e.Attempt = int(number(a[0]))
	e.Expires = time.UnixMicro(number(a[1]))
	e.ClaimedAt = time.UnixMicro(number(a[2])) // a token is a time
	e.Owner, _ = a[3].(string)
	e.Progress, _ = a[4].(string)
	e.Reason, _ = a[5].(string)
}

// page is what the scan script answers.
type page struct {
	live, expired, waiting int64
	found                  []any
}

// scan looks at all leases of the store. A lease that comes or goes meanwhile
// may be missed, and one that stays may be found twice.
func (s *Store) scan(ctx context.Context, op, grace string, visit func(page) bool) error {
	for i := range s.layout.shards {
		cursor := "0"
		for {
			if err := lease.Begin(ctx, op); err != nil {
				return err
			}
			r := &request{
				script: scanScript,
				keys:   base(&s.layout.shards[i]),
				args:   []any{s.layout.text, cursor, scanned, grace},
			}
			if err := s.begin(ctx, op, []*request{r}); err != nil {
				return err
			}
			if r.err != nil {
				return fmt.Errorf("%s: %w", op, r.err)
			}
			if len(r.answer) != 5 {
				return malformed(op)
			}
			p := page{live: number(r.answer[1]), expired: number(r.answer[2]), waiting: number(r.answer[3])}
			p.found, _ = r.answer[4].([]any)
			if !visit(p) {
				return nil
			}
			if cursor, _ = r.answer[0].(string); cursor == "0" || cursor == "" {
				break
			}
		}
	}
	return nil
}

// Expired implements [claim.Inspector]. Whether a lease has expired is judged
// by the server when the lease is come upon.
func (s *Store) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		seen := make(map[string]bool)
		stopped := false
		err := s.scan(ctx, "list expired leases", strconv.FormatInt(span(grace), 10), func(p page) bool {
			for _, found := range p.found {
				a, _ := found.([]any)
				if len(a) != 7 {
					continue
				}
				e := claim.Entry{State: claim.Processing}
				e.Key, _ = a[0].(string)
				if seen[e.Key] {
					continue
				}
				seen[e.Key] = true
				describeLease(&e, a[1:])
				if !yield(e, nil) {
					stopped = true
					return false
				}
			}
			return true
		})
		if err != nil && !stopped {
			yield(claim.Entry{}, err)
		}
	}
}

// Completed implements [claim.Inspector]. It reads the store bucket by bucket,
// from replicas where the client's option ReadOnly is set: what it lists was
// true when the replica heard of it.
func (s *Store) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		for i := range s.layout.shards {
			counts, err := s.periods(ctx, "list completed", i)
			if err != nil {
				yield(claim.Entry{}, err)
				return
			}
			for period := range counts {
				for from := uint32(0); from < s.layout.buckets; from += dumped {
					entries, err := s.dump(ctx, &s.layout.shards[i], period, from, min(from+dumped, s.layout.buckets))
					if err != nil {
						yield(claim.Entry{}, err)
						return
					}
					for _, e := range entries {
						if !yield(e, nil) {
							return
						}
					}
				}
			}
		}
	}
}

// dump reads the buckets of a period from one number to before another.
func (s *Store) dump(ctx context.Context, sh *shard, period string, from, to uint32) ([]claim.Entry, error) {
	const op = "list completed"
	if err := lease.Begin(ctx, op); err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	commands := make([]*redis.MapStringStringCmd, 0, to-from)
	for b := from; b < to; b++ {
		commands = append(commands, pipe.HGetAll(ctx, sh.bucket(period, b)))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	var entries []claim.Entry
	for _, c := range commands {
		names, err := c.Result()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, s.classify(ctx, err))
		}
		for name, value := range names {
			if len(value) != doneBytes {
				return nil, malformed(op)
			}
			e := claim.Entry{Key: name}
			describeDone(&e, value)
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// periods returns the number of processed names in each period of a shard.
func (s *Store) periods(ctx context.Context, op string, shard int) (map[string]int64, error) {
	if err := lease.Begin(ctx, op); err != nil {
		return nil, err
	}
	r := &request{
		script: periodsScript,
		keys:   withDone(&s.layout.shards[shard]),
		args:   []any{s.layout.text, s.periodText(), s.horizonText()},
	}
	if err := s.begin(ctx, op, []*request{r}); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, fmt.Errorf("%s: %w", op, r.err)
	}
	counts := make(map[string]int64, len(r.answer))
	for _, answer := range r.answer {
		a, _ := answer.([]any)
		if len(a) != 2 {
			return nil, malformed(op)
		}
		period, _ := a[0].(string)
		counts[period] = number(a[1])
	}
	return counts, nil
}

// Forget implements [claim.Inspector].
func (s *Store) Forget(ctx context.Context, keys []string) error {
	if err := lease.Begin(ctx, "forget"); err != nil || len(keys) == 0 {
		return err
	}
	c := s.newCall("forget", forgetScript, withDone)
	for i, key := range keys {
		n, bucket := s.layout.place(key)
		_, period := s.age(key)
		r := c.add(i, n)
		r.keys = append(r.keys, s.layout.shards[n].bucket(period, bucket))
		r.args = append(r.args, key, period)
	}
	return c.whole(ctx)
}

// Count implements [claim.Inspector]. Processed names are counted as they come
// and go; leases are looked at, each once or, seldom, while their number grows
// fast, twice.
func (s *Store) Count(ctx context.Context) (claim.Counts, error) {
	var c claim.Counts
	for i := range s.layout.shards {
		periods, err := s.periods(ctx, "count", i)
		if err != nil {
			return claim.Counts{}, err
		}
		for _, n := range periods {
			c.Finished += n
		}
	}
	err := s.scan(ctx, "count", "", func(p page) bool {
		c.Processing += p.live
		c.Expired += p.expired
		c.Waiting += p.waiting
		return true
	})
	if err != nil {
		return claim.Counts{}, err
	}
	return c, nil
}
