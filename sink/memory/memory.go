// Package memory keeps messages in memory: a [sink.Sink] for tests, which can
// be as strict as a real queue.
package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// Config configures a [Sink]. The zero value takes everything.
type Config struct {
	// Limits are stated and enforced. With FIFO a message needs a Group, and
	// one whose ID was accepted in the last five minutes is accepted again but
	// not kept. With NeedsFlush messages are kept apart until Flush. Defaults
	// to none. [SQSLimits] are those of an SQS queue.
	Limits sink.Limits
	// Hook, if set, is called for each Send with its context and its batch,
	// from the goroutine of the call and without a lock. An error is returned
	// by Send: of a [*sink.BatchError] the other messages are kept, otherwise
	// none. Defaults to nothing.
	Hook func(ctx context.Context, batch []sink.Message) error
}

// SQSLimits returns the limits of an SQS queue with the highest
// MaximumMessageSize: 1 MiB per message and per batch of ten.
func SQSLimits() sink.Limits {
	return sink.Limits{MessageBytes: 1 << 20, BatchBytes: 1 << 20, BatchMessages: 10, XMLChars: true}
}

// dedupWindow is how long SQS remembers a deduplication id.
const dedupWindow = 5 * time.Minute

// Sink keeps messages. It is safe for concurrent use.
type Sink struct {
	cfg Config

	mu      sync.Mutex
	kept    []sink.Message
	pending []sink.Message       // accepted, waiting for Flush
	seen    map[string]time.Time // FIFO: when an id was accepted
}

var (
	_ sink.Sink    = (*Sink)(nil)
	_ sink.Flusher = (*Sink)(nil)
)

// New returns an empty sink.
func New(cfg Config) *Sink { return &Sink{cfg: cfg, seen: map[string]time.Time{}} }

// Limits returns those of the Config.
func (s *Sink) Limits(ctx context.Context) (sink.Limits, error) {
	if err := ctx.Err(); err != nil {
		return sink.Limits{}, fault.Interrupted(fmt.Errorf("limits of memory sink: %w", err))
	}
	return s.cfg.Limits, nil
}

// Send keeps copies of the messages.
func (s *Sink) Send(ctx context.Context, batch []sink.Message) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(fmt.Errorf("send to memory sink: %w", err))
	}
	if len(batch) == 0 {
		return nil
	}
	refused := map[int]error{}
	if s.cfg.Hook != nil {
		err := s.cfg.Hook(ctx, batch)
		if entries, ok := errors.AsType[*sink.BatchError](err); ok {
			for _, f := range entries.Failed {
				refused[f.Index] = f.Err
			}
		} else if err != nil {
			return err
		}
	}
	if err := s.tooLarge(batch); err != nil {
		return fmt.Errorf("send to memory sink: %w", err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []sink.EntryError
	for i, m := range batch {
		err := refused[i]
		if err == nil {
			err = s.poison(m)
		}
		if err != nil {
			failed = append(failed, sink.EntryError{Index: i, Err: err})
			continue
		}
		s.keep(m)
	}
	if len(failed) > 0 {
		return &sink.BatchError{Failed: failed}
	}
	return nil
}

// tooLarge says which limit of size the batch is over.
func (s *Sink) tooLarge(batch []sink.Message) error {
	limits, total := s.cfg.Limits, 0
	for i, m := range batch {
		size := m.Size()
		if over(size, limits.MessageBytes) {
			return fmt.Errorf("message %d of %d bytes, %d allowed: %w", i, size, limits.MessageBytes, sink.ErrTooLarge)
		}
		total += size
	}
	if over(total, limits.BatchBytes) {
		return fmt.Errorf("batch of %d bytes, %d allowed: %w", total, limits.BatchBytes, sink.ErrTooLarge)
	}
	if over(len(batch), limits.BatchMessages) {
		return fmt.Errorf("batch of %d messages, %d allowed: %w", len(batch), limits.BatchMessages, sink.ErrTooLarge)
	}
	return nil
}

func over(n, limit int) bool { return limit > 0 && n > limit }

// poison says why a message will never be accepted.
func (s *Sink) poison(m sink.Message) error {
	switch {
	case len(m.Body) == 0:
		return fault.Corrupt(errors.New("body is empty"))
	case s.cfg.Limits.XMLChars && !isXML(m.Body):
		return fault.Corrupt(errors.New("body holds characters that are not allowed"))
	case s.cfg.Limits.FIFO && m.Group == "":
		return fault.Corrupt(errors.New("message has no group"))
	}
	return nil
}

// isXML reports whether body holds only the characters of XML 1.0.
func isXML(body []byte) bool {
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r == utf8.RuneError && size == 1,
			r < ' ' && r != '\t' && r != '\n' && r != '\r',
			r == 0xfffe, r == 0xffff:
			return false
		}
		body = body[size:]
	}
	return true
}

// keep copies the message, unless it is a duplicate.
func (s *Sink) keep(m sink.Message) {
	if s.cfg.Limits.FIFO {
		now := time.Now()
		if at, ok := s.seen[m.ID]; ok && now.Sub(at) < dedupWindow {
			return
		}
		s.seen[m.ID] = now
	}
	m.Body = slices.Clone(m.Body)
	m.Attributes = slices.Clone(m.Attributes)
	if s.cfg.Limits.NeedsFlush {
		s.pending = append(s.pending, m)
	} else {
		s.kept = append(s.kept, m)
	}
}

// Flush keeps for good what was accepted. It is a no-op without NeedsFlush.
func (s *Sink) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(fmt.Errorf("flush memory sink: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, s.pending...)
	s.pending = nil
	return nil
}

// Crash forgets what was accepted and not flushed, as a crash of the sink
// would. It returns how many messages that were.
func (s *Sink) Crash() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.pending)
	s.pending = nil
	return n
}

// Messages returns the messages kept so far, in the order they were accepted.
// The slice is the caller's; the bodies are read-only.
func (s *Sink) Messages() []sink.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

// Len returns the number of messages kept so far.
func (s *Sink) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}
