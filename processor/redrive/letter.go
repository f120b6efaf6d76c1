package redrive

import (
	"bytes"
	"context"
	"iter"
	"time"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
)

// Letter is one record, or message, that lies aside. What is not known of it is
// empty.
type Letter struct {
	// ID tells it from the others: the id of a message, or the file and line of a
	// record.
	ID string
	// Object, Version, Offset and Index are where the record comes from, in the terms
	// of the source.
	Object, Version string
	Offset          int64
	Index           int
	// Attempt is how many attempts failed.
	Attempt int
	// Class is the name of the [fault.Class] of what it failed of, Reason the text.
	Class, Reason string
	// Time is when it was put aside or, in a queue, first sent.
	Time time.Time
	// Stage is what Data is: empty for a record as it was read, [StageSink] for what
	// was made of it, [StageTicket] for none, [StageMessage] for the body of a message,
	// which may hold many records.
	Stage string
	// Data is valid until the next letter.
	Data []byte
	// Group and Attributes are those of a message.
	Group      string
	Attributes []sink.Attribute

	plain bool   // a line without envelope
	unfit error  // why it cannot be replayed as it is
	body  []byte // of the message that it is sent as, if that is none of the packings
}

// Stages of letters.
const (
	StageSink = "sink"
	// StageTicket stands for the rest of an object, or all of it, that has to be read
	// again. It is never replayed by this package: see [processor.Retry].
	StageTicket  = "ticket"
	StageMessage = "message"
)

// Unfit returns the letter with a reason why it cannot be replayed: it is counted
// as refused, and stays where it is.
func (l Letter) Unfit(reason error) Letter {
	l.unfit = reason
	return l
}

// Replayed returns the letter with the body of the message that it is sent as, with
// its Attributes, whatever the packing of others is: a record of a queue whose
// attributes tell its consumer what it is. body is valid as long as Data.
func (l Letter) Replayed(body []byte) Letter {
	l.body = body
	return l
}

// RecordID is the [processor.RecordID] of a letter that is one record with a known
// origin, and empty for others. In a queue the origin may be one that a record told of
// itself, without a version: then it is not known.
func (l *Letter) RecordID() string {
	if l.Object == "" || l.Stage == StageMessage || l.Stage == StageTicket || l.body != nil && l.Version == "" {
		return ""
	}
	return processor.RecordID(source.Object{Key: l.Object, Version: l.Version, Size: -1}, l.Offset, l.Index)
}

func (l *Letter) size() int {
	return sink.Message{Body: l.sent(), Attributes: l.Attributes}.Size()
}

// queued reports whether it is from a queue, so that it may hold the id of a record
// that an earlier stage gave it.
func (l *Letter) queued() bool { return l.Stage == StageMessage || l.body != nil }

// sent is what is sent of it, but for the packing.
func (l *Letter) sent() []byte {
	if l.body != nil {
		return l.body
	}
	return l.Data
}

func (l *Letter) clone() Letter {
	c := *l
	c.Data, c.body = bytes.Clone(l.Data), bytes.Clone(l.body)
	return c
}

// Box is where letters lie. It is used by one call of [Run].
type Box interface {
	// Bundles yields all there is, an error last.
	Bundles(ctx context.Context) iter.Seq2[Bundle, error]
	// End is called after the last bundle. What was hidden from others meanwhile, and
	// not removed, is given back.
	End(ctx context.Context) error
}

// Bundle is what is removed in one step: a file, or a few messages. Its letters may
// be gone through several times. After they were gone through, with a call of Keep
// for each that is to stay, comes Settle; or else Leave.
type Bundle interface {
	// Name is what it is called in errors.
	Name() string
	// Letters yields the letters, an error last. One that wraps [io/fs.ErrNotExist]
	// says that somebody else has removed the bundle.
	Letters(ctx context.Context) iter.Seq2[Letter, error]
	// Keep notes that a letter stays. It must not keep its Data.
	Keep(l Letter) error
	// Settle removes all letters but those kept. It is called only if all others
	// were acknowledged. After an error any of them may be there still.
	Settle(ctx context.Context) error
	// Leave leaves everything as it is.
	Leave() error
}

// Target takes letters.
type Target interface {
	// Batch is how many letters, and bytes of them, one call of Replay takes. It may
	// ask a service. A single letter may be longer.
	Batch(ctx context.Context) (letters, bytes int, err error)
	// Replay hands letters over, and returns an error for each: nil means that it is
	// acknowledged, for good. Those marked fault.Interrupted are tried again, after one
	// that is marked fault.Fatal nothing is, and with any other the letter stays where
	// it was. It must not keep the letters.
	Replay(ctx context.Context, letters []Letter) []error
}
