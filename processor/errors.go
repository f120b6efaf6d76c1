package processor

import "errors"

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
