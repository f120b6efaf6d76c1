package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// run is one call of Run, Watch or Do.
type run struct {
	service *Service
	cfg     *Config
	id      string // random; begins the ids of messages that are not stable
	watch   bool
	push    bool // Do: the input cannot be claimed and read again
	// ticket says that in a push run the input is an object of the source, so
	// that its unread rest can be named instead of copied.
	ticket   bool
	single   bool // Do of an object that it claims: nobody lists anything
	log      *zap.Logger
	reporter Reporter
	start    time.Time

	times
	workCtx context.Context // ends when work has to stop
	userCtx context.Context // workCtx with what Pre added
	ioCtx   context.Context // ends when no sending or writing may begin
	putCtx  context.Context // ends when writing to destinations has to end, a moment before leave
	leave   context.Context // ends when all of it has to end
	lastCtx context.Context // ends when giving back has to stop
	stop    context.CancelCauseFunc
	abandon chan struct{} // closed when user code is no longer waited for
	over    chan struct{} // closed when the run is over
	drained sync.WaitGroup

	packing     packing
	frameBytes  int64
	fingerprint string
	emitsJSON   bool
	idLabel     []byte
	prefixer    transform.Prefixer // the transform, where one pass will do
	offloader   sink.Offloader
	rates       limiters
	stores      [numFates]*destination.Store
	keeper      *claim.Keeper
	closer      *closer
	again       *again // of a Watch
	known       *known // of a Run
	journal     *journal

	batches chan *batch
	free    spares[batch]
	windows spares[slab]
	jumbos  chan struct{} // permits for windows beyond slabBytes

	gathers bool // user code gets several records in a call

	live       live
	left       oldest
	progressed atomic.Bool // a record was processed, whatever came of it
	messages   atomic.Int64
	errs       errorList
	outage     *rate.Limiter

	posted       bool // Post was called
	stoppedEarly bool // something was left over

	mu     sync.Mutex
	fatal  error // stopped the run
	broken error // did not stop it, but makes it a failed one
	stuck  int64 // calls that never returned
	// Of a push run: the objects read to their end, and those tickets name.
	read    []source.Object
	tickets map[string]bool
}

// live are the counters of a run that many goroutines add to.
type live struct {
	messages, bytes, calls, resent atomic.Int64
	processing, timeouts           atomic.Int64
	read, preamble, separators     atomic.Int64
	objects, skipped, held         atomic.Int64
	split, removed                 atomic.Int64
}

// begin prepares a run. It starts the goroutines that live as long as it: end
// must be called.
func (s *Service) begin(ctx context.Context, push bool, started time.Time) (*run, error) {
	cfg := &s.cfg
	r := &run{
		service: s, cfg: cfg, id: newRunID(), push: push, log: cfg.Logger, reporter: cfg.NewReporter(),
		start: time.Now(), rates: newLimiters(cfg.Rate),
		outage: rate.NewLimiter(rate.Every(5*time.Second), 1),
	}
	if !push && cfg.OnDone != OnDoneKeep {
		return nil, errors.New("Config.OnDone: is for Do only; Archive takes away what Run and Watch have finished")
	}
	if r.reporter == nil || r.reporter.BaseResponse() == nil {
		return nil, errors.New("Config.NewReporter: its reporter has no Response")
	}
	if started.IsZero() {
		started = r.start
	}
	resp := r.reporter.BaseResponse()
	resp.Status, resp.StartTime, resp.DestinationURL = StatusOK, started, cfg.DestinationURL
	for what, url := range map[fate]string{retried: cfg.RetryURL, failed: cfg.FailedURL, corrupted: cfg.CorruptionURL} {
		store, err := destination.Open(destination.Config{URL: url, Start: started})
		if err != nil {
			return nil, err
		}
		r.stores[what] = store
	}
	if cfg.DestinationURL != "" {
		if store, err := destination.Open(destination.Config{URL: cfg.DestinationURL, Start: started}); err == nil {
			resp.DestinationURL = store.URL()
		}
	}
	r.times = cfg.times(ctx, r.start)
	r.contexts(ctx)
	r.closer = newCloser(r)
	return r, nil
}

// prepare asks the sink for its limits and makes the buffers.
func (r *run) prepare() error {
	var lim sink.Limits
	if r.cfg.Sink != nil {
		var got sink.Limits // written by the goroutine, read only if it returned
		err := r.bounded("read the limits of the sink", func() error {
			ctx := r.workCtx
			if !r.watch { // a queue never reached is rather a mistake than an outage
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, firstContact)
				defer cancel()
			}
			return r.until(ctx, "read the limits of the sink", func(ctx context.Context) (err error) {
				ctx, cancel := context.WithTimeout(ctx, r.cfg.SendTimeout)
				defer cancel()
				got, err = r.cfg.Sink.Limits(ctx)
				return err
			})
		})
		if err == nil {
			lim = got
		}
		if err != nil && (!r.push || r.workCtx.Err() == nil) {
			return fmt.Errorf("read the limits of the sink: %w", err)
		} // else there is no time to send anything: the input is diverted
	}
	if lim.FIFO && !r.cfg.Pack.PerObject {
		return fault.Fatal(errors.New("Pack.PerObject: required for a FIFO queue, whose messages need stable ids"))
	}
	if _, ok := r.cfg.Sink.(sink.Flusher); lim.NeedsFlush && !ok {
		return fault.Fatal(errors.New("the sink needs a flush and has no Flush method"))
	}
	r.closer.flusher, _ = r.cfg.Sink.(sink.Flusher)
	if !lim.NeedsFlush {
		r.closer.flusher = nil
	}
	r.offloader, _ = r.cfg.Sink.(sink.Offloader)
	r.packing = newPacking(r.cfg.Pack, lim)
	r.packing.perObject = r.packing.perObject && r.cfg.Sink != nil
	r.gathers = r.cfg.batches()
	r.frameBytes = r.cfg.Pack.FrameBytes
	if r.frameBytes == 0 {
		r.frameBytes = max(1<<20, 8*int64(r.packing.target))
	}
	if e, ok := r.cfg.Transform.(transform.EmitsJSON); ok {
		r.emitsJSON = e.EmitsJSON()
	}
	if !r.cfg.ReplaceInvalidUTF8 && !r.push {
		r.prefixer, _ = r.cfg.Transform.(transform.Prefixer)
	}
	r.idLabel = idLabel(r.cfg.RecordID)
	r.fingerprint = r.cfg.fingerprint(r.packing, r.frameBytes)
	n := r.cfg.Concurrency
	r.free.fill(n + r.cfg.Senders)
	r.windows.fill(windowsEach * n)
	r.jumbos = make(chan struct{}, r.cfg.jumbos())
	return nil
}

