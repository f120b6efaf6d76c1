package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// BatchProcessor is implemented by a [Processor] that takes several records in
// one call. With Config.BatchSize or Config.GroupBy it is called in place of
// Process, under the same rules.
//
// The records of a batch are neighbours in one object, in its order. The slice
// is the callee's to change; the data in it are read-only, and all of it is valid
// until the call returns. Each record gets a fate of its own: a nil error means
// that all are dealt with, a [*BatchError] that exactly those listed are not. Any
// other error is that of every record, but for [NewPartialRetry]: it means that
// the batch is dealt with but for the remainder, which comes back as one record.
// A call that panics, or that is abandoned, failed for every record.
type BatchProcessor interface {
	ProcessBatch(ctx context.Context, batch []source.Record, reporter Reporter) error
}

// BatchFunc is a [BatchProcessor] that is nothing but a function. As a
// [Processor] it gets batches of one record, of which only the data are known.
type BatchFunc func(ctx context.Context, batch []source.Record, reporter Reporter) error

var (
	_ Processor      = BatchFunc(nil)
	_ BatchProcessor = BatchFunc(nil)
)

// ProcessBatch calls f.
func (f BatchFunc) ProcessBatch(ctx context.Context, batch []source.Record, reporter Reporter) error {
	return f(ctx, batch, reporter)
}

// Process calls f with one record.
func (f BatchFunc) Process(ctx context.Context, data []byte, reporter Reporter) error {
	return f(ctx, []source.Record{{Data: data, Object: new(source.Object)}}, reporter)
}

// BatchError says which records of a batch were not dealt with; all others were.
type BatchError struct{ Failed []RecordError }

// RecordError is the error of one record of a batch.
type RecordError struct {
	// Index is the record's position in the batch. One that is outside of it
	// fails the whole batch, because nobody knows which record it is about.
	Index int
	// Err is what Process would have returned for that record. A nil one counts
	// as an error without a reason.
	Err error
}

// Error names the number of failed records and the first failure.
func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "no record failed"
	}
	return fmt.Sprintf("%d records failed, the first: %v", len(e.Failed), e.Failed[0].Err)
}

// Unwrap returns the errors of the records.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, f := range e.Failed {
		if f.Err != nil {
			errs = append(errs, f.Err)
		}
	}
	return errs
}

var (
	errNoReason = errors.New("failed without a reason")
	errNoSuch   = errors.New("the error names a record that is not in the batch")
)

