package gcp

import (
	"errors"
	"time"

	"github.com/unspool-go/unspool/processor"
)

// Report is the summary of one event. It is a [processor.Reporter], so that
// whatever takes one of a single call takes it too. Its Response is that of the
// request that the event became, or says why there was none.
type Report struct {
	processor.BaseReporter

	Received int64 // events: always 1
	// Unsettled is 1 if the event is to be delivered again.
	Unsettled int64
	// Refused counts events of objects that are not those of the source: of
	// another bucket or prefix, or with a name that is passed over. They are
	// settled.
	Refused int64
	// Ignored counts events that nothing is to be done about: of deletions, of
	// metadata.
	Ignored int64
	// Superseded counts objects that were replaced since the event, which another
	// event tells of. They are settled.
	Superseded int64
}

func newReport() *Report {
	return &Report{
		BaseReporter: processor.BaseReporter{Response: &processor.Response{Status: processor.StatusOK, StartTime: time.Now()}},
		Received:     1,
	}
}

// fail notes why the event is not settled. That another worker holds its object is
// no failure.
func (r *Report) fail(err error) {
	r.Unsettled = 1
	if errors.Is(err, processor.ErrHeld) {
		r.Status, r.Errors = processor.StatusOK, nil
		return
	}
	r.Status = processor.StatusError
	if text := err.Error(); len(r.Errors) == 0 {
		r.Errors = []string{text}
	}
}
