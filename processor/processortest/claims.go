package processortest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// ErrAway is the error of a claim store in an outage.
var ErrAway = fault.Interrupted(errors.New("service is away"))

// Call is a method of [claim.Claimer].
type Call string

// The methods of [claim.Claimer].
const (
	CallClaim    Call = "claim"
	CallExtend   Call = "extend"
	CallComplete Call = "complete"
	CallRelease  Call = "release"
)

// Claims puts faults in front of a claim store, and keeps what is asked of it
// in view. It is safe for concurrent use.
type Claims struct {
	// Claimer is the store behind. Required.
	Claimer claim.Claimer
	// OnCall is called before each call with the keys concerned. With an error
	// the call fails, after it took effect if lost is true. Defaults to nothing.
	OnCall func(ctx context.Context, call Call, keys []string) (err error, lost bool)

	mu       sync.Mutex
	attempts map[string]int
	progress map[string]string
}

var _ claim.Claimer = (*Claims)(nil)

// Attempts returns the highest attempt with which key was granted.
func (c *Claims) Attempts(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attempts[key]
}

// Progress returns the progress that was last stored for key.
func (c *Claims) Progress(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.progress[key]
}

func (c *Claims) around(ctx context.Context, call Call, keys []string, op func() error) error {
	var err error
	var lost bool
	if c.OnCall != nil && len(keys) > 0 {
		err, lost = c.OnCall(ctx, call, keys)
	}
	if err != nil && !lost {
		return err
	}
	if opErr := op(); opErr != nil {
		return opErr
	}
	return err
}

// Claim implements [claim.Claimer].
func (c *Claims) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) (results []claim.Result, err error) {
	err = c.around(ctx, CallClaim, keys, func() (err error) {
		results, err = c.Claimer.Claim(ctx, owner, nonce, keys, ttl)
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts == nil {
		c.attempts = map[string]int{}
	}
	for _, r := range results {
		c.attempts[r.Lease.Key] = max(c.attempts[r.Lease.Key], r.Lease.Attempt)
	}
	return results, err
}

// Extend implements [claim.Claimer].
func (c *Claims) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	return c.around(ctx, CallExtend, keysOf(leases), func() error {
		c.note(leases)
		return c.Claimer.Extend(ctx, leases, ttl)
	})
}

// Complete implements [claim.Claimer].
func (c *Claims) Complete(ctx context.Context, leases []claim.Lease) error {
	return c.around(ctx, CallComplete, keysOf(leases), func() error { return c.Claimer.Complete(ctx, leases) })
}

// Release implements [claim.Claimer].
func (c *Claims) Release(ctx context.Context, returns []claim.Return) error {
	leases := make([]claim.Lease, len(returns))
	for i, r := range returns {
		leases[i] = r.Lease
	}
	return c.around(ctx, CallRelease, keysOf(leases), func() error {
		c.note(leases)
		return c.Claimer.Release(ctx, returns)
	})
}

func (c *Claims) note(leases []claim.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress == nil {
		c.progress = map[string]string{}
	}
	for _, l := range leases {
		c.progress[l.Key] = l.Progress
	}
}

func keysOf(leases []claim.Lease) []string {
	keys := make([]string, len(leases))
	for i, l := range leases {
		keys[i] = l.Key
	}
	return keys
}
