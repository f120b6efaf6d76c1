package processor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// call runs body with all that lives as long as the call: buffers, heartbeats,
// the progress of the caller, Pre and Post. It then gives the response.
func (r *run) call(body func() error) (Reporter, error) {
	var helpers sync.WaitGroup
	keepCtx, endKeeping := context.WithCancel(context.WithoutCancel(r.workCtx))
	over := make(chan struct{})
	if r.keeper != nil {
		helpers.Go(func() {
			if err := r.keeper.Run(keepCtx); err != nil {
				r.fail(fmt.Errorf("extend claims: %w", err))
			}
		})
	}
	if r.cfg.Progress != nil {
		helpers.Go(func() { r.tell(over) })
	}
	err := r.prepare()
	switch {
	case err == nil:
		if err = r.pre(); err != nil {
			r.fail(err) // Do now diverts its whole input; Run claims nothing
			err = nil
		}
		if err = errors.Join(err, body(), r.post()); err == nil && r.push {
			r.remove()
		}
	case r.workCtx.Err() != nil && r.fatalError() == nil && !r.push:
		r.stoppedEarly, err = true, nil // there was no time to begin
	case r.push:
		err = fmt.Errorf("%w: %w", ErrUnread, err)
	}
	err = errors.Join(err, r.boundedLast("close objects", func() error { r.closer.round(); return nil }))
	r.abandonHeld()
	close(over)
	endKeeping()
	_ = r.boundedLast("extend claims", func() error { helpers.Wait(); return nil }) // counted as abandoned
	r.keepWindows()
	r.finished()
	return r.reporter, r.respond(err)
}

// pre calls the custom processor's Pre.
func (r *run) pre() error {
	p, ok := r.cfg.Processor.(PreProcessor)
	if !ok {
		return nil
	}
	var ctx context.Context // written by the goroutine, read only if it returned
	err := r.bounded("Pre", func() (err error) {
		defer recovered(&err)
		ctx, err = p.Pre(r.workCtx, r.reporter) //nolint:fatcontext // it is the processor's to nest
		return err
	})
	if err != nil {
		return fmt.Errorf("prepare the processor: %w", err)
	}
	if ctx != nil {
		r.userCtx = ctx
	}
	return nil
}

// recovered is deferred around user code: it turns a panic into an error.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = usercode.Panic(v)
	}
	*err = usercode.Tellable(*err)
}

// postpones reports whether nothing may be completed before Post has succeeded.
func (r *run) postpones() bool {
	_, ok := r.cfg.Processor.(PostProcessor)
	return ok && !r.posted
}

// post calls the custom processor's Post, and completes what waited for it.
func (r *run) post() error {
	p, ok := r.cfg.Processor.(PostProcessor)
	if !ok || r.userCtx == r.workCtx && r.fatalError() != nil && !r.progressed.Load() {
		return nil // none, or Pre failed
	}
	err := r.bounded("Post", func() (err error) {
		defer recovered(&err)
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.userCtx))
		defer cancel()
		defer context.AfterFunc(r.lastCtx, cancel)()
		return p.Post(ctx, r.reporter)
	})
	r.posted = true
	held := r.closer.held
	r.closer.held = nil
	if err == nil {
		if r.journal != nil {
			r.journal.parts.abort()
		}
		r.closer.close(held)
		return nil
	}
	err = fmt.Errorf("finish the processor: %w", err)
	if r.push {
		return r.recall(held, err)
	}
	for _, o := range held {
		o.unsend()
	}
	r.closer.giveBack(held)
	return err
}

// abandonHeld lets leases expire that nobody could close: of objects that an
// abandoned sender holds on to.
func (r *run) abandonHeld() {
	if r.keeper == nil {
		return
	}
	if n := r.keeper.Live(); n > 0 && r.stuck == 0 {
		r.fault(fmt.Errorf("%d claims were neither finished nor given back and will expire", n))
	}
}

// tell calls Config.Progress about once a second.
func (r *run) tell(over <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			var resp Response
			r.fill(&resp)
			r.cfg.Progress(resp)
		case <-over:
			return
		}
	}
}

// fill sets the counters of a response.
func (r *run) fill(resp *Response) {
	r.closer.mu.Lock()
	t := r.closer.totals
	r.closer.mu.Unlock()
	resp.StartTime, resp.RuntimeMs = r.start, time.Since(r.start).Milliseconds()
	resp.Loaded = t.loaded - t.fates[returned]
	resp.Delivered, resp.Dropped = t.fates[delivered], t.fates[dropped]
	resp.Processed = resp.Delivered + resp.Dropped
	resp.RetryErrors, resp.CorruptionErrors, resp.FailedErrors = t.fates[retried], t.fates[corrupted], t.fates[failed]
	resp.Returned = t.fates[returned]
	if resp.Oldest = r.oldestLeft(); !resp.Oldest.IsZero() {
		resp.LagMs = max(0, time.Since(resp.Oldest)).Milliseconds()
	}
	resp.Finished, resp.Released, resp.Vanished, resp.Lost = t.finished, t.released, t.vanished, t.lost
	l := &r.live
	resp.Objects, resp.Skipped, resp.Held = l.objects.Load(), l.skipped.Load(), l.held.Load()
	resp.Messages, resp.Batched, resp.Resent, resp.Bytes = l.messages.Load(), l.calls.Load(), l.resent.Load(), l.bytes.Load()
	resp.ProcessingErrors, resp.LoadTimeouts, resp.SplitGroups = l.processing.Load(), l.timeouts.Load(), l.split.Load()
	resp.Removed = l.removed.Load()
	resp.ReadBytes, resp.PreambleBytes, resp.SeparatorBytes = l.read.Load(), l.preamble.Load(), l.separators.Load()
}

