package s3

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/claim/internal/storeclock"
)

// inVain is the share of keys that could not be had, 1 in so many, from which
// the next call reads before it writes. A read costs a twelfth of a write.
const inVain = 12

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
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	token := rand.Text()
	grant := func(v version, now storeclock.Reading) (record, bool) {
		r := v.record
		switch {
		case r.State == stateFinished:
			return r, false
		case r.held() && string(r.Nonce) == nonce:
			// Granted to this same call before its answer was lost.
		case v.etag != "" && r.Expires > now.Earliest:
			return r, false
		default:
			r.State = stateProcessing
			r.Token, r.Nonce, r.Owner = token, text(nonce), words(owner)
			r.Claimed = now.Middle()
			r.Attempt++
		}
		r.Expires = now.After(ttl)
		return r, true
	}
	readFirst := s.wroteInVain.Load()
	block := fanout.NewBlock(keys)
	err := fanout.Each(ctx, "s3: claim", len(block.Open), s.parallel, func(ctx context.Context, i int) error {
		var guess *version
		if !readFirst {
			guess = &version{} // that nobody knows the key
		}
		v, wrote, err := s.swap(ctx, "claim", block.Open[i], guess, grant)
		switch {
		case err != nil:
			return err
		case wrote:
			block.Results[i] = claim.Result{Status: claim.Granted, Lease: v.record.lease()}
		case v.record.State == stateFinished:
			block.Results[i].Status = claim.Done
		default:
			block.Results[i].Status = claim.Held
		}
		return nil
	})
	results, err := block.Answer(err)
	if results != nil {
		s.wroteInVain.Store(fanout.InVain(results, inVain))
	}
	return results, err
}
