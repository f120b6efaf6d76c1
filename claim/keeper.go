package claim

import (
	"context"
	"sync/atomic"
	"time"
)

// KeeperConfig configures a [Keeper].
type KeeperConfig struct {
	// Owner names the worker in the store, for operators. Required.
	Owner string
	// TTL is how long a lease lasts without a heartbeat. Defaults to 1 minute.
	TTL time.Duration
	// Beat is the time between heartbeats. Defaults to TTL/4; must be below
	// TTL/2.
	Beat time.Duration
}

// Keeper holds the leases of one worker process: it claims blocks of keys,
// extends all leases in one round trip a heartbeat, and tells how long each
// still holds. It is safe for concurrent use.
type Keeper struct {
	_ atomic.Int64
}

// Block is the outcome of one Claim call: a result for each key. The leases
// granted in it are kept alive until each is completed, released or lost.
type Block struct {
	// Results is the store's answer, in the order of the keys. Read-only.
	Results []Result
}

// Hold names one lease: the i-th result of a block.
type Hold struct {
	Block *Block
	Index int
}

// NewKeeper returns a keeper of leases in c. It starts nothing.
func NewKeeper(c Claimer, cfg KeeperConfig) (*Keeper, error) { panic("to be written") }

// Run sends heartbeats until ctx ends, and then returns nil. A heartbeat that
// fails is tried again sooner; leases that the store says are lost are marked
// so. It returns a fatal error of the store at once.
func (k *Keeper) Run(ctx context.Context) error { panic("to be written") }

// Claim claims keys as one block. Lease time counts, on the local monotonic
// clock, from before the request left. A failed request may be repeated: the
// same Keeper call made again uses a new nonce, so Claim itself repeats once
// with the same nonce where the outcome is unknown.
func (k *Keeper) Claim(ctx context.Context, keys []string) (*Block, error) { panic("to be written") }

// Remaining returns how long lease i certainly still holds, on the monotonic
// clock: negative or zero when it expired or was lost, completed or released.
// It is cheap: it is asked before each send, for each object in the batch.
func (b *Block) Remaining(i int) time.Duration { panic("to be written") }

// SetProgress sets what the next heartbeat or release stores for lease i.
func (b *Block) SetProgress(i int, progress string) { panic("to be written") }

// Complete completes leases of any blocks in one call. On a *[BatchError] the
// indexes are those of held.
func (k *Keeper) Complete(ctx context.Context, held []Hold) error { panic("to be written") }

// GiveBack is one lease to be released.
type GiveBack struct {
	Hold
	Counted bool
	Reason  string
	Delay   time.Duration
}

// Release gives leases of any blocks back in one call, with the progress last
// set. On a *[BatchError] the indexes are those of back.
func (k *Keeper) Release(ctx context.Context, back []GiveBack) error { panic("to be written") }

// Abandon stops extending the leases: they expire by themselves.
func (k *Keeper) Abandon(held []Hold) { panic("to be written") }