// respond fills in the response, checks the accounting and writes the summary.
func (r *run) respond(err error) error {
	resp := r.reporter.BaseResponse()
	started := resp.StartTime
	r.fill(resp)
	resp.StartTime = started
	r.mu.Lock()
	stuck, broken := r.stuck, r.broken
	r.mu.Unlock()
	_, waiting := r.closer.nextDue()
	resp.Abandoned = stuck
	for what, url := range map[fate]*string{retried: &resp.RetryURL, failed: &resp.FailedURL, corrupted: &resp.CorruptionURL} {
		if r.closer.count(what) > 0 {
			*url = r.stores[what].URL()
		}
	}
	if sum := resp.Delivered + resp.Dropped + resp.RetryErrors + resp.CorruptionErrors + resp.FailedErrors; sum != resp.Loaded {
		r.fault(fmt.Errorf("%w: %d records loaded, %d have a fate", ErrLedger, resp.Loaded, sum))
	}
	for _, e := range []error{r.fatalError(), broken} {
		if e != nil && !errors.Is(err, e) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		r.errs.add(err)
	}
	resp.Errors = r.errs.strings()
	switch {
	case err != nil:
		resp.Status = StatusError
	case waiting, stuck > 0, r.stoppedEarly:
		resp.Status = StatusStopped
	}
	r.log.Info("run finished", zap.String("status", resp.Status), zap.Int64("loaded", resp.Loaded),
		zap.Int64("delivered", resp.Delivered), zap.Int64("dropped", resp.Dropped), zap.Int64("retried", resp.RetryErrors),
		zap.Int64("corrupted", resp.CorruptionErrors), zap.Int64("failed", resp.FailedErrors), zap.Int64("returned", resp.Returned),
		zap.Int64("objects", resp.Objects), zap.Int64("finished", resp.Finished), zap.Int64("released", resp.Released), zap.Int64("lagMs", resp.LagMs),
		zap.Int64("messages", resp.Messages), zap.Int64("bytes", resp.Bytes), zap.Int64("runtimeMs", resp.RuntimeMs))
	return err
}

// Do processes the stream or object of one request: the records that could not
// be processed before the deadline, or failed, are in the retry destination
// when it returns. It returns before the deadline of ctx.
//
// An error that wraps [ErrUnread] means that not everything could be settled:
// whoever sent the request has to send it again. With any other error of a call
// that got under way, such as one of Pre or Post, all of the input is settled,
// in the destinations if not processed.
//
// An object that is gone before it is read is settled: Response.Vanished counts
// it. One that is not what the request says (see [source.ErrChanged]) is not.
//
// With Request.Claim there is no error either where the object was done before,
// which Response.Skipped counts. The error of one that is held by another worker
// wraps [ErrHeld], and that of one that was given back [ErrUnread] alone; the
// response is that of a Run which met nothing but this object, so that its Status
// tells whether anything failed.
func (s *Service) Do(ctx context.Context, req *Request) (Reporter, error) {
	if err := req.validate(&s.cfg); err != nil {
		return nil, err
	}
	if req.Claim {
		return s.doClaimed(ctx, req)
	}
	r, err := s.begin(ctx, true, req.StartTime)
	if err != nil {
		return nil, err
	}
	o := &object{run: r}
	o.src.Key, o.attempt = destination.ParseName(pathOf(req.SourceURL))
	o.src.Size = -1
	if req.Object != nil {
		o.src, r.ticket = *req.Object, true
	}
	if o.attempt > 0 || destination.IsPart(pathOf(req.SourceURL)) { // its lines may be envelopes
		o.part = &destination.Info{Key: o.src.Key, Attempt: o.attempt}
	}
	o.attempt = max(o.attempt, req.Attempt)
	if req.SourceURL != "" {
		r.reporter.BaseResponse().SourceURL = req.SourceURL
	}
	if _, ok := s.cfg.Processor.(PostProcessor); ok {
		r.journal = &journal{parts: parts{run: r, ctx: r.lastCtx}}
	}
	return r.call(func() error { return r.stream(req, o) })
}

