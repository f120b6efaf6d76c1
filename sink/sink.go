// Package sink defines where messages go ([Sink]). Drivers live in
// sub-packages: sink/sqs, sink/file, sink/memory. Anyone's driver can prove
// itself with sink/sinktest.
//
// A sink is small and dumb: it sends what it is given and classifies what went
// wrong. Packing, retrying, pacing and accounting are the processor's.
package sink

import (
	"context"
	"errors"
	"fmt"
)

// Message is one queue message.
type Message struct {
	// Body is the payload, at least one byte.
	Body []byte
	// ID names the message: at most 80 of [A-Za-z0-9_-], unique in a batch.
	// With per-object packing it is the same in every pass over the object. On
	// FIFO queues it is the deduplication id.
	ID string
	// Group is the message group of a FIFO queue, empty elsewhere.
	Group string
	// Attributes are sent beside the body and count towards the size.
	Attributes []Attribute
	// Records is how many records the body holds.
	Records int
}

// Attribute is one message attribute: a name, a type ("String", "Number") and
// a value.
type Attribute struct{ Name, Type, Value string }

// Size is what the message counts for against [Limits], in bytes: the body and
// every attribute's name, type and value.
func (m Message) Size() int {
	n := len(m.Body)
	for _, a := range m.Attributes {
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}

// Limits is what a sink takes in one message and one call. A zero means that
// there is no limit.
type Limits struct {
	// MessageBytes bounds [Message.Size].
	MessageBytes int
	// BatchBytes bounds the sum of the sizes of the messages of one Send.
	BatchBytes int
	// BatchMessages bounds the number of messages of one Send.
	BatchMessages int
	// FIFO says that every message needs a Group and that ID deduplicates.
	FIFO bool
	// XMLChars says that a body may hold only the characters of XML 1.0
	// (#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF), as SQS has it.
	XMLChars bool
	// NeedsFlush says that what Send accepted is durable only after a
	// successful Flush: the sink then implements [Flusher].
	NeedsFlush bool
}

// Sink takes messages. Send is called by several goroutines at once.
type Sink interface {
	// Limits returns what the sink takes. It is called once, at the start of
	// each run, and may ask the queue. An error is classified like Send's.
	Limits(ctx context.Context) (Limits, error)

	// Send hands over a batch within the limits. nil means that all were
	// accepted for good; a [*BatchError] that exactly those it lists were not;
	// any other error that it is unknown whether any was: the caller must
	// assume none and may send all again.
	//
	// Errors, of a call or an entry, are marked: fault.Interrupted where the
	// service is away or throttles (try again, no attempt is counted),
	// fault.Retryable where this message failed but may succeed unchanged,
	// fault.Corrupt where it never will (poison), fault.Fatal where no message
	// will (no such queue, access denied). [ErrTooLarge] in the tree means
	// that the batch must be split.
	//
	// Send does not retry. It must not keep batch nor the bodies in it after it
	// returns: the caller overwrites them. It returns soon after ctx ends. An
	// empty batch is a no-op.
	Send(ctx context.Context, batch []Message) error
}

// Flusher is implemented by a [Sink] whose limits say NeedsFlush.
type Flusher interface {
	// Flush makes everything durable that earlier calls of Send accepted. After
	// an error none of what was accepted since the last successful Flush may be
	// taken as delivered.
	Flush(ctx context.Context) error
}

// Offloader is implemented by a [Sink] that can store a body too large for the
// queue elsewhere and send a pointer to it instead (a claim check).
type Offloader interface {
	// Offload stores m.Body durably under a name derived from m.ID and returns
	// the message that points to it. ok is false where no store is configured.
	// It is safe to call again with the same message.
	Offload(ctx context.Context, m Message) (pointer Message, ok bool, err error)
}

// ErrTooLarge is wrapped by an error of Send when the batch or a message in it
// is over a limit that the queue enforces. Nothing was accepted; sending the
// same again is useless.
var ErrTooLarge = errors.New("over the size the queue takes")

// BatchError says which messages of a batch were not accepted; all others
// were.
type BatchError struct{ Failed []EntryError }

// EntryError is the error of one message of a batch.
type EntryError struct {
	// Index is the message's position in the batch.
	Index int
	// Err is classified as [Sink] says.
	Err error
}

// Error names the number of failed messages and the first failure.
func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "no message failed"
	}
	return fmt.Sprintf("%d messages not accepted, the first: %v", len(e.Failed), e.Failed[0].Err)
}

// Unwrap returns the errors of the entries.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}
