package fanout

import (
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/processor/fault"
)

// Legal reports whether a store takes the key. Any other was never claimed.
func Legal(key string) bool { return claim.CheckKey(key) == nil }

// Block is the keys of one Claim call, each of them sent once however often it
// is listed.
type Block struct {
	// Open is the keys that are still to be claimed, each once; those that no
	// store takes are left out.
	Open []string
	// Results is what became of Open, by index.
	Results []claim.Result

	keys    []string
	settled map[string]claim.Result // not in Open
}

// NewBlock returns the block of keys, all of them open.
func NewBlock(keys []string) *Block {
	b := &Block{keys: keys, settled: make(map[string]claim.Result)}
	b.Reopen()
	return b
}

// Settle notes what a look has told of a key: it need not be sent.
func (b *Block) Settle(key string, s claim.Status) { b.settled[key] = claim.Result{Status: s} }

// Reopen takes the keys that were settled out of Open.
func (b *Block) Reopen() {
	seen := make(map[string]bool, len(b.keys))
	b.Open = make([]string, 0, len(b.keys))
	for _, key := range b.keys {
		if _, ok := b.settled[key]; !ok && !seen[key] && Legal(key) {
			seen[key] = true
			b.Open = append(b.Open, key)
		}
	}
	b.Results = make([]claim.Result, len(b.Open))
}

// Answer is what the call returns. err is that of claiming the open keys with
// [Each].
func (b *Block) Answer(err error) ([]claim.Result, error) {
	batch, isBatch := errors.AsType[*claim.BatchError](err)
	if err != nil && !isBatch {
		return nil, err
	}
	bad := make(map[string]error)
	if isBatch {
		for _, f := range batch.Failed {
			bad[b.Open[f.Index]] = f.Err
		}
	}
	known := b.settled
	for i, key := range b.Open {
		known[key] = b.Results[i]
	}
	results := make([]claim.Result, len(b.keys))
	var failures lease.Failures
	for i, key := range b.keys {
		if err := claim.CheckKey(key); err != nil {
			failures.Add(i, err)
			continue
		}
		if err := bad[key]; err != nil {
			failures.Add(i, err)
			continue
		}
		results[i] = known[key]
		if results[i].Status == claim.Granted {
			known[key] = claim.Result{Status: claim.Held} // the second time it is listed
		}
	}
	return results, failures.Err()
}

// InVain reports whether more than 1 in share of the results were not granted.
func InVain(results []claim.Result, share int) bool {
	refused := 0
	for _, r := range results {
		if r.Status != claim.Granted {
			refused++
		}
	}
	return refused*share > len(results)
}

// Whole is the error of a call that is of no use in part, for one of [Each].
func Whole(op string, err error) error {
	batch, ok := errors.AsType[*claim.BatchError](err)
	if !ok || len(batch.Failed) == 0 {
		return err
	}
	err = fmt.Errorf("%s: %d requests failed, the first: %w", op, len(batch.Failed), batch.Failed[0].Err)
	for _, f := range batch.Failed {
		if fault.Is(f.Err, fault.ClassInterrupted) {
			return fault.Interrupted(err)
		}
	}
	return err
}
