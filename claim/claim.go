// Package claim makes sure that, across any number of workers, at most one
// works on an object at a time and nobody works on it again once it is done.
//
// A claim is a lease on an object's key, proven by a token. It is decided by
// one atomic step in a claim store ([Claimer]); every later step is fenced by
// the token. Drivers live in sub-packages: claim/memory for one process,
// claim/disk for one machine. Anyone's driver can prove itself with
// claim/claimtest.
//
// Workers do not call a Claimer by hand: a [Keeper] claims keys in blocks,
// keeps the leases alive and knows at any moment how long each still holds.
package claim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Status is the answer to the wish to claim one key.
type Status uint8

const (
	// Granted means that the caller now holds the lease.
	Granted Status = iota + 1
	// Held means that the key cannot be had now: somebody else holds a live
	// lease, or it was released with a delay that has not passed.
	Held
	// Done means that the key was completed: never to be worked on again.
	Done
)

// String returns the lower-case name of the status.
func (s Status) String() string {
	switch s {
	case Granted:
		return "granted"
	case Held:
		return "held"
	case Done:
		return "done"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Lease is the right to work on one key, until it expires.
type Lease struct {
	// Key is the claimed key: any non-empty string of at most [MaxKeyBytes].
	Key string
	// Token proves the lease. No other grant of this key ever had it.
	Token string
	// Attempt is how often this key was taken, this time included and clean
	// releases refunded: 1 for a first try.
	Attempt int
	// Progress is what the last holder stored with Extend or Release: opaque to
	// the store, at most [MaxProgressBytes], empty at first.
	Progress string
}

const (
	// MaxKeyBytes is the longest key that every store must take. It leaves
	// room below DynamoDB's 2,048 bytes of partition key.
	MaxKeyBytes = 1536
	// MaxProgressBytes is the longest progress that every store must take.
	MaxProgressBytes = 4096
)

// Result is the answer for one key of a Claim call.
type Result struct {
	Status Status
	// Lease is set where Status is Granted.
	Lease Lease
}

// Return gives one lease back.
type Return struct {
	// Lease is the lease; its Progress is stored for the next holder.
	Lease Lease
	// Counted says that the attempt counts: the object failed by its own
	// fault. A clean release refunds it.
	Counted bool
	// Reason is a short text for operators, without payload. May be empty.
	Reason string
	// Delay keeps the key from being granted again for this long, by the
	// store's clock.
	Delay time.Duration
}

// Claimer is a claim store. All methods are safe for concurrent use and take
// any number of keys or leases, one round trip a call where the store allows;
// an empty list is a no-op. They must not keep the slices they are given.
//
// Errors. A [*BatchError] means that exactly the entries it lists failed. Any
// other error means that it is unknown what took effect. A store that is away
// is marked fault.Interrupted; one that can never work, fault.Fatal.
type Claimer interface {
	// Claim tries to lease each key for ttl; result i is for keys[i]. A key is
	// granted if it is not done, no live lease exists and no delay is running.
	// Expiry is judged by the store's clock where it has one. owner names the
	// worker, for operators. nonce is unique to the call: repeating the call
	// with the same nonce and keys, after a lost response, grants the same
	// leases again with the same tokens, for ttl from then on, and counts no
	// further attempt; also if they have expired, unless somebody else took the
	// key. A key listed twice in one call is granted once and held the second
	// time.
	Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]Result, error)

	// Extend makes each lease last ttl from now and stores its Progress. A
	// lease that expired but was not taken by anybody may be extended. One that
	// was lost gives [ErrLost].
	Extend(ctx context.Context, leases []Lease, ttl time.Duration) error

	// Complete marks each key as done for good, durably before it returns. It
	// may be repeated with the same token. A lease that was lost gives
	// [ErrLost], and the key is left as it is. A lease that expired but was not
	// taken by anybody may be completed.
	Complete(ctx context.Context, leases []Lease) error

	// Release gives each lease back, so that others can claim the key at once
	// (or after the delay). It may be repeated with the same token. A lease
	// that was lost gives [ErrLost].
	Release(ctx context.Context, returns []Return) error
}

// State is where a key stands, as an [Inspector] tells.
type State uint8

const (
	// Free means never claimed, released or expired.
	Free State = iota
	// Processing means that a lease exists; it may have expired.
	Processing
	// Finished means done.
	Finished
)

// Entry is all that a store knows of one key. Fields that a store does not
// keep are zero.
type Entry struct {
	Key       string
	State     State
	Owner     string
	Attempt   int
	Progress  string
	Reason    string
	ClaimedAt time.Time // when the present or last lease was granted
	Expires   time.Time // when the lease ends or ended, or a delay ends
	DoneAt    time.Time // when it was completed
}

// Counts is how many keys a store knows, by state.
type Counts struct {
	Processing int64 // live leases
	Expired    int64 // leases past their expiry
	Waiting    int64 // released, with attempts, a delay or progress on record
	Finished   int64
}

// Inspector is what operators, the checker and the archiver need of a store.
type Inspector interface {
	// Inspect returns the entry of each key, in order; unknown keys are Free.
	Inspect(ctx context.Context, keys []string) ([]Entry, error)
	// Expired lists keys whose lease expired at least grace ago and was not
	// taken over, lazily, in no order, with an error last.
	Expired(ctx context.Context, grace time.Duration) iter.Seq2[Entry, error]
	// Completed lists finished keys, lazily, in no order, with an error last.
	Completed(ctx context.Context) iter.Seq2[Entry, error]
	// Forget removes finished keys from the store; others it leaves alone. A
	// forgotten key that is still listed by a source would be processed again.
	Forget(ctx context.Context, keys []string) error
	// Count returns the number of keys by state.
	Count(ctx context.Context) (Counts, error)
}

var (
	// ErrLost is wrapped by the error of an entry whose lease is no longer the
	// caller's: it expired and was taken over, or it was given back.
	ErrLost = errors.New("lease lost")
	// ErrClosed is returned by a store that was closed.
	ErrClosed = errors.New("claim store closed")
)

// BatchError says which entries of a call failed; all others took effect.
type BatchError struct{ Failed []EntryError }

// EntryError is the error of one entry of a call.
type EntryError struct {
	Index int
	Err   error
}

// Error names the number of failed entries and the first failure.
func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "no entry failed"
	}
	return fmt.Sprintf("%d entries failed, the first: %v", len(e.Failed), e.Failed[0].Err)
}

// Unwrap returns the errors of the entries.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}
