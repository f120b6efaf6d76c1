package processor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// feed lists the source once, claims what it lists in blocks and hands the
// objects that were granted to the workers.
func (p *pass) feed() error {
	defer close(p.tasks)
	objects := p.source.Objects
	if relister, ok := p.source.(source.Relister); ok && !p.run.cfg.ClaimVersion {
		objects = func(ctx context.Context) (objects iter.Seq2[source.Object, error]) {
			objects, p.more = relister.List(ctx)
			return objects
		}
	}
	return p.offer(objects(p.run.workCtx))
}

// offer claims what is listed in blocks and hands the objects that were granted
// to the workers.
func (p *pass) offer(objects iter.Seq2[source.Object, error]) (err error) {
	r := p.run
	block := make([]source.Object, 0, r.cfg.ClaimBlock)
	for o, listErr := range objects {
		if listErr != nil {
			err = listErr
			break
		}
		if p.remembers() && !p.first && r.known.has(r.known.mark(&o)) {
			continue
		}
		if block = append(block, o); len(block) < p.block {
			continue
		}
		if err = p.claim(block); err != nil {
			break
		}
		block = block[:0]
		if err = p.revisitAmid(); err != nil {
			break
		}
	}
	if err == nil && len(block) > 0 {
		err = p.claim(block)
		block = block[:0]
	}
	for _, o := range block {
		p.leave(o)
	}
	if r.workCtx.Err() != nil && !fault.Is(err, fault.ClassFatal) {
		return nil // stopping is no error
	}
	return err
}

// remembers reports whether it is remembered what of the listing is done.
func (p *pass) remembers() bool { return !p.retry && p.run.known != nil }

// leave notes that an object of the source is left to others.
func (p *pass) leave(o source.Object) {
	if !p.retry && p.again == nil {
		p.run.left.note(p.source, o)
	}
}

// always says that there may be more.
func always() bool { return true }

// claim claims the objects of a block and hands on those that were granted.
func (p *pass) claim(objects []source.Object) error {
	work, err := p.take(objects)
	p.dispatch(work)
	return err
}

// take claims the objects of a block and returns those that were granted.
func (p *pass) take(objects []source.Object) (work []*object, err error) {
	r := p.run
	keys := make([]string, len(objects))
	for i, o := range objects {
		if keys[i], err = p.claimKey(o); err != nil {
			return nil, err
		}
	}
	block, err := p.ask(keys)
	if block == nil {
		for _, o := range objects {
			p.leave(o)
		}
		return nil, err
	}
	n := 0
	for i := range block.Results {
		if block.Results[i].Status == claim.Granted {
			n++
		}
	}
	made := make([]object, n) // one allocation for the whole block
	work = make([]*object, 0, n)
	for i := range block.Results {
		res := &block.Results[i]
		switch res.Status {
		case claim.Granted:
			o := &made[len(work)]
			o.run, o.src, o.attempt = r, objects[i], res.Lease.Attempt
			o.hold = claim.Hold{Block: block, Index: i}
			if p.remembers() {
				o.mark = r.known.mark(&o.src)
			}
			if res.Lease.Progress != "" {
				o.resumed = parseProgress(res.Lease.Progress, r.fingerprint)
			}
			if p.retry {
				key, attempt := destination.ParseName(objects[i].Key)
				o.part = &destination.Info{Name: objects[i].Key, Key: key, Attempt: attempt}
			}
			o.retain()
			work = append(work, o)
		case claim.Held:
			r.live.held.Add(1)
			p.leave(objects[i])
			p.again.heldByOther(keys[i], objects[i], r.cfg.PollInterval)
		case 0: // could not be claimed
			p.again.unclaimed(keys[i], objects[i], r.cfg.PollInterval)
		case claim.Done:
			if p.first {
				r.live.skipped.Add(1)
			}
			if p.retry { // finished, but not deleted before a crash
				_ = r.stores[retried].Delete(r.workCtx, objects[i].Key)
			}
			if p.remembers() {
				r.known.add(r.known.mark(&objects[i]))
			}
			r.closer.noLonger(keys[i])
		}
	}
	r.live.objects.Add(int64(len(work)))
	p.granted.Add(int64(len(work)))
	return work, nil
}

// firstBlock is the size of the first blocks, so that work begins soon, and the
// least that they shrink to.
const firstBlock = 16

