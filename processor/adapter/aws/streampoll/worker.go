package streampoll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
)

// worker works on one shard, for as long as it has it.
type worker struct {
	*run
	shard  shard
	hold   claim.Hold
	reader reader
	next   time.Time // when the shard may be read again
	trial  trial
	event  []byte    // of the batch that is worked on
	stored time.Time // when the checkpoint was
}

// Why a worker ends before its shard does.
var (
	errStopped   = errors.New("the run is over")
	errLost      = errors.New("its claim could not be kept")
	errAbandoned = errors.New("the handler did not return in time")
)

func newWorker(r *run, s shard, hold claim.Hold) *worker {
	return &worker{
		run: r, shard: s, hold: hold, stored: time.Now(),
		reader: reader{
			api: r.api, stream: r.stream, shard: s.id, limit: int32(r.cfg.ReadLimit),
			after: hold.Block.Results[hold.Index].Lease.Progress, since: r.since,
		},
		trial: trial{most: r.cfg.BatchSize, size: r.cfg.BatchSize, first: r.cfg.RetryDelay, longest: r.cfg.MaxRetryDelay},
	}
}

// follow works on the shard until it is finished, or cannot be kept, or ctx ends. An
// error ends the whole run.
func (w *worker) follow(ctx context.Context) error {
	err := checkSequence(w.shard.id, w.reader.after)
	if err == nil {
		err = w.consume(ctx)
	}
	if err == nil {
		err = w.finish(ctx)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errAbandoned): // somebody still works on it
		w.keeper.Abandon([]claim.Hold{w.hold})
		return nil
	}
	back := w.giveBack(w.hold)
	if errors.Is(err, errLost) || errors.Is(back, claim.ErrLost) {
		w.count(func(s *Stats) { s.Lost++ })
		w.cfg.OnError(fmt.Errorf("streampoll: shard %s: %w", w.shard.id, errLost))
	} else if back != nil {
		w.cfg.OnError(back)
	}
	if isFatal(err) {
		return err
	}
	return nil
}

// consume reads the shard and has it handled to its end.
func (w *worker) consume(ctx context.Context) error {
	for {
		p, err := w.read(ctx)
		if err != nil {
			return err
		}
		w.count(func(s *Stats) {
			s.Received += int64(p.skipped + len(p.changes))
			s.Skipped += int64(p.skipped)
		})
		if p.skipped > 0 {
			w.settledTo(p.last)
		}
		if err := w.settle(ctx, p.changes); err != nil {
			return err
		}
		if p.closed {
			return nil
		}
	}
}

// read reads the next page, as often as that takes.
func (w *worker) read(ctx context.Context) (page, error) {
	for pause := (backoff{}); ; {
		if w.remaining() <= 0 {
			return page{}, errLost
		}
		if sleep.For(ctx, time.Until(w.next)) != nil {
			return page{}, errStopped
		}
		began := time.Now()
		w.next = began.Add(w.cfg.ReadInterval)
		p, err := w.reader.read(ctx)
		if err == nil {
			if len(p.changes)+p.skipped == 0 && !w.shard.closed && !p.closed {
				w.next = began.Add(w.cfg.PollInterval)
			}
			return p, nil
		}
		if ctx.Err() != nil {
			return page{}, errStopped
		}
		err = fmt.Errorf("streampoll: shard %s: %w", w.shard.id, err)
		switch code := dynamofault.Code(err); {
		case isFatal(err):
			return page{}, err
		case code == codeExpired:
			if pause == (backoff{}) { // a handler was slow: that is all
				err = nil
			}
		case code == codeTrimmed:
			after := w.reader.after
			if w.reader.restart() {
				w.count(func(s *Stats) { s.Gaps++ })
				err = gapError(w.shard.id, after, "its oldest changes are not there any more")
			}
		case code == codeNotFound:
			l, failed := w.describe(ctx)
			if isFatal(failed) {
				return page{}, failed // it is the stream that is not there
			}
			if failed == nil && !l.has(w.shard.id) {
				w.gone(w.shard.id, w.reader.after)
				return page{closed: true}, nil
			}
		}
		if err != nil {
			w.cfg.OnError(err)
		}
		if !pause.wait(ctx) {
			return page{}, errStopped
		}
	}
}

