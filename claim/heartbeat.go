package claim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
)

const (
	// extendChunk is the most leases in one Extend call, so that a request of
	// a networked store stays small and one slow call delays few leases.
	extendChunk = 1000
	// extendParallel is the most Extend calls of one heartbeat at a time.
	extendParallel = 4
)

// Run sends heartbeats until ctx ends, and then returns nil. A heartbeat that
// fails is tried again sooner, for the leases that it missed: after Beat/8,
// then twice that, up to Beat/2. Leases that the store says are lost are
// marked so. Run returns a fatal error of the store at once. It must not be
// called twice at a time.
func (k *Keeper) Run(ctx context.Context) error {
	timer := time.NewTimer(k.beat)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		start := k.now()
		backoff := k.beat / 8
		for {
			err := k.heartbeat(ctx, start)
			if err == nil || ctx.Err() != nil {
				break
			}
			if fault.Is(err, fault.ClassFatal) {
				return err
			}
			timer.Reset(backoff)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
			backoff = min(2*backoff, k.beat/2)
			if k.now()-start >= k.beat {
				start = k.now() // by now the next heartbeat is due, for all leases
			}
		}
		timer.Reset(max(0, start+k.beat-k.now()))
	}
}

// extension is one Extend call of a heartbeat: entry i is holds[i].
type extension struct {
	leases []Lease
	holds  []Hold
}

// heartbeat extends the leases of all blocks that were not confirmed since.
func (k *Keeper) heartbeat(ctx context.Context, since time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, k.beat)
	defer cancel()

	blocks := k.unconfirmed(since)
	start := k.now()
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, extendParallel)

		mu     sync.Mutex
		missed = make(map[*Block]bool)
		errs   []error
	)
	for _, x := range extensions(blocks) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			late, err := k.extend(ctx, x)
			mu.Lock()
			defer mu.Unlock()
			for _, h := range late {
				missed[h.Block] = true
			}
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	for _, b := range blocks {
		if !missed[b] {
			b.confirm(start)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	err := fmt.Errorf("extend leases: %w", errors.Join(errs...))
	for _, e := range errs {
		if fault.Is(e, fault.ClassFatal) {
			return fault.Fatal(err)
		}
	}
	return err
}

// unconfirmed lists the blocks in the registry that no request has given a
// full TTL since the given time.
func (k *Keeper) unconfirmed(since time.Duration) []*Block {
	k.mu.Lock()
	defer k.mu.Unlock()
	var blocks []*Block
	for b := range k.blocks {
		if time.Duration(b.confirmed.Load()) < since {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// extensions cuts the live leases of blocks into calls of at most extendChunk.
func extensions(blocks []*Block) []extension {
	var calls []extension
	for _, b := range blocks {
		for i := range b.states {
			if !kept(b.states[i].Load()) {
				continue
			}
			if len(calls) == 0 || len(calls[len(calls)-1].leases) == extendChunk {
				calls = append(calls, extension{})
			}
			x := &calls[len(calls)-1]
			x.leases = append(x.leases, b.lease(i))
			x.holds = append(x.holds, Hold{b, i})
		}
	}
	return calls
}

// extend sends one call and marks the leases that the store says are lost. It
// returns the leases that were not extended though they may still be held.
func (k *Keeper) extend(ctx context.Context, x extension) ([]Hold, error) {
	err := k.claimer.Extend(ctx, x.leases, k.ttl)
	if err == nil {
		return nil, nil
	}
	batch, ok := errors.AsType[*BatchError](err)
	if !ok {
		return x.holds, err
	}
	var late []Hold
	var unsure BatchError
	for _, f := range batch.Failed {
		switch {
		case f.Index < 0 || f.Index >= len(x.holds):
			return x.holds, fault.Fatal(fmt.Errorf("the store failed entry %d of %d: %w", f.Index, len(x.holds), f.Err))
		case errors.Is(f.Err, ErrLost):
			if h := x.holds[f.Index]; h.Block.gone(h.Index) {
				k.forget(h.Block)
			}
		default:
			late = append(late, x.holds[f.Index])
			unsure.Failed = append(unsure.Failed, f)
		}
	}
	if len(late) == 0 {
		return nil, nil
	}
	return late, &unsure
}
