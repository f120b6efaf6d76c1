package sqsstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// ErrUndecided is wrapped by the error of [Part.Commit] where some records may not be
// in the queue yet, and Commit can be called again to go on.
var ErrUndecided = destination.ErrUndecided

// Part is a file of envelopes whose commit sends each of them. It is used by one
// goroutine at a time.
type Part struct {
	manager *Manager
	ctx     context.Context // of the caller
	queue   *queue
	path    string // below the queue: unique
	key     string // of the object, in the path
	attempt int    // in the path

	line     []byte // that has no end yet
	messages []sink.Message
	made     int   // messages made
	ended    error // why nothing more can be done
}

var (
	_ io.WriteCloser     = (*Part)(nil)
	_ destination.Writer = (*Part)(nil)
)

var (
	errCommitted = errors.New("part is committed")
	errAborted   = errors.New("part is aborted")
)

// Write appends to the part, lines of envelopes. It fails for a record that is too
// large for the queue; the error is marked fault.Corrupt and wraps
// [sink.ErrTooLarge]. After an error the part can only be aborted.
func (p *Part) Write(b []byte) (n int, err error) {
	for rest := b; len(rest) > 0; {
		if p.ended != nil {
			return n, fmt.Errorf("sqsstore: write to %s: %w", p.path, p.ended)
		}
		text, after, whole := bytes.Cut(rest, []byte("\n"))
		if len(p.line)+len(text) > p.longestLine() {
			return n, p.end(fault.Corrupt(fmt.Errorf("sqsstore: a record of %s: %w", p.key, sink.ErrTooLarge)))
		}
		p.line = append(p.line, text...)
		if whole {
			if err := p.take(); err != nil {
				return n, err
			}
		}
		n += len(rest) - len(after)
		rest = after
	}
	return n, nil
}

// longestLine is that of a record that may fit a message. In an envelope data is at most
// twice as long, or three times as long as parts were once written, which somebody may
// upload; what is told beside it has 64 KiB.
func (p *Part) longestLine() int { return 3*p.queue.limits.MessageBytes + 64<<10 }

// end ends the part.
func (p *Part) end(err error) error {
	p.ended, p.line, p.messages = err, nil, nil
	return err
}

// take makes a message of the line. One that is no envelope is a record of the object
// that the part is named after.
func (p *Part) take() error {
	e, ok := destination.ParseEnvelope(p.line)
	if !ok {
		e = destination.Envelope{Object: p.key, Attempt: p.attempt, Class: fault.ClassRetryable.String(), Data: bytes.Clone(p.line)}
	}
	p.line = p.line[:0]
	if from, ok := p.manager.origin(&e); ok {
		e.Object, e.Version, e.Offset = from.Object, from.Version, from.Offset
	}
	m := p.message(&e)
	if size, most := m.Size(), p.queue.limits.MessageBytes; size > most {
		return p.end(fault.Corrupt(fmt.Errorf("sqsstore: the record at offset %d of %s makes a message of %d bytes, of at most %d: %w", e.Offset, e.Object, size, most, sink.ErrTooLarge)))
	}
	p.messages = append(p.messages, m)
	return nil
}

// maxName is the longest name of an object, or version of it, that a record tells:
// that of a path.
const maxName = 4 << 10

// origin asks the data of a record where it comes from. A function that panics does
// not know, nor one that tells what no source has: such a message could not be read
// again, or would not fit the queue.
func (m *Manager) origin(e *destination.Envelope) (from Origin, ok bool) {
	if m.cfg.Origin == nil || e.Stage == "ticket" {
		return Origin{}, false
	}
	panicked := usercode.Call(func() error { from, ok = m.cfg.Origin(e.Data); return nil })
	return from, ok && panicked == nil && from.Object != "" && from.Offset >= 0 && len(from.Object) <= maxName && len(from.Version) <= maxName
}

// message is the message of a record.
func (p *Part) message(e *destination.Envelope) sink.Message {
	body, attributes := sqsletter.Write(e)
	m := sink.Message{Body: body, ID: digest(p.path) + "-" + strconv.Itoa(p.made), Records: 1}
	p.made++
	for _, a := range attributes {
		m.Attributes = append(m.Attributes, sink.Attribute(a))
	}
	if p.queue.limits.FIFO {
		m.Group = p.manager.group(e)
	}
	return m
}

// group is the message group of a record.
func (m *Manager) group(e *destination.Envelope) (group string) {
	if m.cfg.Group == nil {
		return legalGroup(e.Object)
	}
	if usercode.Call(func() error { group = m.cfg.Group(e.Data); return nil }) != nil {
		group = e.Object
	}
	return legalGroup(group)
}

// maxGroup is the longest name of a message group.
const maxGroup = 128

