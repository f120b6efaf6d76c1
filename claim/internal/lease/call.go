package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// Begin is the error of a call that must not start, because its context ended.
func Begin(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(fmt.Errorf("%s: %w", op, err))
	}
	return nil
}

// CheckTTL is the error of a lease that would never live.
func CheckTTL(op string, ttl time.Duration) error {
	if ttl <= 0 {
		return fault.Fatal(fmt.Errorf("%s: ttl is %v: want more than 0", op, ttl))
	}
	return nil
}

// CheckNonce is the error of a Claim call without a nonce.
func CheckNonce(nonce string) error {
	if nonce == "" {
		return fault.Fatal(errors.New("claim: nonce is empty"))
	}
	return nil
}

// Failures collects the entries of a call that failed.
type Failures struct{ failed []claim.EntryError }

// Add notes that entry i failed, if err is not nil.
func (f *Failures) Add(i int, err error) {
	if err != nil {
		f.failed = append(f.failed, claim.EntryError{Index: i, Err: err})
	}
}

// Err returns a *claim.BatchError, or nil if no entry failed.
func (f *Failures) Err() error {
	if len(f.failed) == 0 {
		return nil
	}
	return &claim.BatchError{Failed: f.failed}
}