// settledTo notes that the shard is settled up to a change, and stores that when it is
// due.
func (w *worker) settledTo(sequence string) {
	w.reader.after = sequence
	w.hold.Block.SetProgress(w.hold.Index, sequence)
	if now := time.Now(); now.Sub(w.stored) >= w.cfg.CheckpointEvery {
		w.stored = now
		ctx, cancel := context.WithTimeout(w.io, w.storeTime())
		defer cancel()
		if err := w.keeper.Checkpoint(ctx, []claim.Hold{w.hold}); err != nil {
			w.cfg.OnError(fmt.Errorf("streampoll: shard %s: %w", w.shard.id, err)) // the one before is still true
		}
	}
}

// finish marks the shard as settled for good.
func (w *worker) finish(ctx context.Context) error {
	for pause := (backoff{}); ; {
		err := w.complete(w.hold)
		switch {
		case err == nil:
			w.setDone(w.shard.id)
			w.count(func(s *Stats) { s.Finished++ })
			return nil
		case isFatal(err):
			return err
		case errors.Is(err, claim.ErrLost), w.remaining() <= 0:
			return errLost
		}
		w.cfg.OnError(err)
		if !pause.wait(ctx) {
			return errStopped
		}
	}
}

// remaining is for how long the shard is certainly this consumer's.
func (w *worker) remaining() time.Duration { return w.hold.Block.Remaining(w.hold.Index) }

// spare is how long before the end of its claim work on a shard is stopped: for
// putting aside what is left of it, and for its checkpoint.
func (w *worker) spare() time.Duration { return w.cfg.TTL / 4 }

// await waits, where the claim is about to end, until it is extended.
func (w *worker) await(ctx context.Context) error {
	for {
		left := w.remaining()
		switch {
		case left <= 0:
			return errLost
		case left > w.spare():
			return nil
		case sleep.For(ctx, min(left, w.cfg.TTL/32)) != nil:
			return errStopped
		}
	}
}

// settle has changes handled, until all of them are settled or passed over.
func (w *worker) settle(ctx context.Context, changes []types.Record) error {
	defer func() { w.count(func(s *Stats) { s.Returned += int64(len(changes)) }) }()
	for len(changes) > 0 {
		if ctx.Err() != nil {
			return errStopped
		}
		if err := w.await(ctx); err != nil {
			return err
		}
		batch := changes[:min(len(changes), w.trial.size)]
		n, err := w.handle(batch)
		if n > 0 {
			changes = changes[n:]
			w.count(func(s *Stats) { s.Settled += int64(n) })
			w.settledTo(sequence(&batch[n-1]))
		}
		switch {
		case err == nil:
			w.trial.settled()
			continue
		case errors.Is(err, errAbandoned):
			return err
		case errors.Is(err, errDraining), errors.Is(err, errExpiring):
			continue // which finds out what is to be done
		}
		w.count(func(s *Stats) { s.Failed++ })
		w.cfg.OnError(fmt.Errorf("streampoll: shard %s: changes %s to %s: %w", w.shard.id, sequence(&batch[0]), sequence(&batch[len(batch)-1]), err))
		pause := w.trial.failed(n, len(batch), isOutage(err))
		if w.isEnough(batch, err) {
			switch told := w.passOver(&batch[0], err); {
			case told == nil:
				changes = changes[1:]
				w.count(func(s *Stats) { s.Passed++ })
				w.settledTo(sequence(&batch[0]))
				w.trial.settled()
				continue
			case errors.Is(told, errAbandoned):
				return told
			case errors.Is(told, errDraining), errors.Is(told, errExpiring):
				continue
			default:
				w.cfg.OnError(fmt.Errorf("streampoll: shard %s: change %s was not put aside: %w", w.shard.id, sequence(&batch[0]), told))
			}
		}
		if sleep.For(ctx, pause) != nil {
			return errStopped
		}
	}
	return nil
}
