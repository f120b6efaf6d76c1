package dynamodb

import (
	"context"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

// What a later step may do with the progress on record.
type progressRule bool

const (
	keepProgress progressRule = false
	setProgress  progressRule = true
)

// Extend implements [claim.Claimer].
func (s *Store) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := lease.Begin(ctx, "extend"); err != nil || len(leases) == 0 {
		return err
	}
	if err := lease.CheckTTL("extend", ttl); err != nil {
		return err
	}
	return fanout.Each(ctx, "dynamodb: extend", len(leases), s.parallel, func(ctx context.Context, i int) error {
		l := leases[i]
		if !fanout.Legal(l.Key) {
			return lease.Lost("extend", l.Key)
		}
		if err := claim.CheckProgress(l); err != nil {
			return err
		}
		_, ok, err := s.renew(ctx, "extend", l, ttl, setProgress)
		if err == nil && !ok {
			err = lease.Lost("extend", l.Key)
		}
		return err
	})
}

// renew makes a lease last ttl from now. It reports false for a lease that was
// lost.
func (s *Store) renew(ctx context.Context, op string, l claim.Lease, d time.Duration, rule progressRule) (item, bool, error) {
	for range rounds {
		now, err := s.now(ctx)
		if err != nil {
			return item{}, false, err
		}
		expires := now.After(d)
		c := change{
			key:       l.Key,
			set:       "SET x = :expires, e = :ttl",
			condition: "t = :token AND attribute_exists(n)",
			values: attributes{
				":token": blob(l.Token), ":expires": integer(expires), ":ttl": integer(ttl(expires, s.keep)),
			},
		}
		switch {
		case rule == keepProgress:
		case l.Progress == "":
			c.set += " REMOVE p"
		default:
			c.set += ", p = :progress"
			c.values[":progress"] = blob(l.Progress)
		}
		attrs, ok, err := s.apply(ctx, op, c)
		if err != nil || !ok {
			return item{}, false, err
		}
		if !s.clock.Behind(now) {
			it, err := read(attrs)
			return it, err == nil, err
		}
	}
	return item{}, false, errUnsteady(op, l.Key)
}

// Complete implements [claim.Claimer].
func (s *Store) Complete(ctx context.Context, leases []claim.Lease) error {
	if err := lease.Begin(ctx, "complete"); err != nil || len(leases) == 0 {
		return err
	}
	return fanout.Each(ctx, "dynamodb: complete", len(leases), s.parallel, func(ctx context.Context, i int) error {
		l := leases[i]
		if !fanout.Legal(l.Key) {
			return lease.Lost("complete", l.Key)
		}
		now, err := s.now(ctx)
		if err != nil {
			return err
		}
		c := change{
			key:       l.Key,
			set:       "SET d = if_not_exists(d, :at) REMOVE n, x, p, r, e",
			condition: "t = :token AND (attribute_exists(n) OR attribute_exists(d))",
			values:    attributes{":token": blob(l.Token), ":at": integer(now.Middle())},
		}
		if s.keepFinished > 0 {
			c.set = "SET d = if_not_exists(d, :at), e = :ttl REMOVE n, x, p, r"
			c.values[":ttl"] = integer(ttl(now.Latest, s.keepFinished))
		}
		_, ok, err := s.apply(ctx, "complete", c)
		if err == nil && !ok {
			err = lease.Lost("complete", l.Key)
		}
		return err
	})
}

// Release implements [claim.Claimer].
func (s *Store) Release(ctx context.Context, returns []claim.Return) error {
	if err := lease.Begin(ctx, "release"); err != nil || len(returns) == 0 {
		return err
	}
	return fanout.Each(ctx, "dynamodb: release", len(returns), s.parallel, func(ctx context.Context, i int) error {
		r := returns[i]
		if !fanout.Legal(r.Lease.Key) {
			return lease.Lost("release", r.Lease.Key)
		}
		if err := claim.CheckProgress(r.Lease); err != nil {
			return err
		}
		return s.giveBack(ctx, r)
	})
}

// giveBack releases one lease.
func (s *Store) giveBack(ctx context.Context, r claim.Return) error {
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	until := now.After(r.Delay)
	set, remove := "SET e = :ttl", " REMOVE n"
	values := attributes{":token": blob(r.Lease.Token), ":ttl": integer(ttl(until, s.keep))}
	if r.Delay > 0 {
		set += ", x = :until"
		values[":until"] = integer(until)
	} else {
		remove += ", x"
	}
	if !r.Counted {
		set += ", a = a - :one"
		values[":one"] = integer(1)
	}
	if r.Lease.Progress != "" {
		set += ", p = :progress"
		values[":progress"] = blob(r.Lease.Progress)
	} else {
		remove += ", p"
	}
	if r.Reason != "" {
		set += ", r = :reason"
		values[":reason"] = words(r.Reason)
	} else {
		remove += ", r"
	}
	attrs, ok, err := s.apply(ctx, "release", change{
		key:       r.Lease.Key,
		set:       set + remove,
		condition: "t = :token AND attribute_exists(n)",
		values:    values,
	})
	if err != nil || ok {
		return err
	}
	it, err := read(attrs)
	if err != nil {
		return err
	}
	if it.token == r.Lease.Token && r.Lease.Token != "" && !it.finished {
		return nil // released before
	}
	return lease.Lost("release", r.Lease.Key)
}
