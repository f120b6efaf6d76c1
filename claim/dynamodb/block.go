package dynamodb

import (
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/processor/fault"
)

// block is the keys of one Claim call, each sent once however often it is
// listed.
type block struct {
	keys    []string
	settled map[string]claim.Result // without a request that could grant them
	open    []string                // still to be claimed, each once
	results []claim.Result          // of open
}

func newBlock(keys []string) *block {
	b := &block{keys: keys, settled: make(map[string]claim.Result)}
	b.reopen()
	return b
}

func (b *block) settle(key string, r claim.Result) { b.settled[key] = r }

// reopen makes open what is not settled.
func (b *block) reopen() {
	seen := make(map[string]bool, len(b.keys))
	b.open = make([]string, 0, len(b.keys))
	for _, key := range b.keys {
		if _, ok := b.settled[key]; !ok && !seen[key] && claim.CheckKey(key) == nil {
			seen[key] = true
			b.open = append(b.open, key)
		}
	}
	b.results = make([]claim.Result, len(b.open))
}

// answer is what the call returns, err being that of claiming the open keys.
func (b *block) answer(err error) ([]claim.Result, error) {
	batch, isBatch := errors.AsType[*claim.BatchError](err)
	if err != nil && !isBatch {
		return nil, err
	}
	bad := make(map[string]error)
	if isBatch {
		for _, f := range batch.Failed {
			bad[b.open[f.Index]] = f.Err
		}
	}
	first := b.settled
	for i, key := range b.open {
		first[key] = b.results[i]
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
		results[i] = first[key]
		if results[i].Status == claim.Granted {
			first[key] = claim.Result{Status: claim.Held} // the second time it is listed
		}
	}
	return results, failures.Err()
}

// unbatched is the error of a call that could not read all its keys and so has
// claimed none.
func unbatched(err error) error {
	if batch, ok := errors.AsType[*claim.BatchError](err); ok && len(batch.Failed) > 0 {
		err = fmt.Errorf("%d reads failed, the first: %w", len(batch.Failed), batch.Failed[0].Err)
		if fault.Is(err, fault.ClassRetryable) {
			return fault.Interrupted(err) // of reads that nobody's data is at fault for
		}
	}
	return err
}
