package cut

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// Report tells what a Run did.
type Report struct {
	Objects  int64 `json:"objects"`  // listed
	Cut      int64 `json:"cut"`      // by this run
	Done     int64 `json:"done"`     // before
	Vanished int64 `json:"vanished"` // gone when they were opened
	Changed  int64 `json:"changed"`  // while they were read: another run takes them
	Failed   int64 `json:"failed"`   // for another reason

	Parts   int64 `json:"parts"` // of what was cut
	Records int64 `json:"records"`
	Corrupt int64 `json:"corrupt"`
	Refused int64 `json:"refused"` // parts that the sink would not take
	Bytes   int64 `json:"bytes"`   // of the decoded streams
}

// maxErrors is how many errors a Run returns.
const maxErrors = 10

// Run cuts every object of the source that is not cut yet. An object that fails
// keeps no other one from being cut; what is marked fault.Fatal, and the end of ctx,
// ends the run. The report is complete as far as it got. The error joins the first
// ten; nil means that everything listed was cut, or vanished.
func (c *Cutter) Run(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{cutter: c, cancel: cancel}
	objects := make(chan source.Object)
	var wg sync.WaitGroup
	for range c.cfg.Concurrency {
		wg.Go(func() {
			for o := range objects {
				r.object(ctx, o)
			}
		})
	}
	for o, err := range c.cfg.Source.Objects(ctx) {
		if err != nil {
			r.fail(fmt.Errorf("list: %w", err))
			break
		}
		r.listed()
		select {
		case objects <- o:
		case <-ctx.Done():
		}
	}
	close(objects)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		r.fail(context.Cause(ctx))
	}
	return r.report, errors.Join(r.errs...)
}

// run is one Run.
type run struct {
	cutter *Cutter
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	report Report
	errs   []error
}

func (r *run) listed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Objects++
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(err)
}

func (r *run) note(err error) {
	for _, e := range r.errs {
		if errors.Is(err, e) || e.Error() == err.Error() {
			return
		}
	}
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, err)
	}
}

func (r *run) object(ctx context.Context, o source.Object) {
	if ctx.Err() != nil {
		return
	}
	m, fresh, err := r.cutter.Object(ctx, o)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && fresh:
		r.report.Cut++
		r.report.Parts += int64(len(m.Parts))
		r.report.Records += m.Records
		r.report.Corrupt += m.Corrupt
		r.report.Bytes += m.Bytes
		for _, p := range m.Parts {
			if p.Corrupt {
				r.report.Refused++
			}
		}
	case err == nil:
		r.report.Done++
	case errors.Is(err, fs.ErrNotExist):
		r.report.Vanished++
	case ctx.Err() != nil:
	case errors.Is(err, source.ErrChanged):
		r.report.Changed++
		r.note(err)
	default:
		r.report.Failed++
		r.note(err)
		if fault.Is(err, fault.ClassFatal) {
			r.cancel(err)
		}
	}
}
