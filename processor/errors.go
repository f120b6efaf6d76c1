package processor

import (
	"errors"
	"fmt"
	"runtime"
)

var (
	// ErrLedger is wrapped by the error of a run whose accounting does not add
	// up: a defect of unspool or of a driver. The objects concerned are given
	// back, not finished.
	ErrLedger = errors.New("accounting mismatch")

	// ErrUnread is wrapped by the error of a Do that could not read its input to
	// the end or not write the rest of it to the retry destination: whoever
	// sent it must send it again.
	ErrUnread = errors.New("input not settled")

	// errStuck is the reason why a stream could not be read to its end.
	errStuck = errors.New("not read to its end in time")

	// errGoexit is the error of user code that ended its goroutine.
	errGoexit = errors.New("the call ended its goroutine")

	// errStopped is the cause of a context that was ended to stop a run.
	errStopped = errors.New("run is stopping")
)

// panicError is a panic in user code as an error. The value of the panic is
// told only where it is a runtime error: others may hold payload.
func panicError(value any) error {
	if err, ok := value.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic with a value of type %T", value)
}
