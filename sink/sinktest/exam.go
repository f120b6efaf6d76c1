package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// soon is how long a sink may take to notice the end of a context, and for any
// call of the suite.
const soon = time.Minute

// exam is one sink under test.
type exam struct {
	t      testing.TB
	h      Harness
	sink   sink.Sink
	limits sink.Limits
	serial int // numbers messages, so that no two are equal
}

func open(t testing.TB, h Harness) (*exam, error) {
	x := &exam{t: t, h: h, sink: h.New(t)}
	var err error
	if x.limits, err = x.sink.Limits(t.Context()); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	return x, nil
}

// secret is in every body, so that an error text that quotes one is noticed.
const secret = "payload-marker"

// message returns a new message.
func (x *exam) message() sink.Message {
	x.serial++
	m := sink.Message{
		Body:    fmt.Appendf(nil, `{"n":%d,"s":"%s"}`, x.serial, secret),
		ID:      fmt.Sprintf("id-%d", x.serial),
		Records: 1,
	}
	if x.limits.FIFO {
		m.Group = "group"
	}
	return m
}

// sized returns a new message whose Size is n.
func (x *exam) sized(n int) sink.Message {
	m := x.message()
	if pad := n - m.Size(); pad > 0 {
		m.Body = slices.Insert(m.Body, len(m.Body)-2, bytes.Repeat([]byte("x"), pad)...)
	}
	return m
}

// batch returns n new messages, or as many as one call takes.
func (x *exam) batch(n int) []sink.Message {
	if x.limits.BatchMessages > 0 {
		n = min(n, x.limits.BatchMessages)
	}
	batch := make([]sink.Message, n)
	for i := range batch {
		batch[i] = x.message()
	}
	return batch
}

// copies returns the batch with nothing shared.
func copies(batch []sink.Message) []sink.Message {
	out := slices.Clone(batch)
	for i := range out {
		out[i].Body = slices.Clone(out[i].Body)
		out[i].Attributes = slices.Clone(out[i].Attributes)
	}
	return out
}

// send is Send that must end soon.
func (x *exam) send(ctx context.Context, batch []sink.Message) error {
	return within("send", func() error { return x.sink.Send(ctx, batch) })
}

// errSlow is returned by within.
var errSlow = errors.New("did not return")

func within(call string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(soon)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%s %w within %v", call, errSlow, soon)
	}
}

// flush makes durable what was accepted, where that is needed.
func (x *exam) flush() error {
	if !x.limits.NeedsFlush {
		return nil
	}
	f, ok := x.sink.(sink.Flusher)
	if !ok {
		return errors.New("limits say NeedsFlush, and the sink is no sink.Flusher")
	}
	return within("flush", func() error { return f.Flush(x.t.Context()) })
}

// expect fails unless exactly want was accepted so far.
func (x *exam) expect(want []sink.Message) error {
	if err := x.flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	got := x.h.Accepted(x.t, x.sink)
	if x.h.Unordered {
		byBody := func(a, b sink.Message) int { return bytes.Compare(a.Body, b.Body) }
		got = slices.SortedFunc(slices.Values(got), byBody)
		want = slices.SortedFunc(slices.Values(want), byBody)
	}
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i].Body, want[i].Body) {
			return fmt.Errorf("message %d accepted is %s, want %s", i, brief(got[i].Body), brief(want[i].Body))
		}
		if len(got[i].Attributes) > 0 && !slices.Equal(got[i].Attributes, want[i].Attributes) {
			return fmt.Errorf("message %d was accepted with attributes %v, want %v", i, got[i].Attributes, want[i].Attributes)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d messages were accepted, want %d", len(got), len(want))
	}
	return nil
}

// brief is a body for an error text: bodies at a limit are long.
func brief(body []byte) string {
	if len(body) > 100 {
		return fmt.Sprintf("%q… of %d bytes", body[:100], len(body))
	}
	return fmt.Sprintf("%q", body)
}

// refusal takes the error of a Send apart: which messages were not accepted.
// known is false where the error does not tell.
func refusal(err error, n int) (refused map[int]error, known bool, broken error) {
	if bytes.Contains([]byte(err.Error()), []byte(secret)) {
		return nil, false, errors.New("the text of the error holds payload")
	}
	entries, ok := errors.AsType[*sink.BatchError](err)
	if !ok {
		return nil, false, nil
	}
	if len(entries.Failed) == 0 {
		return nil, false, errors.New("a BatchError lists no message: it must be nil")
	}
	refused = map[int]error{}
	for _, f := range entries.Failed {
		switch {
		case f.Index < 0 || f.Index >= n:
			return nil, false, fmt.Errorf("a BatchError lists message %d of a batch of %d", f.Index, n)
		case refused[f.Index] != nil:
			return nil, false, fmt.Errorf("a BatchError lists message %d twice", f.Index)
		case f.Err == nil:
			return nil, false, fmt.Errorf("a BatchError lists message %d without an error", f.Index)
		}
		refused[f.Index] = f.Err
	}
	return refused, true, nil
}

// refusedAsTooLarge sends a batch that is over a limit.
func (x *exam) refusedAsTooLarge(batch []sink.Message) error {
	err := x.send(x.t.Context(), copies(batch))
	if err == nil {
		return errors.New("it was accepted")
	}
	refused, known, broken := refusal(err, len(batch))
	if broken != nil {
		return broken
	}
	if !errors.Is(err, sink.ErrTooLarge) {
		return fmt.Errorf("the error does not wrap sink.ErrTooLarge: %w", err)
	}
	if fault.Is(err, fault.ClassInterrupted) {
		return fmt.Errorf("the error is marked as interrupted, so that the same is sent again for ever: %w", err)
	}
	var want []sink.Message
	for i, m := range batch {
		if _, ok := refused[i]; known && !ok {
			want = append(want, m)
		}
	}
	return x.expect(want)
}
