package completion

import (
	"fmt"
	"runtime"

	"github.com/unspool-go/unspool/processor/fault"
)

// ask calls code of the user's own. Whatever class its error has, it is to be asked
// again: the error is marked retryable. A panic is an error as well.
func ask(f func() error) error {
	return fault.Retryable(guarded(f))
}

// guarded turns a panic into an error. Its value is told only where it is a runtime
// error: others may hold payload.
func guarded(f func() error) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("panic: %w", v)
		default:
			err = fmt.Errorf("panic with a value of type %T", v)
		}
	}()
	if err = f(); err != nil {
		_ = err.Error() // a pointer that is nil, in an error that is not, panics here
	}
	return err
}
