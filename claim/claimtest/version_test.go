package claimtest

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/fault"
)

// versioned is a client of a store in memory that can become one of a later
// version. blind is the operation that does not notice.
type versioned struct {
	*memory.Store
	later *bool
	blind string
	class func(error) error
}

func (v *versioned) check(op string) error {
	if !*v.later || op == v.blind {
		return nil
	}
	return v.class(errors.New("a later version"))
}

func (v *versioned) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	if err := v.check("Claim"); err != nil {
		return nil, err
	}
	return v.Store.Claim(ctx, owner, nonce, keys, ttl)
}

func (v *versioned) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	return errors.Join(v.check("Extend"), v.Store.Extend(ctx, leases, ttl))
}

func (v *versioned) Complete(ctx context.Context, leases []claim.Lease) error {
	if err := v.check("Complete"); err != nil {
		failed := make([]claim.EntryError, len(leases))
		for i := range leases {
			failed[i] = claim.EntryError{Index: i, Err: err}
		}
		return &claim.BatchError{Failed: failed}
	}
	return v.Store.Complete(ctx, leases)
}

func (v *versioned) Release(ctx context.Context, returns []claim.Return) error {
	if err := v.check("Release"); err != nil {
		return err
	}
	return v.Store.Release(ctx, returns)
}

func (v *versioned) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if err := v.check("Inspect"); err != nil {
		return nil, err
	}
	return v.Store.Inspect(ctx, keys)
}

func (v *versioned) Count(ctx context.Context) (claim.Counts, error) {
	if err := v.check("Count"); err != nil {
		return claim.Counts{}, err
	}
	return v.Store.Count(ctx)
}

func (v *versioned) Forget(ctx context.Context, keys []string) error {
	if err := v.check("Forget"); err != nil {
		return err
	}
	return v.Store.Forget(ctx, keys)
}

func (v *versioned) list(op string, all iter.Seq2[claim.Entry, error]) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		if err := v.check(op); err != nil {
			yield(claim.Entry{}, err)
			return
		}
		all(yield)
	}
}

func (v *versioned) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	return v.list("Expired", v.Store.Expired(ctx, grace))
}

func (v *versioned) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return v.list("Completed", v.Store.Completed(ctx))
}

// versions is a fleet whose store can become one of a later version. The defect
// is that of the client that is opened first, or second.
func versions(first, second versioned) func() Fleet {
	return func() Fleet {
		later, store := false, memory.New()
		client := func(v versioned) *versioned {
			v.Store, v.later = store, &later
			if v.class == nil {
				v.class = fault.Fatal
			}
			return &v
		}
		return Fleet{
			Store:  client(first),
			Worker: func(testing.TB, time.Duration) claim.Claimer { return client(second) },
			Later:  func(testing.TB) { later = true },
		}
	}
}

func TestAStoreThatRefusesALaterVersionBreaksNoRule(t *testing.T) {
	require.Empty(t, fleetFailures(t, versions(versioned{}, versioned{})))
}

func TestWhoMisreadsALaterVersionBreaksTheRule(t *testing.T) {
	defects := []versioned{{class: fault.Interrupted}, {class: func(err error) error { return err }}}
	for _, op := range []string{"Claim", "Extend", "Complete", "Release", "Inspect", "Count", "Forget", "Expired", "Completed"} {
		defects = append(defects, versioned{blind: op})
	}
	for _, d := range defects {
		for _, fleet := range []func() Fleet{versions(d, versioned{}), versions(versioned{}, d)} {
			broken := fleetFailures(t, fleet)
			require.Len(t, broken, 1, "blind in %q: %v", d.blind, broken)
			require.Contains(t, broken["LaterVersion"], "broken rule: "+text("LaterVersion"))
		}
	}
}
