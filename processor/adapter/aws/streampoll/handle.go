package streampoll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

// handle has a batch handled, and returns how many of its changes are settled, from
// the first on: all of them if there is no error.
func (w *worker) handle(batch []types.Record) (n int, err error) {
	began := time.Now()
	w.event, err = appendEvent(w.event[:0], w.stream, batch)
	if err != nil {
		w.event = w.event[:0]
	} else {
		var settled int // of this call alone, which may go on when it is abandoned
		err = w.guard(func(ctx context.Context) error {
			answer, err := w.handler.Handle(ctx, w.event)
			if err == nil {
				settled, err = settledBy(answer, batch)
			}
			return err
		})
		if errors.Is(err, errAbandoned) {
			return 0, err
		}
		n = settled
	}
	w.cfg.OnBatch(Batch{
		Shard: w.shard.id, First: sequence(&batch[0]), Last: sequence(&batch[len(batch)-1]), Changes: len(batch), Settled: n,
		Took: time.Since(began), Age: age(&batch[0], began), Err: err,
	})
	return n, err
}

// settledBy returns how many changes of a batch an answer says are settled.
func settledBy(answer aws.Answer, batch []types.Record) (n int, err error) {
	n = len(batch)
	for _, again := range answer.Again() {
		i := slices.IndexFunc(batch, func(c types.Record) bool { return sequence(&c) == again })
		if i < 0 {
			return 0, errors.New("the answer lists a change that is not in the batch")
		}
		n = min(n, i)
	}
	if n < len(batch) {
		return n, fmt.Errorf("%d of %d changes are not settled", len(batch)-n, len(batch))
	}
	return n, nil
}

// isEnough reports whether a change was tried often enough: alone, and as often or
// until it was as old as the configuration says.
func (w *worker) isEnough(batch []types.Record, err error) bool {
	if len(batch) > 1 || isOutage(err) {
		return false
	}
	return w.cfg.MaxAttempts > 0 && w.trial.attempts >= w.cfg.MaxAttempts || w.cfg.MaxAge > 0 && age(&batch[0], time.Now()) > w.cfg.MaxAge
}

// passOver tells of a change that is passed over if that succeeds.
func (w *worker) passOver(c *types.Record, reason error) error {
	f := Failure{
		Stream: w.stream, Shard: w.shard.id, Sequence: sequence(c), Attempts: w.trial.attempts, Age: age(c, time.Now()), Reason: reason, Event: w.event,
	}
	return w.guard(func(ctx context.Context) error { return w.cfg.OnFailure(ctx, f) })
}

// age is how old a change is, zero where that is not known.
func age(c *types.Record, now time.Time) time.Duration {
	at := c.Dynamodb.ApproximateCreationDateTime
	if at == nil {
		return 0
	}
	return max(0, now.Sub(*at)).Truncate(time.Second)
}

// errExit is the error of user code that ended its goroutine.
var errExit = errors.New("it ended its goroutine")

// guard calls user code with a context that ends before the claim of the shard could.
// A panic is an error. Where the context ended an error wraps its cause, whatever it is
// of; where f does not return in time it is errAbandoned, and f must not touch anything
// that is used afterwards.
func (w *worker) guard(f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(w.work)
	defer cancel(nil)
	w.workers.Go(func() { w.watch(ctx, cancel) })
	result := make(chan error, 1)
	go func() {
		err := errExit
		defer func() { result <- err }()
		err = usercode.Call(func() error { return f(ctx) })
	}()
	var err error
	select {
	case err = <-result:
	case <-w.leave:
		w.count(func(s *Stats) { s.Abandoned++ })
		return errAbandoned
	}
	if err != nil && ctx.Err() != nil {
		cause := context.Cause(ctx)
		if !errors.Is(cause, errExpiring) {
			cause = errDraining // or the deadline of the run
		}
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// watch ends a context when the claim of the shard is about to end.
func (w *worker) watch(ctx context.Context, end context.CancelCauseFunc) {
	for {
		left := w.remaining() - w.spare()
		if left <= 0 {
			end(errExpiring)
			return
		}
		if sleep.For(ctx, min(left, w.spare())) != nil {
			return
		}
	}
}