// errorsOf returns the error of each of n records that a call gave err for.
func errorsOf(err error, n int) []error {
	errs := make([]error, n)
	if listed, ok := errors.AsType[*BatchError](err); ok {
		for _, f := range listed.Failed {
			if f.Index < 0 || f.Index >= n {
				return errorsOf(fmt.Errorf("record %d of %d: %w", f.Index, n, errNoSuch), n)
			}
			if errs[f.Index] = usercode.Tellable(f.Err); f.Err == nil {
				errs[f.Index] = errNoReason
			}
		}
		return errs
	}
	if partial, ok := errors.AsType[*fault.Partial](err); ok && len(partial.Remainder) > 0 {
		errs[0] = err // the remainder of all of them comes back in the place of the first
		return errs
	}
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// grouping cuts the records of a stream, in their order, into batches.
type grouping struct {
	cfg   *Config
	n     int    // records in the batch so far; 0 means that the next begins one
	start int64  // of its first record, in the stream
	key   []byte // of its group
	whose source.Object
	full  bool // no further record goes in, whatever its group
	split bool // the group is counted as one that is larger than a batch
}

// add takes the next record in, which ends at offset end of the stream. first
// says that a batch begins with it, split that its group is found here to be too
// large for one batch.
func (g *grouping) add(rec *source.Record, key []byte, start, end int64) (first, split bool) {
	most := int64(g.cfg.MaxBatchBytes)
	same := g.n > 0 && bytes.Equal(key, g.key) && g.whose.Key == rec.Object.Key && g.whose.Version == rec.Object.Version
	if same && !g.full && g.n != g.cfg.BatchSize && end-g.start <= most {
		g.n++
		return false, false
	}
	split = same && !g.split && g.cfg.GroupBy != nil
	g.split = same
	g.n, g.start, g.full = 1, start, end-start >= most
	g.key = append(g.key[:0], key...)
	g.whose.Key, g.whose.Version = rec.Object.Key, rec.Object.Version
	return true, split
}

// done reports whether the batch is complete already: nothing has to be known of
// the next record.
func (g *grouping) done() bool {
	return g.n == 0 || g.full || g.cfg.GroupBy == nil && g.n == g.cfg.BatchSize
}

// held is a record that waits for the others of its batch, or is with them in
// user code.
type held struct {
	rec           source.Record
	attempt, base int
	at, number    int64
}

// heldBytes is what a record in a batch takes beside its data: in the slab, with
// the worker and in the call.
const heldBytes = 256

// batches reports whether user code gets several records in a call.
func (c *Config) batches() bool { return c.BatchSize > 0 || c.GroupBy != nil }

// group returns the key of the record's group. Should GroupBy panic, the record
// is a batch of its own.
func (w *worker) group(rec source.Record) (key []byte, ok bool) {
	if w.run.cfg.GroupBy == nil {
		return nil, true
	}
	var err error
	func() {
		w.enter(source.Record{})
		defer w.leave(&err)
		key = w.run.cfg.GroupBy(rec)
	}()
	if err != nil {
		w.run.blame(rec.Object.Key, fmt.Errorf("group the record at offset %d: %w", rec.Offset, err))
	}
	return key, err == nil
}

// joins takes the next record of a stream into a batch of g, and reports whether
// one begins with it.
func (w *worker) joins(g *grouping, rec source.Record, start, end int64) (first bool) {
	key, ok := w.group(rec)
	g.full = g.full || !ok
	first, split := g.add(&rec, key, start, end)
	if split {
		w.run.live.split.Add(1)
	}
	g.full = g.full || !ok
	return first
}

// hold keeps a record for the call that its batch is handed over in.
func (w *worker) hold(rec source.Record, attempt int) {
	rec.Data = rec.Data[:len(rec.Data):len(rec.Data)]
	w.batch = append(w.batch, held{rec, attempt, w.base, w.at, w.loaded})
}

// handBatch hands over the records that were held, and settles each.
func (w *worker) handBatch() {
	if len(w.batch) == 0 {
		return
	}
	size := 0
	w.records = w.records[:0]
	for i := range w.batch {
		size += len(w.batch[i].rec.Data)
		w.records = append(w.records, w.batch[i].rec)
	}
	if w.run.workCtx.Err() != nil || w.run.pace(w.run.workCtx, len(w.batch), size) != nil {
		w.settleBatch((*worker).unprocessed)
		return
	}
	w.run.live.calls.Add(1)
	errs := errorsOf(w.processBatch(), len(w.batch))
	w.settleBatch(func(w *worker) {
		err := errs[0]
		errs = errs[1:]
		w.settle(w.hand, w.handed, 0, err)
	})
}

// processBatch calls the custom processor.
func (w *worker) processBatch() (err error) {
	w.enter(w.batch[0].rec)
	defer w.leave(&err)
	return w.run.cfg.Processor.(BatchProcessor).ProcessBatch(w.run.userCtx, w.records, w.run.reporter)
}

// settleBatch takes the records that were held in hand, one after the other, and
// has each settled.
func (w *worker) settleBatch(settle func(*worker)) {
	at, base := w.at, w.base
	for _, h := range w.batch {
		w.hand, w.handed, w.base, w.at, w.number = h.rec, h.attempt, h.base, h.at, h.number
		settle(w)
	}
	if w.run.journal != nil {
		w.run.journal.add(w.noted...)
		w.noted = w.noted[:0]
	}
	w.at, w.base, w.number = at, base, 0
	w.batch, w.copied = w.batch[:0], w.copied[:0]
}

// unprocessed settles the record in hand, for which no time was left.
func (w *worker) unprocessed() {
	if w.run.push {
		w.divert(w.hand, w.handed)
		return
	}
	w.giveBackOne()
}