func (q *Request) validate(cfg *Config) error {
	var errs []error
	switch {
	case q == nil:
		return errors.New("unspool: nil Request")
	case q.Reader == nil && q.Object == nil:
		errs = append(errs, errors.New("Request.Reader: required, unless there is an Object"))
	case q.Reader != nil && q.Object != nil:
		errs = append(errs, errors.New("Request.Object: cannot be combined with Reader"))
	case q.Object != nil && cfg.Source == nil:
		errs = append(errs, errors.New("Request.Object: needs a Config.Source to open it"))
	}
	if q.Reader != nil && q.SourceURL == "" {
		errs = append(errs, errors.New("Request.SourceURL: required: it names what goes to the destinations"))
	}
	if q.Claim && q.Object == nil {
		errs = append(errs, errors.New("Request.Claim: needs an Object"))
	}
	if q.Claim && cfg.OnDone != OnDoneKeep {
		errs = append(errs, errors.New("Request.Claim: cannot be combined with Config.OnDone; Archive takes away what is claimed and finished"))
	}
	if q.Attempt < 0 {
		errs = append(errs, fmt.Errorf("Request.Attempt: %d is negative", q.Attempt))
	}
	return errors.Join(errs...)
}

// pathOf is the path of a URL, without scheme and host, with escapes undone
// where there are only valid ones. Only HTTP has queries: elsewhere "?" and "#"
// may stand in a key.
func pathOf(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return strings.TrimLeft(rawURL, "/")
	}
	_, path, _ := strings.Cut(rest, "/")
	if scheme == "http" || scheme == "https" {
		path, _, _ = strings.Cut(path, "?")
	}
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	return strings.TrimLeft(path, "/")
}

// stream works on the one stream of a Do, with all workers.
func (r *run) stream(req *Request, o *object) error {
	split := r.cfg.Split
	if destination.IsPart(pathOf(req.SourceURL)) {
		split = r.cfg.partSplit()
	}
	p := r.newPass(r.cfg.Source, split)
	r.live.objects.Add(1)
	o.retain() // for the reading
	o.retain() // until the end, so that it is closed here
	p.start(1, func(w *worker, i int) {
		if i == 0 {
			w.reads = true
			w.stream(p, req, o)
			w.leaveLoop(p)
			return
		}
		w.helpOut(p)
		w.leaveOff()
	})
	err := p.finish()
	if c, ok := req.Reader.(io.Closer); ok {
		_ = r.bounded("close the input", func() (err error) { // only read: other errors have come to light
			defer recovered(&err)
			return c.Close()
		})
	}
	r.stoppedEarly = r.live.timeouts.Load() > 0
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnread, o.src.Key, err)
	}
	o.release()
	r.closer.round()
	switch {
	case o.open.Load() > 0:
	case o.finished():
		if r.ticket && o.opened {
			r.done(o.src)
		}
		return nil
	case r.ticket && o.end == endVanished && r.broken == nil:
		return nil // there is nothing that anybody could settle
	}
	if o.open.Load() > 0 { // what was done counts, though not all is known
		o.loaded.Store(o.settledRecords())
		r.closer.account(o, func(*totals) {})
	}
	cause := errors.Join(o.endErr, r.broken)
	if cause == nil {
		cause = errors.New("some records have no fate")
	}
	return fmt.Errorf("%w: %s: %w", ErrUnread, o.src.Key, cause)
}

// stream reads the stream or opens the object.
func (w *worker) stream(p *pass, req *Request, o *object) {
	w.object = o
	if req.Object != nil {
		w.large(p, o)
	} else {
		split, _ := source.NewSplitter(p.split) // New has checked it
		w.read(p, &reader{obj: o, in: req.Reader, split: split})
	}
	w.done(o)
}

// journal keeps the records that a custom processor has processed, in a part of
// the retry destination that is committed only if Post fails.
type journal struct {
	mu     sync.Mutex
	parts  parts
	failed int64 // of the records processed, those whose attempts are used up
}

var errPost = fault.Retryable(errors.New("the processor could not be finished"))

// processed is a record in the journal. settled says that it counts as processed,
// and not by what is left of it.
type processed struct {
	env     destination.Envelope
	settled bool
}

// note puts the record in hand into the journal, together with those of its
// batch: they stay neighbours.
func (w *worker) note(env destination.Envelope, settled bool) {
	if w.number > 0 {
		w.noted = append(w.noted, processed{env, settled})
		return
	}
	w.run.journal.add(processed{env, settled})
}

// add notes records.
func (j *journal) add(records ...processed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range records {
		if r := &records[i]; r.settled && r.env.Attempt >= j.parts.run.cfg.MaxRetries {
			j.failed++
		}
		j.parts.add(retried, &records[i].env, errPost, settlement{})
	}
}

// recall puts the records that were processed into the retry destination,
// because Post failed.
func (r *run) recall(held []*object, cause error) error {
	for _, w := range r.journal.parts.open {
		w.settles = nil
		if err := w.commit(&r.journal.parts); err != nil {
			return fmt.Errorf("%w: %w", ErrUnread, errors.Join(cause, fmt.Errorf("write %s destination: %w", fateName(w.kind), err)))
		}
	}
	for _, o := range held { // the one object of a push run
		o.fates[retried].Add(o.fates[delivered].Swap(0) - r.journal.failed)
		o.fates[failed].Add(r.journal.failed)
		r.closer.account(o, func(*totals) {})
	}
	return cause
}
