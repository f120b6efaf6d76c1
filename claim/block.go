package claim

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Block is the outcome of one Claim call: a result for each key. The leases
// granted in it are kept alive until each is completed, released, lost or
// abandoned. Its methods are safe for concurrent use.
type Block struct {
	// Results is the store's answer, in the order of the keys. Read-only.
	Results []Result

	keeper *Keeper
	states []atomic.Uint32 // a leaseState for each result
	kept   atomic.Int64    // number of states that heartbeats extend

	// confirmed is when the last request left that certainly gave all leases
	// of the block a full TTL, in nanoseconds of the keeper's clock. One for
	// the block, since leases are granted and extended together.
	confirmed atomic.Int64

	mu       sync.Mutex
	progress []string // set by SetProgress; nil until the first
}

// Hold names one lease: the i-th result of a block.
type Hold struct {
	Block *Block
	Index int
}

// lost is the error of an operation on a lease known not to be held.
func (h Hold) lost(op string) error {
	return fmt.Errorf("%s %q: %w", op, h.Block.Results[h.Index].Lease.Key, ErrLost)
}

// leaseState is what the keeper knows of one lease.
type leaseState = uint32

const (
	_ leaseState = iota // a result without a lease
	// live is a lease that is worked on.
	live
	// completing and releasing are leases for which a request has left that has
	// no answer yet, or never got one. Heartbeats still extend them, so that
	// the request can be repeated.
	completing
	releasing
	// doubtful was completing or releasing when a heartbeat learned that the
	// store no longer knows the lease: the request took effect, or the lease
	// was lost. Only its repetition can tell.
	doubtful
	lost
	completed
	released
	abandoned
)

// kept reports whether heartbeats extend a lease in state s.
func kept(s leaseState) bool { return s == live || s == completing || s == releasing }

func newBlock(k *Keeper, results []Result) *Block {
	b := &Block{Results: results, keeper: k, states: make([]atomic.Uint32, len(results))}
	n := 0
	for i := range results {
		if results[i].Status == Granted {
			b.states[i].Store(live)
			n++
		}
	}
	b.kept.Store(int64(n))
	return b
}

// Remaining returns how long lease i certainly still holds, on the monotonic
// clock: negative or zero when it expired or was lost, completed, released or
// abandoned, or was never granted. It is cheap, and neither locks nor
// allocates: it is asked before each send, for each object in the batch.
func (b *Block) Remaining(i int) time.Duration {
	// A lease whose completion is under way is nobody else's whatever becomes
	// of the request; one whose release is under way may be.
	if s := b.states[i].Load(); s != live && s != completing {
		return 0
	}
	return time.Duration(b.confirmed.Load()) + b.keeper.ttl - b.keeper.now()
}

// SetProgress sets what the next heartbeat or release stores for lease i, in
// place of what the store had when it was claimed. A text longer than
// [MaxProgressBytes] is ignored: an older checkpoint is still a true one.
func (b *Block) SetProgress(i int, progress string) {
	if len(progress) > MaxProgressBytes {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		b.progress = make([]string, len(b.Results))
		for j := range b.Results {
			b.progress[j] = b.Results[j].Lease.Progress
		}
	}
	b.progress[i] = progress
}

// lease returns lease i with the progress last set.
func (b *Block) lease(i int) Lease {
	l := b.Results[i].Lease
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress != nil {
		l.Progress = b.progress[i]
	}
	return l
}

// confirm records that a request which left at start gave all leases a full
// TTL. Requests may overlap: the latest start counts.
func (b *Block) confirm(start time.Duration) {
	for {
		old := b.confirmed.Load()
		if old >= int64(start) || b.confirmed.CompareAndSwap(old, int64(start)) {
			return
		}
	}
}

// begin notes that a request which will bring lease i to an end is about to
// leave, and returns the state the lease was in.
func (b *Block) begin(i int, to leaseState) leaseState {
	for {
		s := b.states[i].Load()
		if !kept(s) || b.states[i].CompareAndSwap(s, to) {
			return s
		}
	}
}

// end brings lease i to its last state. It reports whether the block has no
// lease to extend any more.
func (b *Block) end(i int, to leaseState) bool {
	return kept(b.states[i].Swap(to)) && b.kept.Add(-1) == 0
}

// abandon is end for a lease that has not ended yet.
func (b *Block) abandon(i int) bool {
	for {
		s := b.states[i].Load()
		if !kept(s) && s != doubtful {
			return false
		}
		if b.states[i].CompareAndSwap(s, abandoned) {
			return kept(s) && b.kept.Add(-1) == 0
		}
	}
}

// gone notes that a heartbeat found lease i unknown to the store. It reports
// whether the block has no lease to extend any more.
func (b *Block) gone(i int) bool {
	for {
		s := b.states[i].Load()
		if !kept(s) {
			return false
		}
		to := doubtful
		if s == live {
			to = lost
		}
		if b.states[i].CompareAndSwap(s, to) {
			return b.kept.Add(-1) == 0
		}
	}
}
