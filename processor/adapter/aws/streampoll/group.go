package streampoll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
)

// In the claim store there is a key for each shard, whose progress is the sequence
// number of the last change that is settled, and one more whose progress says where
// the group began: with the oldest changes, or with those made from a time on. That
// one is never completed; it is written once, by the first consumer of the group.
const (
	startID     = "start"
	fromOldest  = "oldest"
	fromTime    = "from " // and a time
	timeFormat  = time.RFC3339
	digitsOfSeq = "0123456789"
)

// key is the key of a shard, or of the start.
func (c *Consumer) key(id string) string { return c.stream + "/" + c.cfg.Group + "/" + id }

func (c *Consumer) keys(ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = c.key(id)
	}
	return keys
}

// errHeld is the error of a key that another consumer holds for a moment.
var errHeld = fault.Interrupted(errors.New("another consumer of the group is beginning"))

// rejoin is how often a consumer writes down again where its group began: well before
// a claim store forgets what nobody claims, which takes DynamoDB's a month.
const rejoin = time.Hour

// join finds out where the group began, which is now if this is its first consumer.
// What was before that is none of its business: the parents that are gone count as
// settled.
func (r *run) join(l lineage) error {
	block, err := r.claim([]string{startID})
	if err != nil {
		return err
	}
	switch block.Results[0].Status {
	case claim.Granted:
	case claim.Done:
		return fault.Fatal(fmt.Errorf("streampoll: the claim store has %q as done, which the group's beginning never is", r.key(startID)))
	default:
		return errHeld
	}
	hold := claim.Hold{Block: block}
	start := block.Results[0].Lease.Progress
	if start == "" {
		start = r.start // which was forgotten
	}
	if start == "" {
		if err := r.bury(l.orphaned(), func(string, string) {}); err != nil {
			return errors.Join(err, r.giveBack(hold))
		}
		if start = fromOldest; r.cfg.Latest {
			start = fromTime + r.began.UTC().Truncate(time.Minute).Format(timeFormat)
		}
	}
	block.SetProgress(0, start)
	if err := r.giveBack(hold); err != nil {
		return err
	}
	return r.setStart(start)
}

// setStart understands where the group began.
func (r *run) setStart(text string) error {
	if text != fromOldest {
		at, ok := strings.CutPrefix(text, fromTime)
		since, err := time.Parse(timeFormat, at)
		if !ok || err != nil {
			return fault.Fatal(fmt.Errorf("streampoll: the claim store has %.64q as the group's beginning, which is none", text))
		}
		r.since = since
	}
	r.start, r.joined = text, time.Now()
	return nil
}

// bury marks shards as settled that are gone, and calls lost of each that was not. One
// that another consumer still holds is left alone.
func (r *run) bury(ids []string, lost func(id, after string)) error {
	if len(ids) == 0 {
		return nil
	}
	block, err := r.claim(ids)
	if err != nil {
		return err
	}
	for i, result := range block.Results {
		if result.Status == claim.Done {
			r.setDone(ids[i])
		}
		if result.Status != claim.Granted {
			continue
		}
		hold := claim.Hold{Block: block, Index: i}
		if failed := r.complete(hold); failed != nil {
			err = errors.Join(err, failed, r.giveBack(hold))
			continue
		}
		r.setDone(ids[i])
		lost(ids[i], result.Lease.Progress)
	}
	return err
}

// claim claims shards. Those that failed by themselves have no status; they are told
// of and can be tried again. A claim that is under way when the run ends is waited for,
// so that it can be given back.
func (r *run) claim(ids []string) (*claim.Block, error) {
	ctx, cancel := context.WithTimeout(r.io, r.storeTime())
	defer cancel()
	block, err := r.keeper.Claim(ctx, r.keys(ids))
	if err != nil {
		err = fmt.Errorf("streampoll: %w", err)
	}
	if block != nil && err != nil && !isFatal(err) {
		r.cfg.OnError(err)
		err = nil
	}
	return block, err
}

// complete marks a shard as settled for good.
func (r *run) complete(hold claim.Hold) error {
	ctx, cancel := context.WithTimeout(r.io, r.storeTime())
	defer cancel()
	if err := r.keeper.Complete(ctx, []claim.Hold{hold}); err != nil {
		return fmt.Errorf("streampoll: %w", err)
	}
	return nil
}

// giveBack gives a shard back with its checkpoint. Where that fails its claim is left
// to expire.
func (r *run) giveBack(hold claim.Hold) error {
	const tries = 3
	var pause backoff
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(r.io, r.storeTime())
		err := r.keeper.Release(ctx, []claim.GiveBack{{Hold: hold}})
		cancel()
		if err == nil {
			return nil
		}
		if n == tries || errors.Is(err, claim.ErrLost) || isFatal(err) || !pause.wait(r.io) {
			r.keeper.Abandon([]claim.Hold{hold})
			return fmt.Errorf("streampoll: %w", err)
		}
	}
}

// storeTime is how long a request to the claim store may take.
func (c *Consumer) storeTime() time.Duration { return min(answerTime, c.cfg.TTL/4) }

// checkSequence reports whether a progress is a sequence number.
func checkSequence(shard, progress string) error {
	if strings.Trim(progress, digitsOfSeq) != "" {
		return fault.Fatal(fmt.Errorf("streampoll: the claim store has %.64q as the checkpoint of shard %s, which is no sequence number", progress, shard))
	}
	return nil
}
