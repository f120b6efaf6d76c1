package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// Outcome is what became of an object that an operator wanted to set right.
type Outcome struct {
	Key string
	// Did is what was done, or why nothing was.
	Did Did
	// Parts is how many parts of the failed destination were brought back, or
	// deleted because their object is processed again.
	Parts int `json:",omitempty"`
	// Owner and Expires are those of the worker that has it, where Did is
	// [DidNothingHeld].
	Owner   string    `json:",omitempty"`
	Expires time.Time `json:",omitzero"`
}

// Did is what was done about an object.
type Did string

const (
	// DidRelease means that any worker can claim it now. It goes on where the
	// last one left off, and its attempts stay counted.
	DidRelease Did = "released"
	// DidRetry means that what failed of it is in the retry destination, with no
	// attempts on record.
	DidRetry Did = "records to be tried again"
	// DidForget means that it is new again: all of it will be processed, also
	// what was delivered before.
	DidForget Did = "to be processed again"
	// DidNothingHeld means that a worker has it, or that it was given back not to
	// be taken before a certain time: nothing was changed.
	DidNothingHeld Did = "held"
	// DidNothingFinished means that it is finished, and nothing of it is in the
	// failed destination: nothing was changed.
	DidNothingFinished Did = "finished"
	// DidNothingNew means that nobody has claimed it: nothing was changed.
	DidNothingNew Did = "new"
	// DidNothingGone means that it would have to be processed again and is not in
	// the source any more: nothing was changed.
	DidNothingGone Did = "not in the source"
)

// Done reports whether the object is as the operator wanted it.
func (d Did) Done() bool { return d == DidRelease || d == DidRetry || d == DidForget }

// operatorLease is how long an operator's own claim lasts, should it not be
// given back.
const operatorLease = time.Minute

// Release gives objects back whose worker died, without waiting for a [Check].
// Attempts and progress stay. A lease that is alive is never taken, and there is
// no way to do so: nobody can tell a worker that is slow from one that died, and
// two would send the same records. Whoever knows better stops the worker, or
// waits for the end of the lease.
func Release(ctx context.Context, cfg InspectConfig, keys ...string) ([]Outcome, error) {
	d, err := newDesk(cfg)
	if err != nil {
		return nil, err
	}
	return d.release(ctx, keys)
}

// desk is an inspection that may change something.
type desk struct {
	*inspection
	claims Claims
	owner  string
	calls  int // of Claim, for nonces
}

func newDesk(cfg InspectConfig) (*desk, error) {
	in, err := cfg.open()
	if err != nil {
		return nil, err
	}
	claims, ok := cfg.Claims.(Claims)
	if !ok {
		return nil, fault.Fatal(errors.New("Claims: the store is open for reading only"))
	}
	return &desk{inspection: in, claims: claims, owner: newOwner("operator")}, nil
}

func (d *desk) release(ctx context.Context, keys []string) ([]Outcome, error) {
	stories, err := d.explain(ctx, keys)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, 0, len(keys))
	for _, s := range stories {
		o, err := d.releaseOne(ctx, &s)
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

func (d *desk) releaseOne(ctx context.Context, s *Story) (Outcome, error) {
	o := Outcome{Key: s.Key}
	switch s.Standing {
	case StandingNew:
		o.Did = DidNothingNew
		return o, nil
	case StandingFinished:
		o.Did = DidNothingFinished
		return o, nil
	case StandingProcessing, StandingExpired, StandingWaiting:
	}
	res, err := d.claim(ctx, s)
	if err != nil {
		return o, err
	}
	switch res.Status {
	case claim.Held:
		o.Did, o.Owner, o.Expires = DidNothingHeld, s.Owner, s.Expires
		return o, nil
	case claim.Done:
		o.Did = DidNothingFinished
		return o, nil
	case claim.Granted:
	}
	o.Did = DidRelease
	if err := d.claims.Release(ctx, []claim.Return{{Lease: res.Lease, Reason: s.Reason}}); err != nil {
		return o, fmt.Errorf("release %s: %w", s.Key, err)
	}
	return o, nil
}

// claim asks for one object as a worker does.
func (d *desk) claim(ctx context.Context, s *Story) (claim.Result, error) {
	d.calls++
	nonce := fmt.Sprintf("%s#%d", d.owner, d.calls)
	results, err := d.claims.Claim(ctx, d.owner, nonce, []string{s.claimKey}, operatorLease)
	if err != nil {
		return claim.Result{}, fmt.Errorf("claim %s: %w", s.Key, err)
	}
	return results[0], nil
}
