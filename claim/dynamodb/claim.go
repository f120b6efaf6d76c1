package dynamodb

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

// call is one Claim call.
type call struct {
	owner, nonce, token string
	ttl                 time.Duration
}

// inVain is the share of keys that could not be had, 1 in so many, from which
// the next call reads first. A read costs a tenth of a write.
const inVain = 10

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
	c := &call{owner: owner, nonce: nonce, token: rand.Text(), ttl: ttl}
	block := fanout.NewBlock(keys)
	if s.wroteInVain.Load() {
		if err := s.lookUp(ctx, c, block); err != nil {
			return nil, err
		}
	}
	if _, err := s.now(ctx); err != nil {
		return nil, err
	}
	err := fanout.Each(ctx, "dynamodb: claim", len(block.Open), s.parallel, func(ctx context.Context, i int) error {
		r, err := s.take(ctx, c, block.Open[i])
		block.Results[i] = r
		return err
	})
	results, err := block.Answer(err)
	if results != nil {
		s.wroteInVain.Store(fanout.InVain(results, inVain))
	}
	return results, err
}

// take claims one key.
func (s *Store) take(ctx context.Context, c *call, key string) (claim.Result, error) {
	for range rounds {
		now, err := s.now(ctx)
		if err != nil {
			return claim.Result{}, err
		}
		expires := now.After(c.ttl)
		attrs, ok, err := s.apply(ctx, "claim", change{
			key: key,
			set: "SET t = :token, n = :nonce, o = :owner, c = :at, x = :expires, e = :ttl, a = if_not_exists(a, :none) + :one",
			condition: "attribute_not_exists(d)" +
				" AND (attribute_not_exists(x) OR x <= :now)" +
				" AND (attribute_not_exists(n) OR n <> :nonce)",
			values: attributes{
				":token": blob(c.token), ":nonce": blob(c.nonce), ":owner": words(c.owner),
				":at": integer(now.Middle()), ":now": integer(now.Earliest),
				":expires": integer(expires), ":ttl": integer(ttl(expires, s.keep)),
				":none": integer(0), ":one": integer(1),
			},
		})
		if err != nil {
			return claim.Result{}, err
		}
		it, err := read(attrs)
		if err != nil {
			return claim.Result{}, err
		}
		switch {
		case ok && !s.clock.Behind(now):
			return claim.Result{Status: claim.Granted, Lease: it.lease(key)}, nil
		case it.finished:
			return claim.Result{Status: claim.Done}, nil
		case ok, it.held && it.nonce == c.nonce:
			// Granted by a time that was too early, or to this same call before
			// its answer was lost: the lease is renewed.
			it, ok, err = s.renew(ctx, "claim", claim.Lease{Key: key, Token: it.token}, c.ttl, keepProgress)
			if err != nil {
				return claim.Result{}, err
			}
			if ok {
				return claim.Result{Status: claim.Granted, Lease: it.lease(key)}, nil
			}
		default:
			// What the answer itself has taught of the time may be that the
			// lease has expired.
			if now, known := s.clock.Now(); known && it.expires > now.Earliest {
				return claim.Result{Status: claim.Held}, nil
			}
		}
	}
	return claim.Result{Status: claim.Held}, nil // others are quicker, time and again
}

// lookUp reads the open keys of a block and settles those that cannot be had.
func (s *Store) lookUp(ctx context.Context, c *call, b *fanout.Block) error {
	if len(b.Open) == 0 {
		return nil
	}
	parts := slices.Collect(slices.Chunk(b.Open, batchKeys))
	found := make([]map[string]item, len(parts))
	err := fanout.Each(ctx, "dynamodb: claim", len(parts), s.parallel, func(ctx context.Context, i int) error {
		var err error
		found[i], err = s.batchGet(ctx, parts[i], false)
		return err
	})
	if err != nil {
		return fanout.Whole("dynamodb: claim", err)
	}
	now, err := s.now(ctx)
	if err != nil {
		return err
	}
	for i := range parts {
		for key, it := range found[i] {
			switch {
			case it.finished:
				b.Settle(key, claim.Done)
			case it.held && it.nonce == c.nonce:
				// Ours, by a request whose answer was lost.
			case it.expires > now.Earliest:
				b.Settle(key, claim.Held)
			}
		}
	}
	b.Reopen()
	return nil
}
