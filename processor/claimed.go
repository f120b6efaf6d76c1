package processor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// errGivenBack is the reason why an object that was claimed is not settled, where
// nothing else is known to be.
var errGivenBack = errors.New("given back unfinished")

// doClaimed is Do with Request.Claim: a Run whose listing is the one object.
func (s *Service) doClaimed(ctx context.Context, req *Request) (Reporter, error) {
	r, err := s.begin(ctx, false, req.StartTime)
	if err != nil {
		return nil, err
	}
	r.single = true
	if err := r.keep(); err != nil {
		return nil, err
	}
	resp := r.reporter.BaseResponse()
	resp.SourceURL = req.SourceURL
	var cause error // of what is not settled
	rep, err := r.call(func() (err error) {
		cause, err = r.one(*req.Object)
		return err
	})
	switch {
	case resp.Finished+resp.Skipped+resp.Vanished > 0:
		return rep, err
	case resp.Held > 0:
		cause = errors.Join(ErrHeld, err)
	case err != nil:
		cause = err
	case resp.Lost > 0:
		cause = claim.ErrLost
	case cause == nil:
		cause = errGivenBack
	}
	return rep, fmt.Errorf("%w: %s: %w", ErrUnread, req.Object.Key, cause)
}

// one claims an object and works on it. It returns what is known of why it is not
// settled, and the error of the run.
func (r *run) one(src source.Object) (cause, err error) {
	if r.workCtx.Err() != nil { // before there was time to begin, or for Pre
		r.stoppedEarly = true
		return errStopped, nil
	}
	p := r.newPass(r.cfg.Source, r.cfg.Split)
	p.first = true
	var granted atomic.Pointer[object] // set by a goroutine that may be left behind
	_, err = r.drain(p, func() error {
		defer close(p.tasks)
		work, err := p.take([]source.Object{src})
		if len(work) > 0 {
			granted.Store(work[0])
		}
		p.dispatch(work)
		if r.workCtx.Err() != nil && !fault.Is(err, fault.ClassFatal) {
			return nil // stopping is no error
		}
		return err
	})
	o := granted.Load()
	switch known := o != nil && o.open.Load() == 0; { // nobody writes it any more
	case known && (o.finished() || o.end == endVanished), o == nil && r.live.held.Load()+r.live.skipped.Load() > 0:
	case known && o.endErr != nil:
		r.errs.add(o.endErr)
		cause = o.endErr
	case r.workCtx.Err() != nil:
		r.stoppedEarly, cause = true, errStopped
	}
	return cause, err
}
