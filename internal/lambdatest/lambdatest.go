// Package lambdatest drives AWS Lambda functions through the real client of
// aws-lambda-go, as Lambda does: a handler in the test's own process (Serve), or a
// function as it is deployed, in a process of its own, through the Runtime API
// (StartRuntime) or in the RPC mode of the go1.x runtime (StartRPC), which
// functions have that are built without the tag lambda.norpc.
//
// Serve works in a bubble of testing/synctest, so that deadlines of minutes pass in
// no time.
package lambdatest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
)

// Function is an instance of a function that can be invoked, by one goroutine at a
// time.
type Function struct {
	call    func(payload []byte, deadline time.Time) (messages.InvokeResponse, error)
	process *process // nil for a handler in the test's own
}

// Answer is how an invocation ended.
type Answer struct {
	// Payload is what the handler returned, as JSON; nil where it failed.
	Payload []byte
	// Failure is the error that the handler returned.
	Failure *messages.InvokeResponse_Error
	// Deadline was told to the handler, and At is when its answer had arrived.
	Deadline, At time.Time
}

// InTime reports whether the answer came before the deadline. Lambda kills a
// function that has not answered then.
func (a Answer) InTime() bool { return a.At.Before(a.Deadline) }

// Invoke invokes the function with an event, and waits for its answer, past the
// deadline too. An error means that there will be none: the process ended. A test
// that must not wait for ever has a timeout of its own.
func (f *Function) Invoke(event []byte, deadline time.Time) (Answer, error) {
	deadline = deadline.Truncate(time.Millisecond) // as Lambda tells it
	response, err := f.call(event, deadline)
	return Answer{Payload: response.Payload, Failure: response.Error, Deadline: deadline, At: time.Now()}, err
}

// Log returns what the function's process has written to its standard output and
// error so far.
func (f *Function) Log() string { return f.process.log.String() }

// Kill kills the function's process, as the end of its machine does, and returns once it
// is gone. It may be called while an invocation is under way, which then ends with an
// error.
func (f *Function) Kill() { f.process.kill() }

// Returned reads what the handler returned, and ends the test where it failed.
func Returned[T any](t testing.TB, a Answer, err error) T {
	t.Helper()
	var value T
	switch {
	case err != nil:
		t.Fatal(err)
	case a.Failure != nil:
		t.Fatalf("the handler failed: %s: %s", a.Failure.Type, a.Failure.Message)
	}
	if err := json.Unmarshal(a.Payload, &value); err != nil {
		t.Fatalf("the handler returned %s: %v", a.Payload, err)
	}
	return value
}
