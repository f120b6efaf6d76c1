// Package fault is the one vocabulary of errors that every stage of unspool
// shares: a stage says what kind of failure it met, and the processor decides
// what becomes of the record, the object or the run.
//
// Classify where the cause is known and wrap on the way up:
//
//	return fault.Corrupt(fmt.Errorf("project %s: %w", path, err))
//
// The classes survive wrapping with %w and errors.Join. The package imports
// the standard library only, so that a driver can use it without importing
// the processor.
package fault

import (
	"errors"
	"fmt"
)

// Class says whose fault an error is, and so what happens next.
type Class uint8

const (
	// ClassNone is the class of a nil error.
	ClassNone Class = iota

	// ClassRetryable means that the record or object failed by itself but may
	// succeed later: it goes to the retry destination, and to the failed
	// destination once it has used up its attempts. It is the class of every
	// error that nobody classified.
	ClassRetryable

	// ClassCorrupt means that the data is invalid and no retry can mend it: it
	// goes to the corruption destination. Corruption is the only unrecoverable
	// fault of a record.
	ClassCorrupt

	// ClassInterrupted means that nobody's data is at fault: a transport was
	// cut, a service is away, the run is stopping. It costs no attempt; the
	// work is given back or tried again.
	ClassInterrupted

	// ClassFatal means that going on is pointless for the whole run: the queue
	// does not exist, access is denied, the configuration is wrong. The run
	// stops, gives everything back and reports the error.
	ClassFatal
)

// String returns the lower-case name of the class, as it appears in envelopes
// and logs.
func (c Class) String() string {
	switch c {
	case ClassNone:
		return "none"
	case ClassRetryable:
		return "retryable"
	case ClassCorrupt:
		return "corrupt"
	case ClassInterrupted:
		return "interrupted"
	case ClassFatal:
		return "fatal"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// classified is an error with a class. Its text is that of the error it wraps.
type classified struct {
	class Class
	err   error
}

func (e *classified) Error() string { return e.err.Error() }
func (e *classified) Unwrap() error { return e.err }

func classify(class Class, err error) error {
	if err == nil {
		return nil
	}
	return &classified{class: class, err: err}
}

// Retryable returns err marked as [ClassRetryable], or nil for a nil err. It
// is needed only to overrule a class given further down.
func Retryable(err error) error { return classify(ClassRetryable, err) }

// Corrupt returns err marked as [ClassCorrupt], or nil for a nil err.
func Corrupt(err error) error { return classify(ClassCorrupt, err) }

// Corruptf is Corrupt(fmt.Errorf(format, args...)).
func Corruptf(format string, args ...any) error { return Corrupt(fmt.Errorf(format, args...)) }

// Interrupted returns err marked as [ClassInterrupted], or nil for a nil err.
func Interrupted(err error) error { return classify(ClassInterrupted, err) }

// Fatal returns err marked as [ClassFatal], or nil for a nil err.
func Fatal(err error) error { return classify(ClassFatal, err) }

// Of returns the class of err: that of the outermost classification in its
// tree (depth first, as [errors.As] walks it), [ClassRetryable] where nobody
// classified it, and [ClassNone] for nil. Context errors are not special: only
// the owner of a context knows whether its end was a shutdown or a slow call.
func Of(err error) Class {
	if err == nil {
		return ClassNone
	}
	if c, ok := errors.AsType[*classified](err); ok {
		return c.class
	}
	return ClassRetryable
}

// Is reports whether err is of the given class.
func Is(err error, class Class) bool { return Of(err) == class }

// Partial is a retryable error of a record that was processed in part. Only
// the remainder is written to the retry destination.
type Partial struct {
	// Remainder is what still has to be processed. The processor copies it
	// before the call that returned the error returns to the worker's loop; it
	// is not changed.
	Remainder []byte
	// Err is the cause. It may be nil.
	Err error
}

// PartialRetry returns a [*Partial] error: the record is settled but for
// remainder, which is tried again later.
func PartialRetry(remainder []byte, err error) error {
	return &Partial{Remainder: remainder, Err: err}
}

func (e *Partial) Error() string {
	if e.Err == nil {
		return "partly processed"
	}
	return "partly processed: " + e.Err.Error()
}

func (e *Partial) Unwrap() error { return e.Err }
