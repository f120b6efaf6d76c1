package completion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// Store keeps what is known of sets. Drivers count and compare; what is to be done
// is decided here. Package completiontest checks one.
//
// All methods may be called by any number of goroutines and processes at once. They
// obey ctx. An error marked [fault.ClassInterrupted] means that the store is away:
// whether the call took effect is open, and it may be repeated. Sets and arrivals
// were checked by the caller ([Set.Check], [Arrival.Check]).
type Store interface {
	// Arrive counts those of the arrivals whose keys the set does not know yet, and
	// remembers the keys. No two of them have the same key. Key and count change in
	// one atomic step for each arrival, so that none is ever counted twice, or known
	// and not counted; after an error some may be counted. It returns how many
	// this call is known to have counted.
	Arrive(ctx context.Context, set Set, arrivals []Arrival) (counted int, err error)

	// Look returns what is known of a set, the zero Record where that is nothing. It
	// sees every call that has returned before it began.
	Look(ctx context.Context, set Set) (Record, error)

	// Swap replaces the status of a set in one atomic step, if it still has the
	// edition of c, and reports whether it did. Arrivals change no edition.
	Swap(ctx context.Context, set Set, c Change) (bool, error)

	// Missing returns those of the keys that the set does not know, in their order. No
	// two of them are the same.
	// What has arrived before it began is never missing.
	Missing(ctx context.Context, set Set, keys []string) ([]string, error)
}

// Record is what a store knows of a set.
type Record struct {
	Count Count
	// Edition counts the swaps of Status: 0 where there was none.
	Edition int64
	Status  Status
}

// Change is a swap of a status for another.
type Change struct {
	// Edition is that of the status to be replaced. The new one has the next.
	Edition int64
	// Arrivals, unless it is [Any], is the number of arrivals that must have been
	// counted, no more and no less.
	Arrivals int64
	To       Status
}

// Any is no condition, for [Change.Arrivals].
const Any = -1

// Status is how far a set has come. It belongs to this package: drivers keep it as
// the text of [Status.Encode].
type Status struct {
	// Opened is when it was first looked at, by the clock of who did.
	Opened time.Time `json:"opened,omitzero"`
	// Started says that observers have been started by a [Monitor].
	Started bool `json:"started,omitempty"`
	// Reopened counts how often the set was reopened.
	Reopened int `json:"reopened,omitempty"`
	// Decision closes the set; nil while it is open.
	Decision *Decision `json:"decision,omitempty"`
	// Holder is the token of the observer that is calling back, empty while none is,
	// and Lease for how long it may be.
	Holder string        `json:"holder,omitempty"`
	Lease  time.Duration `json:"lease,omitempty"`
	// Attempts counts the calls back that were begun.
	Attempts int `json:"attempts,omitempty"`
	// Fired says that the callback has succeeded.
	Fired bool `json:"fired,omitempty"`
	// Told is the size of the count up to which late arrivals have been told of.
	Told int64 `json:"told,omitempty"`
}

// Encode returns the status as a text for stores, empty for the zero Status.
func (s Status) Encode() (string, error) {
	if s == (Status{}) {
		return "", nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("completion: encode status: %w", err)
	}
	return string(text), nil
}

// DecodeStatus reads the text of [Status.Encode].
func DecodeStatus(text string) (Status, error) {
	var s Status
	if text == "" {
		return s, nil
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return Status{}, fault.Fatal(fmt.Errorf("completion: the store holds no status of a set: %w", err))
	}
	if s.Fired && s.Decision == nil {
		return Status{}, fault.Fatal(errors.New("completion: the store holds a set that has completed without a decision"))
	}
	return s, nil
}