// keepWindows leaves the windows of the run to the next one, unless what was
// left behind may still want them.
func (r *run) keepWindows() {
	r.mu.Lock()
	stuck := r.stuck
	r.mu.Unlock()
	if stuck > 0 {
		return
	}
	for s := r.windows.take(); s != nil; s = r.windows.take() {
		if len(s.buf) == slabBytes {
			r.service.windows.Put((*[slabBytes]byte)(s.buf))
		}
	}
}

func (r *run) takeBatch() *batch {
	select {
	case <-r.free.permits:
		if b := r.free.take(); b != nil {
			return b
		}
		return &batch{buf: make([]byte, 0, r.packing.batch), recs: make([]entry, 0, r.packing.batch/entryEvery)}
	case <-r.lastCtx.Done(): // a sink keeps the senders from returning
		return new(batch)
	}
}

func (r *run) giveBatch(b *batch) {
	b.reset()
	if cap(b.buf) > 2*r.packing.batch { // poison was taken apart in it
		b.buf = nil
	}
	r.free.give(b)
}

// fail stops the run for an error that no further work can mend.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.fatal == nil {
		r.fatal = err
	}
	r.mu.Unlock()
	r.errs.add(err)
	r.stop(errStopped)
}

// blame notes the error of an object's record. A push run has one object only,
// which the response names.
func (r *run) blame(object string, err error) {
	if !r.push {
		err = fmt.Errorf("%s: %w", object, err)
	}
	r.errs.add(err)
}

// fatalError returns the error that stopped the run, if any.
func (r *run) fatalError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal
}

// fault notes an error that leaves something unsettled.
func (r *run) fault(err error) {
	r.mu.Lock()
	if r.broken == nil {
		r.broken = err
	}
	r.mu.Unlock()
	r.errs.add(err)
}

// diverts reports whether records now go to the retry destination unprocessed,
// because work has to stop and the input cannot be left.
func (r *run) diverts() bool { return r.push && r.workCtx.Err() != nil }

// diverted is the reason for that. It costs an attempt only if the run got
// nothing done: otherwise an input that is too slow would come back for ever.
func (r *run) diverted() error {
	err := fmt.Errorf("not processed: %w", errStopped)
	if r.progressed.Load() {
		return fault.Interrupted(err)
	}
	return fault.Retryable(err)
}

// jumbos is how many workers may hold a record beyond slabBytes at once.
func (c *Config) jumbos() int {
	base := c.memoryBase()
	return max(1, int((c.MaxInFlightBytes-base)/c.jumboBytes()))
}

// jumboBytes is the most that a window for one record, or one batch of them,
// takes.
func (c *Config) jumboBytes() int64 {
	n := int64(c.Split.MaxRecordBytes + slabBytes)
	if c.batches() {
		n += int64(c.MaxBatchBytes)
	}
	return 2 * n
}

// memoryBase is what workers and senders take in any case: the windows of a
// worker, its object buffer, a batch a worker and a sender, and what is noted of the
// records that user code gets in a call.
func (c *Config) memoryBase() int64 {
	n := int64(max(1, c.Concurrency)) * windowsEach * slabBytes
	if c.Sink != nil {
		n += int64(max(1, c.Concurrency)) * slabBytes
		n += int64(max(1, c.Concurrency)+max(1, c.Senders)) * defaultBatch
	}
	if c.batches() {
		n += int64(max(1, c.Concurrency)) * heldBytes * int64(max(0, min(c.BatchSize, c.MaxBatchBytes)))
	}
	return n
}

func (c *Config) memoryNeeded() int64 { return c.memoryBase() + c.jumboBytes() }

// fingerprint is a hash of all that shapes messages.
func (c *Config) fingerprint(p packing, frame int64) string {
	what := fmt.Sprintf("%T", c.Transform)
	if t, ok := c.Transform.(interface{ Fingerprint() string }); ok {
		what = t.Fingerprint()
	}
	text := fmt.Sprint(what, c.Fingerprint, c.Split.Format, c.Split.Records, c.Split.Raw, c.Split.MaxRecordBytes,
		c.ReplaceInvalidUTF8, c.RecordID, p.mode, p.perObject, p.target, p.message, frame)
	return objectHash(text, "")[:12]
}
