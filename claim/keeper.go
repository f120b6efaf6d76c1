package claim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

// DefaultTTL is how long a lease lasts where [KeeperConfig] does not say.
const DefaultTTL = time.Minute

// minTTL is the shortest lease a keeper takes: below it, scheduling delays
// alone would lose leases.
const minTTL = 10 * time.Millisecond

// KeeperConfig configures a [Keeper].
type KeeperConfig struct {
	// Owner names the worker in the store, for operators. Required.
	Owner string
	// TTL is how long a lease lasts without a heartbeat; at least 10 ms.
	// Defaults to 1 minute.
	TTL time.Duration
	// Beat is the time between heartbeats, and the time-out of one. Defaults to
	// TTL/4; must be below TTL/2.
	Beat time.Duration
}

// Keeper holds the leases of one worker process: it claims blocks of keys,
// extends all leases in one round trip a heartbeat, and tells how long each
// still holds. It is safe for concurrent use.
//
// A Keeper has no goroutine of its own: heartbeats are sent by the goroutine
// that calls [Keeper.Run], and by helpers that end before a heartbeat does.
// While Run is not running, leases run out; nothing else goes wrong. A panic
// of the Claimer is not recovered. A block is referred to by the keeper until
// its last lease is completed, released, lost or abandoned, and so is not
// collected before: whoever claims must end each lease in one of these ways.
type Keeper struct {
	claimer Claimer
	owner   string
	ttl     time.Duration
	beat    time.Duration
	zero    time.Time // of the keeper's monotonic clock
	name    string    // 128 random bits: the common start of all nonces
	calls   atomic.Uint64

	mu     sync.Mutex
	blocks map[*Block]struct{} // those with leases to extend
}

// NewKeeper returns a keeper of leases in c. It starts nothing. Every mistake
// in cfg is named in the error.
func NewKeeper(c Claimer, cfg KeeperConfig) (*Keeper, error) {
	var errs []error
	if c == nil {
		errs = append(errs, errors.New("claimer is nil"))
	}
	if cfg.Owner == "" {
		errs = append(errs, errors.New("Owner is empty"))
	}
	ttl, beat := cfg.TTL, cfg.Beat
	if ttl == 0 {
		ttl = DefaultTTL
	}
	if ttl < minTTL {
		errs = append(errs, fmt.Errorf("TTL is %v: want at least %v", ttl, minTTL))
	}
	if beat == 0 {
		beat = ttl / 4
	}
	if ttl >= minTTL && (beat <= 0 || beat >= ttl/2) {
		errs = append(errs, fmt.Errorf("Beat is %v: want more than 0 and less than half of TTL, %v", beat, ttl/2))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure keeper: %w", errors.Join(errs...)))
	}
	var name [16]byte
	rand.Read(name[:]) // never fails: see crypto/rand
	return &Keeper{
		claimer: c,
		owner:   cfg.Owner,
		ttl:     ttl,
		beat:    beat,
		zero:    time.Now(),
		name:    hex.EncodeToString(name[:]),
		blocks:  make(map[*Block]struct{}),
	}, nil
}

// now is the keeper's monotonic clock. It is a Duration, not a Time, so that
// an expiry is one word, which heartbeats replace and senders read atomically.
func (k *Keeper) now() time.Duration { return time.Since(k.zero) }

// Claim claims keys as one block: it is Begin and one Do. Keys that it was
// granted, but for an answer that was lost, come free when the TTL has passed.
func (k *Keeper) Claim(ctx context.Context, keys []string) (*Block, error) {
	return k.Begin(keys).Do(ctx)
}

// Claiming is the wish to claim keys as one block, which can be repeated until
// it is answered. It is not safe for concurrent use.
type Claiming struct {
	keeper *Keeper
	keys   []string
	nonce  string
}

// Begin returns the wish to claim keys. Nothing is sent yet, and keys are kept.
func (k *Keeper) Begin(keys []string) *Claiming {
	return &Claiming{k, keys, k.name + "-" + strconv.FormatUint(k.calls.Add(1), 36)}
}

// Do claims the keys. Lease time counts, on the local monotonic clock, from
// before the request left.
//
// With a *[BatchError] the block is valid: the keys that failed have no
// status. With any other error it is nil, and the outcome is unknown unless the
// error is marked fault.Fatal: Do may be called again. However often it is, a
// key is granted to it once, and counts one attempt: the nonce is the same.
// After it has returned a block it must not be called again.
func (c *Claiming) Do(ctx context.Context) (*Block, error) {
	k := c.keeper
	if len(c.keys) == 0 {
		return &Block{keeper: k}, nil
	}
	start := k.now()
	results, err := k.claimer.Claim(ctx, k.owner, c.nonce, c.keys, k.ttl)
	if outcomeUnknown(err) && ctx.Err() == nil {
		results, err = k.claimer.Claim(ctx, k.owner, c.nonce, c.keys, k.ttl)
	}
	if err != nil {
		err = fmt.Errorf("claim %d keys: %w", len(c.keys), err)
		if !isBatch(err) {
			return nil, err
		}
	}
	if len(results) != len(c.keys) {
		return nil, fault.Fatal(fmt.Errorf("claim %d keys: the store answered for %d", len(c.keys), len(results)))
	}
	b := newBlock(k, results)
	b.confirm(start)
	if b.kept.Load() > 0 {
		k.mu.Lock()
		k.blocks[b] = struct{}{}
		k.mu.Unlock()
	}
	return b, err
}

