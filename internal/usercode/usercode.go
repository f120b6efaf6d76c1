// Package usercode calls functions that the user of this module has written, so that
// what goes wrong in one of them is the error of that call alone.
package usercode

import (
	"errors"
	"fmt"
	"runtime"
)

// errNone is wrapped by no error.
var errNone = errors.New("none")

// Call calls f. A panic is an error of it, which tells what it was only where that is a
// runtime error: other values may hold payload. An error that panics when it is asked for
// its text, or for what it wraps, is a panic as well: such is a nil pointer in an error
// that is not nil.
func Call(f func() error) (err error) {
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
		_ = err.Error()
		_ = errors.Is(err, errNone) // which looks at all that it wraps
	}
	return err
}