// legalGroup is name, or its hash where SQS takes no such group.
func legalGroup(name string) string {
	illegal := func(c rune) bool { return c <= ' ' || c > '~' }
	if name == "" || len(name) > maxGroup || strings.ContainsFunc(name, illegal) {
		return digest(name)
	}
	return name
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

const (
	// commitTries is how often Commit sends what is left.
	commitTries = 4
	firstWait   = 50 * time.Millisecond
)

// Commit sends what was written, and returns nil when SQS has acknowledged all of it.
// It tries a few times. After an error that wraps [ErrUndecided], and no other, it may
// be called again, also with another context, and sends only what was not
// acknowledged. After success it does nothing.
func (p *Part) Commit(ctx context.Context) error {
	switch {
	case p.ended == errCommitted:
		return nil
	case p.ended != nil:
		return fmt.Errorf("sqsstore: write to %s: %w", p.path, p.ended)
	}
	if len(p.line) > 0 {
		if err := p.take(); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		err := p.send(ctx)
		switch {
		case err == nil:
			_ = p.end(errCommitted)
			return nil
		case fault.Is(err, fault.ClassCorrupt):
			return p.end(err)
		case try == commitTries-1, fault.Is(err, fault.ClassFatal), !wait(ctx, try):
			return fmt.Errorf("%w: %w", ErrUndecided, err)
		}
	}
}

// send sends all messages once, in batches, and keeps those that were not
// acknowledged. It returns the worst error.
func (p *Part) send(ctx context.Context) error {
	var batches [][]sink.Message
	for left := p.messages; len(left) > 0; {
		batch := batchOf(left)
		batches, left = append(batches, batch), left[len(batch):]
	}
	errs := make([]error, len(batches))
	var away atomic.Bool // a call failed: no other will fare better now
	var wait sync.WaitGroup
	turns := make(chan struct{}, p.parallel())
	for i := range batches {
		turns <- struct{}{}
		if away.Load() {
			break
		}
		wait.Go(func() {
			defer func() { <-turns }()
			all := len(batches[i])
			if batches[i], errs[i] = p.sendBatch(ctx, batches[i]); len(batches[i]) == all {
				away.Store(true)
			}
		})
	}
	wait.Wait()
	p.messages = slices.Concat(batches...)
	var worst error
	for _, err := range errs {
		worst = worse(worst, err)
	}
	return worst
}

// parallel is how many calls are under way at a time: one to a FIFO queue, which
// keeps the order.
func (p *Part) parallel() int {
	if p.queue.limits.FIFO {
		return 1
	}
	return p.manager.cfg.Parallel
}

// sendBatch makes one call, and returns the messages that were not acknowledged. A batch
// that is too much for the queue, which may take less in a call than SQS does, is halved.
func (p *Part) sendBatch(ctx context.Context, batch []sink.Message) (kept []sink.Message, worst error) {
	err := p.queue.Send(ctx, batch)
	if err == nil {
		return nil, nil
	}
	partial, ok := errors.AsType[*sink.BatchError](err)
	switch {
	case ok:
	case !errors.Is(err, sink.ErrTooLarge):
		return batch, err
	case len(batch) == 1:
		return batch, fault.Corrupt(err)
	default:
		half := len(batch) / 2
		if kept, err = p.sendBatch(ctx, batch[:half]); err != nil {
			return slices.Concat(kept, batch[half:]), err
		}
		return p.sendBatch(ctx, batch[half:])
	}
	for _, f := range partial.Failed {
		kept, worst = append(kept, batch[f.Index]), worse(worst, f.Err)
	}
	return kept, worst
}

// batchOf is as much of messages, from the first on, as one call takes, and the first
// in any case: a queue may take larger messages than there were when this was written.
func batchOf(messages []sink.Message) []sink.Message {
	size := 0
	for i := range messages {
		size += messages[i].Size()
		if i == maxBatchMessages || i > 0 && size > maxBatchBytes {
			return messages[:i]
		}
	}
	return messages
}

// worse is that of two errors that leaves less hope.
func worse(a, b error) error {
	for _, class := range []fault.Class{fault.ClassCorrupt, fault.ClassFatal} {
		switch {
		case fault.Is(a, class):
			return a
		case fault.Is(b, class):
			return b
		}
	}
	if a != nil {
		return a
	}
	return b
}

// wait waits before another try, and reports whether ctx allows one.
func wait(ctx context.Context, try int) bool {
	d := firstWait << try
	return sleep.For(ctx, d/2+rand.N(d/2)) == nil
}

// Close is Commit with the context of Begin, and Abort where that fails.
func (p *Part) Close() error {
	err := p.Commit(p.ctx)
	if err != nil {
		_ = p.Abort(p.ctx)
	}
	return err
}

// Abort forgets what was not sent. It does nothing after success, or a second time,
// and cannot take back what a Commit has sent.
func (p *Part) Abort(context.Context) error {
	if p.ended == nil {
		_ = p.end(errAborted)
	}
	return nil
}