// Complete completes leases of any blocks in one call. On a *[BatchError] the
// indexes are those of held; leases already lost are reported so without a
// round trip. It may be repeated: leases completed before are passed over.
// After any other error it is unknown what took effect: the leases are still
// extended, until the caller has repeated the call, released or abandoned them.
func (k *Keeper) Complete(ctx context.Context, held []Hold) error {
	r := request{holds: make([]Hold, 0, len(held)), index: make([]int, 0, len(held))}
	leases := make([]Lease, 0, len(held))
	for i, h := range held {
		switch h.Block.begin(h.Index, completing) {
		case completed:
		case live, completing, releasing, doubtful:
			r.add(i, h)
			leases = append(leases, h.Block.Results[h.Index].Lease)
		default:
			r.failed = append(r.failed, EntryError{i, h.lost("complete")})
		}
	}
	var err error
	if len(leases) > 0 {
		err = k.claimer.Complete(ctx, leases)
	}
	return k.settle(&r, "complete", completed, err)
}

// GiveBack is one lease to be released.
type GiveBack struct {
	Hold
	// Counted, Reason and Delay are as in [Return].
	Counted bool
	Reason  string
	Delay   time.Duration
}

// Release gives leases of any blocks back in one call, with the progress last
// set. On a *[BatchError] the indexes are those of back. It may be repeated
// as Complete may. From the moment of the call, Remaining of the leases is 0.
func (k *Keeper) Release(ctx context.Context, back []GiveBack) error {
	r := request{holds: make([]Hold, 0, len(back)), index: make([]int, 0, len(back))}
	returns := make([]Return, 0, len(back))
	for i, g := range back {
		switch g.Block.begin(g.Index, releasing) {
		case released:
		case live, completing, releasing, doubtful:
			r.add(i, g.Hold)
			returns = append(returns, Return{
				Lease:   g.Block.lease(g.Index),
				Counted: g.Counted,
				Reason:  g.Reason,
				Delay:   g.Delay,
			})
		default:
			r.failed = append(r.failed, EntryError{i, g.lost("release")})
		}
	}
	var err error
	if len(returns) > 0 {
		err = k.claimer.Release(ctx, returns)
	}
	return k.settle(&r, "release", released, err)
}

// Abandon stops extending the leases: they expire by themselves. It is for
// work that could not be stopped: giving its lease back would let another
// worker start beside it. Leases that have already ended are passed over.
func (k *Keeper) Abandon(held []Hold) {
	for _, h := range held {
		if h.Block.abandon(h.Index) {
			k.forget(h.Block)
		}
	}
}

// Live returns the number of leases that heartbeats extend.
func (k *Keeper) Live() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for b := range k.blocks {
		n += int(b.kept.Load())
	}
	return n
}

// forget drops the block from the heartbeats.
func (k *Keeper) forget(b *Block) {
	k.mu.Lock()
	delete(k.blocks, b)
	k.mu.Unlock()
}

// request is what a Complete or Release sends to the store: entry i stands for
// the caller's entry index[i].
type request struct {
	holds  []Hold
	index  []int
	failed []EntryError // by the caller's index
}

func (r *request) add(index int, h Hold) {
	r.holds = append(r.holds, h)
	r.index = append(r.index, index)
}

// settle brings the states of the leases sent to what the store answered.
func (k *Keeper) settle(r *request, op string, to leaseState, err error) error {
	batch, isBatch := errors.AsType[*BatchError](err)
	if err != nil && !isBatch {
		return fmt.Errorf("%s %d leases: %w", op, len(r.holds), err)
	}
	var bad []bool // by the request's index
	if isBatch {
		bad = make([]bool, len(r.holds))
		for _, f := range batch.Failed {
			if f.Index < 0 || f.Index >= len(bad) {
				return fault.Fatal(fmt.Errorf("%s %d leases: the store failed entry %d: %w", op, len(bad), f.Index, f.Err))
			}
			bad[f.Index] = true
			if h := r.holds[f.Index]; errors.Is(f.Err, ErrLost) && h.Block.end(h.Index, lost) {
				k.forget(h.Block)
			}
			r.failed = append(r.failed, EntryError{r.index[f.Index], f.Err})
		}
	}
	for i, h := range r.holds {
		if (bad == nil || !bad[i]) && h.Block.end(h.Index, to) {
			k.forget(h.Block)
		}
	}
	if len(r.failed) == 0 {
		return nil
	}
	slices.SortFunc(r.failed, func(a, b EntryError) int { return a.Index - b.Index })
	return &BatchError{Failed: r.failed}
}

func isBatch(err error) bool {
	_, ok := errors.AsType[*BatchError](err)
	return ok
}

// outcomeUnknown reports whether a request that failed with err may have taken
// effect all the same. A store that can never work has done nothing.
func outcomeUnknown(err error) bool {
	return err != nil && !isBatch(err) && !fault.Is(err, fault.ClassFatal)
}
