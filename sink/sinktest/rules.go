package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// rule is one promise of a sink.
type rule struct {
	name    string // of the subtest
	text    string // what the port demands
	applies func(*exam) bool
	check   func(*exam) error
}

var rules = []rule{
	{"limits", "Limits are the same at every call, not negative, and NeedsFlush comes with a Flush", nil, checkLimits},
	{"empty batch", "an empty batch is a no-op", nil, checkEmpty},
	{"accepted", "nil means that all messages were accepted, each once and in order", nil, checkAccepted},
	{"buffers not kept", "Send must not keep the batch or the bodies after it returns: the caller overwrites them", nil, checkNotKept},
	{"batch untouched", "Send must not change the batch or the bodies, nor what lies behind them", nil, checkUntouched},
	{"concurrent", "Send may be called by several goroutines at once", nil, checkConcurrent},
	{"context", "Send returns soon after its context ends, with an error marked fault.Interrupted", nil, checkContext},
	{"poison", "a BatchError names exactly the messages that were not accepted, and a message that never will be is marked fault.Corrupt", hasPoison, checkPoison},
	{"message limit", "a message of Limits.MessageBytes is accepted, one more byte is refused with ErrTooLarge",
		func(x *exam) bool { return x.limits.MessageBytes > 0 }, checkMessageLimit},
	{"attributes count", "attributes count towards Limits.MessageBytes",
		func(x *exam) bool { return x.limits.MessageBytes > 0 }, checkAttributes},
	{"batch limit", "a batch of Limits.BatchBytes is accepted, one more byte is refused with ErrTooLarge",
		func(x *exam) bool { return x.limits.BatchBytes > 0 && x.limits.BatchMessages != 1 }, checkBatchLimit},
	{"batch count", "a batch of Limits.BatchMessages is accepted, one more message is refused with ErrTooLarge",
		func(x *exam) bool { return x.limits.BatchMessages > 0 }, checkBatchCount},
	{"flush", "Flush keeps what was accepted, once, however often it is called, with Send at the same time and with nothing to do",
		func(x *exam) bool { return x.limits.NeedsFlush }, checkFlush},
}

