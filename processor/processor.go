package processor

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Processor is a custom last stage: it takes the place of Transform and Sink.
//
// Process handles one record, from many goroutines at once. data is read-only
// and valid until it returns. A nil error means that the record is dealt with;
// [NewDataCorruption] (or any fault.Corrupt error) sends it to the corruption
// destination, [NewPartialRetry] the given remainder to the retry destination,
// and every other error the whole record. A panic counts as an error.
//
// ctx ends when work has to stop. A Process that does not return soon after is
// abandoned: the call returns without it, its record goes to the retry
// destination (or is given back) and may so be processed twice.
type Processor interface {
	Process(ctx context.Context, data []byte, reporter Reporter) error
}

// PreProcessor is implemented by a [Processor] that prepares something before
// the first record of a call, and may hand it on in the context. If it fails
// nothing is processed: Do writes all its input to the retry destination, Run
// claims nothing.
type PreProcessor interface {
	Pre(ctx context.Context, reporter Reporter) (context.Context, error)
}

// PostProcessor is implemented by a [Processor] that has to finish something
// after the last record of a call, such as closing a file. It is part of the
// commit: no object is finished before it succeeded, and if it fails, records
// that were processed go to the retry destination (Do) or their objects are
// given back (Run).
type PostProcessor interface {
	Post(ctx context.Context, reporter Reporter) error
}

// NewDataCorruption returns the error of a record that no retry can mend.
func NewDataCorruption(message string) error { return fault.Corrupt(errors.New(message)) }

// NewPartialRetry returns the error of a record that was processed but for
// remainder: only that is written to the retry destination. With an empty
// remainder the whole record is.
func NewPartialRetry(message string, remainder []byte) error {
	return fault.PartialRetry(remainder, errors.New(message))
}

// Request is the input of one [Service.Do].
type Request struct {
	// Reader is the stream to process. If it is also an io.Closer, Do closes it.
	// Either Reader or Object is required.
	Reader io.Reader
	// SourceURL names the input, in reports and as the path of what is written
	// to the destinations. A retry counter at the end of its name
	// ("numbers-retry02.txt") is the number of attempts already made. Required
	// with Reader.
	SourceURL string
	// Object is an object of Config.Source to be processed instead of Reader:
	// what the deadline leaves over is then noted as a ticket (object and
	// offset), and not copied.
	Object *source.Object
	// Claim has Do take the claim of Object before it reads it, as Run does with
	// what it lists: so that events and a schedule may share a source, and each of
	// its objects is done once. It is kept alive, and completed when all is settled;
	// what the deadline leaves over is given back with it, for the next to go on
	// with, be it a Do or a Run. Only a Run works off the retry destination.
	Claim bool
	// StartTime is the time of the event. Defaults to now.
	StartTime time.Time
	// Attempt is the number of attempts already made, where the name does not
	// tell. With Claim the claim store counts them, and neither is looked at.
	Attempt int
}

// NewRequest returns a request to process reader, closing closer (which may be
// nil) afterwards.
func NewRequest(reader io.Reader, closer io.Closer, sourceURL string) *Request {
	req := &Request{Reader: reader, SourceURL: sourceURL}
	if closer != nil {
		req.Reader = &readCloser{reader, closer}
	}
	return req
}

type readCloser struct {
	io.Reader
	io.Closer
}
