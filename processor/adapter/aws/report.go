package aws

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// Report is the summary of one invocation. It is a [processor.Reporter], so that
// whatever takes one of a single call takes it too, such as package emf. Its
// Response sums up those of all requests; SourceURL is empty, and Status is that
// of the worst.
type Report struct {
	processor.BaseReporter

	Received int64 // objects, messages or changes in the event
	// Unsettled is how many of them are to be delivered again.
	Unsettled int64
	// Refused counts events of objects that are not those of the source: of
	// another bucket or prefix, or with a name that is passed over. They are
	// settled.
	Refused int64
	// Ignored counts events that nothing is to be done about: deletions, and test
	// events of S3.
	Ignored int64
	// Repeated counts objects that the event named more than once.
	Repeated int64
	// Superseded counts objects that were replaced since the event, which another
	// event tells of. They are settled.
	Superseded int64
}

// maxErrors is how many distinct errors a report keeps.
const maxErrors = 20

// tally collects the report of an invocation from several goroutines.
type tally struct {
	mu     sync.Mutex
	report *Report
	errs   []error
	closed bool // the report was handed out
}

func newTally() *tally {
	return &tally{report: &Report{BaseReporter: processor.BaseReporter{
		Response: &processor.Response{Status: processor.StatusOK, StartTime: time.Now()},
	}}}
}

// note changes the report.
func (t *tally) note(change func(*Report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		change(t.report)
	}
}

// fail notes an error, which keeps something from being settled.
func (t *tally) fail(err error) {
	t.note(func(r *Report) {
		if len(t.errs) < maxErrors {
			t.errs = append(t.errs, err)
		}
		if _, ok := errors.AsType[postponed](err); !ok {
			r.Status = processor.StatusError
			r.addErrors(err.Error())
		}
	})
}

// add adds the response of a request.
func (t *tally) add(rep processor.Reporter) {
	if rep == nil {
		return
	}
	t.note(func(r *Report) { r.sum(rep.BaseResponse()) })
}

// close ends the report and returns it with the errors there were: what is still
// under way adds nothing to it.
func (t *tally) close() (*Report, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.report.RuntimeMs = time.Since(t.report.StartTime).Milliseconds()
	return t.report, errors.Join(t.errs...)
}

// sum adds a response to that of the report.
func (r *Report) sum(one *processor.Response) {
	all := r.Response
	if one.Status == processor.StatusError || one.Status == processor.StatusStopped && all.Status == processor.StatusOK {
		all.Status = one.Status
	}
	r.addErrors(one.Errors...)
	for _, u := range []struct {
		to   *string
		from string
	}{
		{&all.DestinationURL, one.DestinationURL},
		{&all.RetryURL, one.RetryURL},
		{&all.FailedURL, one.FailedURL},
		{&all.CorruptionURL, one.CorruptionURL},
	} {
		if *u.to == "" {
			*u.to = u.from
		}
	}
	if !one.Oldest.IsZero() && (all.Oldest.IsZero() || one.Oldest.Before(all.Oldest)) {
		all.Oldest = one.Oldest
	}
	all.LagMs = max(all.LagMs, one.LagMs)
	all.Loaded += one.Loaded
	all.Processed += one.Processed
	all.Delivered += one.Delivered
	all.Dropped += one.Dropped
	all.RetryErrors += one.RetryErrors
	all.CorruptionErrors += one.CorruptionErrors
	all.FailedErrors += one.FailedErrors
	all.ProcessingErrors += one.ProcessingErrors
	all.LoadTimeouts += one.LoadTimeouts
	all.SplitGroups += one.SplitGroups
	all.Returned += one.Returned
	all.Objects += one.Objects
	all.Finished += one.Finished
	all.Skipped += one.Skipped
	all.Held += one.Held
	all.Released += one.Released
	all.Vanished += one.Vanished
	all.Lost += one.Lost
	all.Removed += one.Removed
	all.Abandoned += one.Abandoned
	all.Messages += one.Messages
	all.Batched += one.Batched
	all.Resent += one.Resent
	all.Bytes += one.Bytes
	all.ReadBytes += one.ReadBytes
	all.PreambleBytes += one.PreambleBytes
	all.SeparatorBytes += one.SeparatorBytes
}

func (r *Report) addErrors(texts ...string) {
	for _, text := range texts {
		if len(r.Errors) < maxErrors && !slices.Contains(r.Errors, text) {
			r.Errors = append(r.Errors, text)
		}
	}
}