func checkLimits(x *exam) error {
	l := x.limits
	if l.MessageBytes < 0 || l.BatchBytes < 0 || l.BatchMessages < 0 {
		return fmt.Errorf("a limit is negative: %+v", l)
	}
	if _, ok := x.sink.(sink.Flusher); l.NeedsFlush && !ok {
		return errors.New("limits say NeedsFlush, and the sink is no sink.Flusher")
	}
	if err := x.send(x.t.Context(), x.batch(1)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	again, err := x.sink.Limits(x.t.Context())
	if err != nil {
		return fmt.Errorf("limits, asked again: %w", err)
	}
	if again != l {
		return fmt.Errorf("they were %+v and are %+v", l, again)
	}
	return nil
}

func checkEmpty(x *exam) error {
	for _, batch := range [][]sink.Message{nil, {}} {
		if err := x.send(x.t.Context(), batch); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return x.expect(nil)
}

func checkAccepted(x *exam) error {
	var want []sink.Message
	for _, n := range []int{1, 2, 10, 3} {
		batch := x.batch(n)
		want = append(want, copies(batch)...)
		if err := x.send(x.t.Context(), batch); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if err := x.expect(want); err != nil {
			return err
		}
	}
	return nil
}

func checkNotKept(x *exam) error {
	var want []sink.Message
	batch := make([]sink.Message, 0, 10)
	for range 3 { // the same memory each time, as the processor does
		batch = append(batch[:0], x.batch(10)...)
		want = append(want, copies(batch)...)
		if err := x.send(x.t.Context(), batch); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		for i, m := range batch {
			copy(m.Body, bytes.Repeat([]byte("#"), len(m.Body)))
			batch[i] = sink.Message{Body: []byte("overwritten"), ID: "overwritten"}
		}
	}
	return x.expect(want)
}

func checkUntouched(x *exam) error {
	batch := x.batch(10)
	for i, m := range batch {
		roomy := make([]byte, len(m.Body), len(m.Body)+8)
		copy(roomy, m.Body)
		copy(roomy[len(roomy):cap(roomy)], "********")
		batch[i].Body = roomy
	}
	want := copies(batch)
	if err := x.send(x.t.Context(), batch); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	for i, m := range batch {
		if !bytes.Equal(m.Body, want[i].Body) || m.ID != want[i].ID || m.Group != want[i].Group ||
			m.Records != want[i].Records || !slices.Equal(m.Attributes, want[i].Attributes) {
			return fmt.Errorf("message %d was changed", i)
		}
		if string(m.Body[len(m.Body):cap(m.Body)]) != "********" {
			return fmt.Errorf("the memory behind the body of message %d was changed", i)
		}
	}
	return nil
}

func checkConcurrent(x *exam) error {
	const workers, calls = 8, 5
	batches := make([][]sink.Message, workers*calls)
	var want []sink.Message
	for i := range batches {
		batches[i] = x.batch(3)
		want = append(want, copies(batches[i])...)
	}
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for c := range calls {
				errs[w] = errors.Join(errs[w], x.send(x.t.Context(), batches[w*calls+c]))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	anyOrder := *x
	anyOrder.h.Unordered = true
	return anyOrder.expect(want)
}

func checkContext(x *exam) error {
	ctx, cancel := context.WithCancel(x.t.Context())
	cancel()
	err := x.send(ctx, x.batch(2))
	switch {
	case errors.Is(err, errSlow):
		return err
	case err == nil:
		return errors.New("no error")
	case !fault.Is(err, fault.ClassInterrupted):
		return fmt.Errorf("the error is marked as %v: %w", fault.Of(err), err)
	}
	// The sink works on, and nothing of it is half accepted.
	batch := x.batch(2)
	if err := x.send(x.t.Context(), batch); err != nil {
		return fmt.Errorf("send after a send that was cancelled: %w", err)
	}
	if err := x.flush(); err != nil {
		return fmt.Errorf("flush after a send that was cancelled: %w", err)
	}
	for i, m := range batch {
		n := 0
		for _, got := range x.h.Accepted(x.t, x.sink) {
			if bytes.Equal(got.Body, m.Body) {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("message %d, sent after a send that was cancelled, was accepted %d times", i, n)
		}
	}
	return nil
}

func hasPoison(x *exam) bool {
	return x.h.Poison != nil && (x.limits.BatchMessages == 0 || x.limits.BatchMessages >= 3)
}

func checkPoison(x *exam) error {
	batch := []sink.Message{x.message(), *x.h.Poison, x.message()}
	batch[1].ID, batch[1].Group = "poison", batch[0].Group
	err := x.send(x.t.Context(), copies(batch))
	if err == nil {
		return errors.New("the poison was accepted")
	}
	refused, known, broken := refusal(err, len(batch))
	if broken != nil {
		return broken
	}
	if !known {
		// The sink cannot tell: alone the poison must still be known as one.
		err = x.send(x.t.Context(), copies(batch[1:2]))
		if err == nil {
			return errors.New("the poison was accepted alone")
		}
		if !fault.Is(err, fault.ClassCorrupt) {
			return fmt.Errorf("the error of the poison alone is marked as %v: %w", fault.Of(err), err)
		}
		return nil
	}
	if refused[1] == nil {
		return errors.New("the BatchError does not list the poison")
	}
	if !fault.Is(refused[1], fault.ClassCorrupt) {
		return fmt.Errorf("the error of the poison is marked as %v: %w", fault.Of(refused[1]), refused[1])
	}
	var want []sink.Message
	for i, m := range batch {
		if refused[i] == nil {
			want = append(want, m)
		}
	}
	return x.expect(want)
}

// largest is the largest message that fits a message and a batch.
func (x *exam) largest() int {
	if x.limits.BatchBytes > 0 {
		return min(x.limits.MessageBytes, x.limits.BatchBytes)
	}
	return x.limits.MessageBytes
}

func checkMessageLimit(x *exam) error {
	if err := x.refusedAsTooLarge([]sink.Message{x.sized(x.limits.MessageBytes + 1)}); err != nil {
		return fmt.Errorf("a message of %d bytes: %w", x.limits.MessageBytes+1, err)
	}
	fits := x.sized(x.largest())
	if err := x.send(x.t.Context(), copies([]sink.Message{fits})); err != nil {
		return fmt.Errorf("a message of %d bytes: %w", fits.Size(), err)
	}
	return x.expect([]sink.Message{fits})
}

func checkAttributes(x *exam) error {
	with := func(size int) sink.Message {
		attributes := []sink.Attribute{{Name: "name", Type: "String", Value: "value"}, {Name: "count", Type: "Number", Value: "7"}}
		m := x.sized(size - (sink.Message{Attributes: attributes}).Size())
		m.Attributes = attributes
		return m
	}
	if err := x.refusedAsTooLarge([]sink.Message{with(x.limits.MessageBytes + 1)}); err != nil {
		return fmt.Errorf("a message of %d bytes with its attributes: %w", x.limits.MessageBytes+1, err)
	}
	fits := with(x.largest())
	if err := x.send(x.t.Context(), copies([]sink.Message{fits})); err != nil {
		return fmt.Errorf("a message of %d bytes with its attributes: %w", fits.Size(), err)
	}
	return x.expect([]sink.Message{fits})
}

// filling returns a batch of n bytes in all, in at least two messages.
func (x *exam) filling(n int) []sink.Message {
	part := n / 2
	if x.limits.MessageBytes > 0 {
		part = min(part, x.limits.MessageBytes)
	}
	var batch []sink.Message
	for n > part {
		size := part
		if n-part < 64 { // too short for a message of the suite
			size = part - 64
		}
		batch = append(batch, x.sized(size))
		n -= size
	}
	return append(batch, x.sized(n))
}

func checkBatchLimit(x *exam) error {
	over := x.filling(x.limits.BatchBytes + 1)
	fits := x.filling(x.limits.BatchBytes)
	if x.limits.BatchMessages > 0 && len(over) > x.limits.BatchMessages {
		x.t.Skip("messages are too small to fill a batch")
	}
	if err := x.refusedAsTooLarge(over); err != nil {
		return fmt.Errorf("a batch of %d bytes: %w", x.limits.BatchBytes+1, err)
	}
	if err := x.send(x.t.Context(), copies(fits)); err != nil {
		return fmt.Errorf("a batch of %d bytes: %w", x.limits.BatchBytes, err)
	}
	return x.expect(fits)
}

func checkBatchCount(x *exam) error {
	n := x.limits.BatchMessages
	over := append(x.batch(n), x.message())
	if err := x.refusedAsTooLarge(over); err != nil {
		return fmt.Errorf("a batch of %d messages: %w", n+1, err)
	}
	fits := x.batch(n)
	if err := x.send(x.t.Context(), copies(fits)); err != nil {
		return fmt.Errorf("a batch of %d messages: %w", n, err)
	}
	return x.expect(fits)
}

func checkFlush(x *exam) error {
	if err := x.flush(); err != nil {
		return fmt.Errorf("flush of nothing: %w", err)
	}
	if err := x.expect(nil); err != nil {
		return err
	}
	var want []sink.Message
	var batches [][]sink.Message
	for range 40 {
		batch := x.batch(3)
		batches = append(batches, batch)
		want = append(want, copies(batch)...)
	}
	var sendErr, flushErr error
	var wg sync.WaitGroup
	sent := make(chan struct{})
	wg.Go(func() {
		defer close(sent)
		for _, batch := range batches {
			sendErr = errors.Join(sendErr, x.send(x.t.Context(), batch))
		}
	})
	wg.Go(func() {
		for flushErr == nil {
			select {
			case <-sent:
				return
			default:
				flushErr = x.flush()
			}
		}
	})
	wg.Wait()
	if err := errors.Join(sendErr, flushErr); err != nil {
		return err
	}
	for range 2 {
		if err := x.expect(want); err != nil {
			return err
		}
	}
	return nil
}