// ask has the store claim the keys, however long it is away: the same wish is
// repeated, so that a grant whose answer was lost is not one attempt of each key.
// It gives nil without an error when work has to stop.
func (p *pass) ask(keys []string) (block *claim.Block, err error) {
	r := p.run
	wish := r.keeper.Begin(keys)
	var took time.Duration // by the last call
	err = r.until(r.workCtx, "claim objects", func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease/2)
		defer cancel()
		began := time.Now()
		block, err = wish.Do(ctx)
		took = time.Since(began)
		if block != nil && err != nil {
			r.errs.add(err) // some keys failed: the next listing meets them again
			p.more = always
			took = max(took, r.cfg.Lease/slowClaim)
			return nil
		}
		return err
	})
	switch {
	case err == nil:
		p.resize(took)
		return block, nil
	case fault.Is(err, fault.ClassFatal), r.workCtx.Err() == nil:
		return nil, fmt.Errorf("claim objects: %w", err)
	}
	p.recant(wish)
	return nil, nil
}

// slowClaim is the part of a lease that claiming a block may take: one that takes
// longer is followed by smaller ones, one that is four times as quick by larger.
const slowClaim = 8

// resize chooses the size of the next block.
func (p *pass) resize(took time.Duration) {
	switch slow := p.run.cfg.Lease / slowClaim; {
	case took >= slow:
		p.block = max(p.block/2, min(firstBlock, p.run.cfg.ClaimBlock))
	case took < slow/4:
		p.block = min(2*p.block, p.run.cfg.ClaimBlock)
	}
}

// recant gives back what a wish may have been granted whose answer nobody waits
// for. Where that cannot be had either the leases expire.
func (p *pass) recant(wish *claim.Claiming) {
	r := p.run
	ctx, cancel := context.WithTimeout(r.lastCtx, r.cfg.SendTimeout)
	defer cancel()
	block, _ := wish.Do(ctx)
	if block == nil {
		return
	}
	var back []claim.GiveBack
	for i := range block.Results {
		if block.Results[i].Status == claim.Granted {
			back = append(back, claim.GiveBack{Hold: claim.Hold{Block: block, Index: i}})
		}
	}
	if len(back) == 0 {
		return
	}
	if err := r.keeper.Release(ctx, back); err != nil {
		r.keeper.Abandon(holdsOf(back))
	}
}

func holdsOf(back []claim.GiveBack) []claim.Hold {
	holds := make([]claim.Hold, len(back))
	for i := range back {
		holds[i] = back[i].Hold
	}
	return holds
}

// claimKey is the name under which an object is claimed.
func (p *pass) claimKey(o source.Object) (string, error) {
	if p.retry {
		return partClaimKey(o.Key), nil // apart from the objects of the source
	}
	return objectClaimKey(o, p.run.cfg.ClaimVersion)
}

// dispatch hands claimed objects to the workers, in portions small enough that
// none is left without.
func (p *pass) dispatch(work []*object) {
	n := max(1, min(dispatchObjects, len(work)/(2*p.run.cfg.Concurrency)))
	for len(work) > 0 {
		task := work[:min(n, len(work))]
		work = work[len(task):]
		select {
		case p.tasks <- task:
		case <-p.run.workCtx.Done():
			for _, o := range task {
				o.release()
			}
		}
	}
}

// retrySource is the retry destination as a source of objects. Parts whose time has
// not come yet are left out.
type retrySource struct {
	store *destination.Store
	delay time.Duration
}

// Objects lists the parts that are due.
func (s retrySource) Objects(ctx context.Context) iter.Seq2[source.Object, error] {
	return func(yield func(source.Object, error) bool) {
		for part, err := range s.store.List(ctx) {
			if err != nil {
				yield(source.Object{}, err)
				return
			}
			// Where the clock of the store is ahead this waits longer than it
			// has to: better than using up the attempts at once.
			if !part.ModTime.IsZero() && time.Since(part.ModTime) < backoff(s.delay, part.Attempt-1) {
				continue
			}
			if !yield(source.Object{Key: part.Name, Size: -1}, nil) {
				return
			}
		}
	}
}

// Open reads a part from its beginning.
func (s retrySource) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	if off != 0 || n >= 0 {
		return nil, source.Object{}, source.ErrNoRange
	}
	body, err := s.store.Open(ctx, o.Key)
	return body, o, err
}

