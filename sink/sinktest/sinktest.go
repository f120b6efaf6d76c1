// Package sinktest tests anyone's [sink.Sink] against the rules of the port
// ([Run]), and makes a good sink fail in every way a queue can ([Flaky]).
package sinktest

import (
	"testing"

	"github.com/unspool-go/unspool/sink"
)

// Harness tells [Run] how to work with a sink.
type Harness struct {
	// New returns a fresh sink to an empty queue. Whatever it opens it closes
	// by t.Cleanup. Required.
	New func(t testing.TB) sink.Sink
	// Accepted returns everything that s has accepted so far, in order, with
	// the bodies as they were sent and whatever else it can tell. Where
	// Limits.NeedsFlush it is called after Flush. It may be called repeatedly
	// and must return it all each time. Bodies of the suite are short lines of
	// JSON, but where a limit is tested. Required.
	Accepted func(t testing.TB, s sink.Sink) []sink.Message
	// Unordered says that the queue promises no order, as standard SQS queues.
	// Defaults to false.
	Unordered bool
	// Poison is a message that the queue itself will never accept, for a reason
	// other than its size: with characters it does not take, for instance. It
	// is sent among good ones. Defaults to none: the rule is skipped.
	Poison *sink.Message
}

// Run tests the sink against every rule of the port, each in a subtest that is
// named after it. A failure prints the rule and how it was broken. It takes at
// most a few seconds on a sink that is not slow itself.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			x, err := open(t, h)
			if err == nil && r.applies != nil && !r.applies(x) {
				t.Skip("the sink states no such limit, or the harness gives no such message")
			}
			if err == nil {
				err = r.check(x)
			}
			if err != nil {
				t.Errorf("broken rule: %s\nhow: %v", r.text, err)
			}
		})
	}
}
