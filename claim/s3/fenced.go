package s3

import (
	"context"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/claim/internal/storeclock"
)

// fenced replaces the object of a lease while it is the lease's. It returns the
// object as it stands at the end, and whether it was replaced.
func (s *Store) fenced(ctx context.Context, op string, l claim.Lease, next func(record, storeclock.Reading) record) (record, bool, error) {
	if !fanout.Legal(l.Key) || l.Token == "" {
		return record{}, false, nil
	}
	var guess *version
	if v, ok := s.own.get(l.Key, l.Token); ok {
		guess = &v
	}
	v, wrote, err := s.swap(ctx, op, l.Key, guess, func(v version, now storeclock.Reading) (record, bool) {
		if !v.record.held() || v.record.Token != l.Token {
			return v.record, false
		}
		return next(v.record, now), true
	})
	return v.record, wrote, err
}

// Extend implements [claim.Claimer].
func (s *Store) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	if err := lease.Begin(ctx, "extend"); err != nil || len(leases) == 0 {
		return err
	}
	if err := lease.CheckTTL("extend", ttl); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	return fanout.Each(ctx, "s3: extend", len(leases), s.parallel, func(ctx context.Context, i int) error {
		l := leases[i]
		if err := claim.CheckProgress(l); err != nil {
			return err
		}
		_, ok, err := s.fenced(ctx, "extend", l, func(r record, now storeclock.Reading) record {
			r.Expires = now.After(ttl)
			r.Progress = text(l.Progress)
			return r
		})
		if err == nil && !ok {
			err = lease.Lost("extend", l.Key)
		}
		return err
	})
}

// Complete implements [claim.Claimer].
func (s *Store) Complete(ctx context.Context, leases []claim.Lease) error {
	if err := lease.Begin(ctx, "complete"); err != nil || len(leases) == 0 {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	return fanout.Each(ctx, "s3: complete", len(leases), s.parallel, func(ctx context.Context, i int) error {
		l := leases[i]
		r, ok, err := s.fenced(ctx, "complete", l, func(r record, now storeclock.Reading) record {
			r.State, r.Finished = stateFinished, now.Middle()
			r.Nonce, r.Expires, r.Progress, r.Reason = "", 0, "", ""
			return r
		})
		if err == nil && !ok && !(r.State == stateFinished && r.Token == l.Token) {
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
	if err := s.ready(ctx); err != nil {
		return err
	}
	return fanout.Each(ctx, "s3: release", len(returns), s.parallel, func(ctx context.Context, i int) error {
		back := returns[i]
		if err := claim.CheckProgress(back.Lease); err != nil {
			return err
		}
		r, ok, err := s.fenced(ctx, "release", back.Lease, func(r record, now storeclock.Reading) record {
			r.State, r.Nonce, r.Expires = stateFree, "", 0
			if back.Delay > 0 {
				r.Expires = now.After(back.Delay)
			}
			if !back.Counted {
				r.Attempt--
			}
			r.Progress, r.Reason = text(back.Lease.Progress), words(back.Reason)
			return r
		})
		if err == nil && !ok && !(r.State == stateFree && r.Token == back.Lease.Token) {
			err = lease.Lost("release", back.Lease.Key)
		}
		return err
	})
}
