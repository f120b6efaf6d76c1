package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// ErrAway is the error of a [Flaky] sink in an [Outage] or after [LoseResponse],
// marked fault.Interrupted.
var ErrAway = fault.Interrupted(errors.New("sink is away"))

// Fault is what happens to one call. The zero Fault is none.
type Fault struct {
	// Before, if set, is called first, with the context of the call: latency,
	// a barrier. Its error is returned and nothing is sent.
	Before func(ctx context.Context) error
	// Entries are messages that are refused, by index, each with its error. The
	// others are sent, and a *sink.BatchError tells of these. Indexes beyond
	// the batch are left out.
	Entries map[int]error
	// Err is returned, and nothing is sent.
	Err error
	// Lost says that the messages are sent all the same, but Err is returned:
	// the response was lost.
	Lost bool
	// After, if set, is called with the result of the call, after everything
	// else, and may replace it.
	After func(ctx context.Context, err error) error
}

// Plan decides what happens to a call of Send, numbered from 0 in the order in
// which the calls came. It is called by one goroutine at a time, and must not
// keep batch.
type Plan func(call int, batch []sink.Message) Fault

// Script is the [Plan] of one fault per call, and none after the last.
func Script(faults ...Fault) Plan {
	faults = slices.Clone(faults)
	return func(call int, _ []sink.Message) Fault {
		if call < len(faults) {
			return faults[call]
		}
		return Fault{}
	}
}

// Outage is the [Plan] of a sink that is away from the time from on for d: every
// call fails with [ErrAway].
func Outage(from time.Time, d time.Duration) Plan {
	return func(int, []sink.Message) Fault {
		if since := time.Since(from); since >= 0 && since < d {
			return Fault{Err: ErrAway}
		}
		return Fault{}
	}
}

// LoseResponse is the fault of a call whose messages are accepted and whose
// response is lost.
func LoseResponse() Fault { return Fault{Err: ErrAway, Lost: true} }

// Latency is the fault of a call that takes d longer, or ends with its context.
func Latency(d time.Duration) Fault {
	return Fault{Before: func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return fault.Interrupted(fmt.Errorf("send: %w", ctx.Err()))
		}
	}}
}

// Flaky puts faults in front of a sink, which goes on to obey the rules of the
// port: whatever goes wrong, errors tell exactly what was accepted, or do not
// tell at all. It is safe for concurrent use.
type Flaky struct {
	// Sink is the sink behind. Required.
	Sink sink.Sink
	// Plan decides what happens to each Send. Defaults to nothing.
	Plan Plan
	// FlushPlan decides what happens to each Flush, with a nil batch. Entries
	// do not apply. Defaults to nothing.
	FlushPlan Plan

	mu      sync.Mutex
	sends   int
	flushes int
}

var (
	_ sink.Sink      = (*Flaky)(nil)
	_ sink.Flusher   = (*Flaky)(nil)
	_ sink.Offloader = (*Flaky)(nil)
)

// Sends returns how many calls of Send came so far.
func (f *Flaky) Sends() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sends
}

// next asks a plan about the next call.
func (f *Flaky) next(plan Plan, count *int, batch []sink.Message) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := *count
	*count++
	if plan == nil {
		return Fault{}
	}
	return plan(call, batch)
}

// Limits are those of the sink behind.
func (f *Flaky) Limits(ctx context.Context) (sink.Limits, error) { return f.Sink.Limits(ctx) }

// Send does as planned.
func (f *Flaky) Send(ctx context.Context, batch []sink.Message) error {
	plan := f.next(f.Plan, &f.sends, batch)
	return plan.around(ctx, func() error { return plan.send(ctx, f.Sink, batch) })
}

// around makes the call between Before and After.
func (p Fault) around(ctx context.Context, call func() error) error {
	var err error
	if p.Before != nil {
		err = p.Before(ctx)
	}
	if err == nil && (p.Err == nil || p.Lost) {
		err = call()
	}
	if err == nil {
		err = p.Err
	}
	if p.After != nil {
		err = p.After(ctx, err)
	}
	return err
}

// send sends the entries that are not refused.
func (p Fault) send(ctx context.Context, s sink.Sink, batch []sink.Message) error {
	var passed []sink.Message
	var at []int // the place in batch of each passed message
	var failed []sink.EntryError
	for i, m := range batch {
		if err := p.Entries[i]; err != nil {
			failed = append(failed, sink.EntryError{Index: i, Err: err})
			continue
		}
		passed, at = append(passed, m), append(at, i)
	}
	err := s.Send(ctx, passed)
	if entries, ok := errors.AsType[*sink.BatchError](err); ok {
		for _, e := range entries.Failed {
			failed = append(failed, sink.EntryError{Index: at[e.Index], Err: e.Err})
		}
	} else if err != nil {
		return err
	}
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b sink.EntryError) int { return a.Index - b.Index })
	return &sink.BatchError{Failed: failed}
}

// Flush does as planned. A sink behind that needs no Flush gets none.
func (f *Flaky) Flush(ctx context.Context) error {
	plan := f.next(f.FlushPlan, &f.flushes, nil)
	return plan.around(ctx, func() error {
		if flusher, ok := f.Sink.(sink.Flusher); ok {
			return flusher.Flush(ctx)
		}
		return nil
	})
}

// Offload is that of the sink behind, if it has one.
func (f *Flaky) Offload(ctx context.Context, m sink.Message) (sink.Message, bool, error) {
	if o, ok := f.Sink.(sink.Offloader); ok {
		return o.Offload(ctx, m)
	}
	return sink.Message{}, false, nil
}