// Run drains the source until there is nothing left to do: a full listing and
// the retry destination granted nothing, because everything is done or held by
// others. A source that knows that a further listing would find nothing new (see
// [source.Relister]) is not listed again for that, and the claim store is not asked
// again for what it said is done, or this run finished: what an operator gives back
// meanwhile is for the next run. It returns before the deadline of ctx, or soon
// after its end, having given back what was not finished.
//
// The error tells why the run failed; a run that stopped in time has none, and
// the status [StatusStopped].
func (s *Service) Run(ctx context.Context) (Reporter, error) { return s.pull(ctx, false) }

// Watch is Run without an end: it goes on with what appears, until ctx ends. A
// source that learns what appears in it (see [source.Watcher]) is asked for
// that; any other is listed every PollInterval. Everything is listed, and
// claimed for, every RescanInterval only.
func (s *Service) Watch(ctx context.Context) (Reporter, error) { return s.pull(ctx, true) }

func (s *Service) pull(ctx context.Context, watch bool) (Reporter, error) {
	if s.cfg.Source == nil {
		return nil, errors.New("unspool: Run and Watch need a Source")
	}
	r, err := s.begin(ctx, false, time.Time{})
	if err != nil {
		return nil, err
	}
	r.watch = watch
	body := r.passes
	if watch {
		r.again = new(again)
		body = r.follow
	} else {
		r.known = newKnown(maxKnown)
	}
	if err := r.keep(); err != nil {
		return nil, err
	}
	return r.call(body)
}

// keep makes the keeper of the claims of a run, which is over where that fails.
func (r *run) keep() (err error) {
	r.keeper, err = claim.NewKeeper(r.cfg.Claimer, claim.KeeperConfig{Owner: r.cfg.Owner, TTL: r.cfg.Lease})
	if err != nil {
		r.finished()
	}
	return err
}

// partSplit is how the parts of destinations are cut into envelopes.
func (c *Config) partSplit() source.Split {
	return source.Split{
		Format: source.FormatLines, Raw: true,
		MaxRecordBytes: min(2*c.Split.MaxRecordBytes+64<<10, 1<<30),
	}.WithDefaults()
}

// passes runs pass after pass until there is nothing more to do.
func (r *run) passes() error {
	const idleRounds = 3 // waited for objects that were given back and may go on soon
	first := true
	more := always
	for idle := 0; r.workCtx.Err() == nil; {
		var granted int64
		var err error
		if more() {
			r.live.held.Store(0)
			r.left.reset()
			listing := r.newPass(r.cfg.Source, r.cfg.Split)
			listing.first, first = first, false
			finished := r.closer.finished()
			granted, err = r.drain(listing, listing.feed)
			more = always
			if err == nil && r.live.held.Load() == 0 && r.closer.finished()-finished == granted {
				more = listing.more // nothing that was listed is left
			}
		}
		back, gone := r.closer.passOver()
		if err == nil && r.workCtx.Err() == nil {
			var parts int64
			parts, err = r.drainRetries()
			granted += parts
		}
		due, waiting := r.closer.nextDue()
		if waiting {
			more = always
		}
		switch {
		case r.workCtx.Err() != nil && err == nil: // the listing may be incomplete
		case err != nil:
			return err
		case granted > int64(back+gone):
			idle = 0
		case waiting && idle < idleRounds:
			idle++
			_ = sleep.For(r.workCtx, min(due, 5*time.Second))
		default:
			return nil
		}
	}
	r.stoppedEarly = true
	return nil
}

// retries is the retry destination as a source.
func (r *run) retries() retrySource {
	return retrySource{r.stores[retried], r.cfg.RetryDelay}
}

// drainRetries works off what is due in the retry destination.
func (r *run) drainRetries() (granted int64, err error) {
	p := r.newPass(r.retries(), r.cfg.partSplit())
	p.retry = true
	granted, err = r.drain(p, p.feed)
	r.closer.passOver()
	return granted, err
}

// drain works off one pass, for which feed claims objects until there are no
// more.
func (r *run) drain(p *pass, feed func() error) (granted int64, err error) {
	p.start(r.cfg.Concurrency, func(w *worker, _ int) { w.loop(p) })
	stop, closed := make(chan struct{}), make(chan error, 1)
	go func() { closed <- r.boundedLast("close objects", func() error { r.closer.loop(stop); return nil }) }()
	err = r.bounded("list and claim objects", feed)
	err = errors.Join(err, p.finish())
	close(stop)
	return p.granted.Load(), errors.Join(err, <-closed)
}
