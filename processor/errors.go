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

	// ErrHeld is wrapped, beside ErrUnread, by the error of a Do whose object
	// somebody else holds: another worker works on it now, or it waits for its next
	// try.
	ErrHeld = errors.New("object is held by another worker")

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

// tellable returns err, or an error about it where its text or what it wraps cannot
// be asked for: user code returns a pointer that is nil, in an error that is not,
// and its methods panic.
func tellable(err error) (told error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			told = fmt.Errorf("a %T cannot be asked: %w", err, panicError(v))
		}
	}()
	_ = err.Error()
	_ = errors.Is(err, errStopped) // which looks at all that it wraps
	return err
}
