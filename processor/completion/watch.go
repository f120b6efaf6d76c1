package completion

import (
	"context"
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// Watch observes a set until its callback has succeeded, here or elsewhere, and
// returns what that was told. It waits in between by a timer, for a process that
// stays. Any number of them may watch the same set.
//
// Errors of looks are handed to onError, if it is not nil, and looked past. Watch
// ends with an error only where that is marked [fault.ClassFatal], or with that of
// ctx.
func (o *Observer) Watch(ctx context.Context, set Set, onError func(error)) (Completion, error) {
	step := Step{State: State{Set: set}}
	for {
		var err error
		step, err = o.Look(ctx, step.State)
		switch {
		case ctx.Err() != nil && !step.Over:
			return Completion{}, fault.Interrupted(fmt.Errorf("watch %s: %w", set, errors.Join(ctx.Err(), err)))
		case fault.Is(err, fault.ClassFatal):
			return Completion{}, err
		case err != nil && onError != nil:
			onError(err)
		}
		if step.Over {
			return step.Completion, nil
		}
		_ = sleep.For(ctx, step.Wait)
	}
}
