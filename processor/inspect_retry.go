package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
)

// Retry has objects tried again that failed, and is as careful as it can be
// about what was delivered already:
//
//   - Records in the failed destination go back to the retry destination, with no
//     attempts on record; the rest of their object is left alone.
//   - An object of which there is a ticket, because it could not be worked on at
//     all, is forgotten by the claim store, and so processed from its beginning.
//     What was delivered of it before it failed is delivered again.
//   - With whole, that is done with each object that is finished, whether
//     anything of it failed or not: all its records are delivered again.
//   - An object that is not finished is released, as by [Release].
//
// Nothing is deleted before what replaces it is durable. A crash in between may
// leave records in both destinations, to be delivered twice if they are retried
// again, and loses none. It needs RetryURL and FailedURL, and should have the
// Source: without it an object may be forgotten that is not there any more.
func Retry(ctx context.Context, cfg InspectConfig, whole bool, keys ...string) ([]Outcome, error) {
	var errs []error
	if cfg.RetryURL == "" {
		errs = append(errs, errors.New("RetryURL: required"))
	}
	if cfg.FailedURL == "" {
		errs = append(errs, errors.New("FailedURL: required"))
	}
	d, err := newDesk(cfg)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	stories, err := d.explain(ctx, keys)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, 0, len(keys))
	for _, s := range stories {
		o, err := d.retryOne(ctx, &s, whole)
		if err != nil {
			return outcomes, fmt.Errorf("retry %s: %w", s.Key, err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

func (d *desk) retryOne(ctx context.Context, s *Story, whole bool) (Outcome, error) {
	var parts []PartStory
	ticket := false
	for _, p := range s.Parts {
		if p.Destination == fateName(failed) {
			parts = append(parts, p)
			ticket = ticket || p.Tickets > 0
		}
	}
	switch {
	case s.Standing == StandingProcessing:
		return Outcome{Key: s.Key, Did: DidNothingHeld, Owner: s.Owner, Expires: s.Expires}, nil
	case ticket, whole && s.Standing == StandingFinished:
		return d.again(ctx, s, parts)
	case len(parts) > 0:
		return d.bringBack(ctx, s, parts)
	}
	return d.releaseOne(ctx, s)
}

// again makes an object new: the claim store forgets it, and then its parts in
// the failed destination are deleted.
func (d *desk) again(ctx context.Context, s *Story, parts []PartStory) (Outcome, error) {
	o := Outcome{Key: s.Key, Did: DidForget}
	if d.Source != nil && s.Stored == nil {
		o.Did = DidNothingGone
		return o, nil
	}
	if s.Standing != StandingFinished {
		// There is a ticket, and yet it is not finished: whoever wrote that died.
		// Should this process die as well the ticket is still there.
		switch res, err := d.claim(ctx, s); {
		case err != nil:
			return o, err
		case res.Status == claim.Held:
			o.Did, o.Owner, o.Expires = DidNothingHeld, s.Owner, s.Expires
			return o, nil
		case res.Status == claim.Granted:
			if err := d.claims.Complete(ctx, []claim.Lease{res.Lease}); err != nil {
				return o, err
			}
		}
	}
	if err := d.claims.Forget(ctx, []string{s.claimKey}); err != nil {
		return o, err
	}
	for _, p := range parts {
		if err := d.place(fateName(failed)).Delete(ctx, p.Name); err != nil {
			return o, err
		}
		o.Parts++
	}
	return o, nil
}

// bringBack moves failed records to the retry destination.
func (d *desk) bringBack(ctx context.Context, s *Story, parts []PartStory) (Outcome, error) {
	o := Outcome{Key: s.Key, Did: DidRetry}
	for _, p := range parts {
		if err := d.bringBackPart(ctx, s.Key, p.Name); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue // somebody else did
			}
			return o, err
		}
		o.Parts++
	}
	return o, nil
}

// mostRecordBytes is the longest record that can be brought back: more than a
// worker takes unless it was told to.
const mostRecordBytes = 256 << 20

func (d *desk) bringBackPart(ctx context.Context, key, name string) error {
	from, to := d.place(fateName(failed)), d.place(fateName(retried))
	body, err := from.Open(ctx, name)
	if err != nil {
		return err
	}
	defer body.Close() // only read
	part, err := to.Create(ctx, key, 0)
	if err != nil {
		return err
	}
	defer part.Abort()
	var line []byte
	for env, err := range destination.ReadEnvelopes(body, mostRecordBytes) {
		switch {
		case err == nil:
			env.Attempt = 0
			line = env.Append(line[:0])
		case errors.Is(err, destination.ErrNotEnvelope) && !errors.Is(err, destination.ErrDataTooLong):
			line = append(append(line[:0], bytes.TrimSpace(env.Data)...), '\n') // a plain record
		default:
			return err
		}
		if _, err := part.Write(line); err != nil {
			return err
		}
	}
	if _, err := part.Commit(ctx); err != nil {
		return err
	}
	return from.Delete(ctx, name)
}
