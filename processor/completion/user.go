package completion

import (
	"fmt"
	"runtime"

	"github.com/unspool-go/unspool/processor/fault"
)

// ask calls code of the user's own. A panic is an error of it. Whatever its error is, it
// is to be asked again: only a store can make going on pointless.
func ask(f func() error) error {
	err := guarded(f)
	if fault.Is(err, fault.ClassFatal) {
		return fault.Retryable(err)
	}
	return err
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
