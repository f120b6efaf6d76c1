// Package usercode is about functions that the user of this module has written: what
// goes wrong in one of them is the error of that call, and ends nothing else.
package usercode

import (
	"errors"
	"fmt"
	"runtime"
)

// Call calls f. A panic is an error of it ([Panic]), and so is an error that cannot be
// asked ([Tellable]).
func Call(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Panic(v)
		}
		err = Tellable(err)
	}()
	return f()
}

// Panic is a panic as an error. Its value is told only where it is a runtime error:
// others may hold payload.
func Panic(value any) error {
	if err, ok := value.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic with a value of type %T", value)
}

// Tellable returns err, or an error about it where its text or what it wraps cannot
// be asked for: user code returns a pointer that is nil, in an error that is not,
// and its methods panic.
func Tellable(err error) (told error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			told = fmt.Errorf("a %T cannot be asked: %w", err, Panic(v))
		}
	}()
	_ = err.Error()
	_ = errors.Is(err, errNone) // which looks at all that it wraps
	return err
}

// errNone is wrapped by no error.
var errNone = errors.New("none")
