package processor

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unspool-go/unspool/source"
)

// pass is one listing of a source (or the one stream of a Do), worked off to
// the end: when it is over, every object it claimed is closed.
type pass struct {
	run       *run
	source    source.Source
	split     source.Split
	retry     bool        // the source is the retry destination
	first     bool        // it is the first listing of the run
	more      func() bool // whether another listing may find more; set by feed
	block     int         // how many keys the next claim is for
	again     *again      // where objects are noted that others hold; nil if nobody comes back to them
	revisited time.Time   // when those were last looked at
	tasks     chan []*object
	slabs     chan *slab    // from the worker that reads a large object to any other
	busy      atomic.Int32  // workers that may yet read objects
	quiet     chan struct{} // closed when busy is zero
	mu        sync.Mutex
	workers   []*worker    // guarded by mu
	granted   atomic.Int64 // objects claimed
	done      sync.WaitGroup
	senders   sync.WaitGroup
	flushed   chan struct{} // closed when no worker will hand over a batch any more
}

func (r *run) newPass(src source.Source, split source.Split) *pass {
	return &pass{
		run: r, source: src, split: split, more: always, block: min(firstBlock, r.cfg.ClaimBlock),
		tasks: make(chan []*object), slabs: make(chan *slab), quiet: make(chan struct{}), flushed: make(chan struct{}),
	}
}

// start starts the workers and the senders. work is what each worker does; the
// number of those that read is told, because slices come from those only.
func (p *pass) start(readers int, work func(w *worker, i int)) {
	r := p.run
	r.batches = make(chan *batch)
	if r.cfg.Sink != nil {
		for range r.cfg.Senders {
			s := r.newSender()
			p.senders.Go(func() { s.loop(p.flushed) })
		}
	}
	p.busy.Store(int32(readers))
	for i := range r.cfg.Concurrency {
		w := r.newWorker(p)
		p.enlist(w, func() { work(w, i) })
	}
}

// ended replaces a worker whose goroutine user code has ended (by
// runtime.Goexit, as t.FailNow does) by one that carries on with what it had in
// hand. The record in hand failed by its own fault.
func (p *pass) ended(w *worker) {
	if w.exited.Load() || !w.owner.CompareAndSwap(ownWorker, ownRun) {
		return
	}
	next := w.successor()
	p.enlist(next, func() {
		next.settleHand(errGoexit)
		next.carryOn(true)
		switch {
		case next.reads && !p.run.push:
			next.loop(p)
		case next.reads:
			next.leaveLoop(p)
		default:
			next.helpOut(p)
			next.leaveOff()
		}
	})
}

// enlist starts a worker's goroutine.
func (p *pass) enlist(w *worker, work func()) {
	p.mu.Lock()
	p.workers = append(p.workers, w)
	p.mu.Unlock()
	p.done.Go(func() {
		defer p.ended(w)
		work()
		w.exited.Store(true)
	})
}

func (p *pass) readersDone() <-chan struct{} { return p.quiet }

// readerDone says that a worker will read no more objects.
func (p *pass) readerDone() {
	if p.busy.Add(-1) == 0 {
		close(p.quiet)
	}
}

// finish waits for the workers and the senders. Workers that user code keeps
// from returning are taken over; senders that a sink keeps are left behind.
func (p *pass) finish() error {
	r := p.run
	gone := make(chan struct{})
	go func() { p.done.Wait(); close(gone) }()
	var err error
	select {
	case <-gone:
	case <-r.abandon:
		err = p.takeOver(gone)
	}
	close(p.flushed)
	_ = r.bounded("send", func() error { p.senders.Wait(); return nil }) // counted as abandoned
	return err
}

// takeOver takes everything from workers that are inside user code, until no
// worker is left.
func (p *pass) takeOver(gone <-chan struct{}) error {
	var settling sync.WaitGroup
	for {
		left := false
		p.mu.Lock()
		workers := p.workers
		p.mu.Unlock()
		for _, w := range workers {
			switch {
			case w.exited.Load(), w.owner.Load() == ownRun:
			case w.owner.CompareAndSwap(ownUserCode, ownRun):
				p.run.addStuck(1)
				settling.Go(w.takenOver)
			default:
				left = true
			}
		}
		if left {
			select {
			case <-gone:
				left = false
			case <-p.run.leave.Done():
				left = false
			case <-time.After(time.Millisecond):
			}
		}
		if !left {
			return p.run.bounded("settle what abandoned workers held", func() error { settling.Wait(); return nil })
		}
	}
}

// successor is a worker with all that w had in hand. w is never used again, nor
// are the buffers that user code may still be reading.
func (w *worker) successor() *worker {
	r := w.run
	if t := w.ticketed; t != nil && t.rd != nil {
		r.windows.replace()
	}
	if s := w.slab; s != nil {
		if s.whole != nil {
			s = s.whole
		}
		if (w.reader == nil || w.reader.win != s) && s.lost.CompareAndSwap(false, true) {
			r.windows.replace()
		}
	}
	next := r.newWorker(w.pass)
	next.pack, next.parts = w.pack, w.parts
	next.split, next.data, next.dataAt, next.tryPrefix = w.split, w.data, w.dataAt, w.tryPrefix
	next.task, next.object, next.reads, next.reader = w.task, w.object, w.reads, w.reader
	next.slab, next.next, next.hand, next.handed, next.at, next.base = w.slab, w.next, w.hand, w.handed, w.at, w.base
	next.batch, next.ticketed = w.batch, w.ticketed
	next.frame, next.loaded, next.tally = w.frame, w.loaded, w.tally
	next.gaps, next.other, next.bytes = w.gaps, w.other, w.bytes
	return next
}

// takenOver settles what an abandoned worker had in hand. The record inside
// user code has an unknown fate: loss is worse than repetition, so it is given
// back with its object, whose lease is left to expire, or goes to the retry
// destination.
func (w *worker) takenOver() {
	next := w.successor()
	if w.frame != nil && !w.run.push {
		w.frame.obj.abandoned.Store(true)
	}
	if w.object != nil && !w.run.push {
		w.object.abandoned.Store(true)
	}
	next.settleHand(nil)
	next.carryOn(w.run.push)
	next.leaveOff()
	if w.reads {
		w.pass.readerDone()
	}
}

// settleHand settles what user code had: as failed by its own fault because of
// cause, or as not processed.
func (w *worker) settleHand(cause error) {
	if w.frame == nil {
		return
	}
	called := w.hand.Object != nil // with records, and not to read
	switch {
	case len(w.batch) > 0 && called:
		w.settleBatch(func(w *worker) { w.settleOne(cause) })
	case len(w.batch) > 0: // they waited for others
		w.settleBatch((*worker).unprocessed)
	case called:
		w.settleOne(cause)
	}
	if t := w.ticketed; t != nil && (cause != nil || w.run.push) {
		w.loaded++
		rest := w.rest(t)
		w.toPart(retried, &rest, cmp.Or(cause, w.run.diverted()))
	}
	w.ticketed, w.base = nil, 0
}

// settleOne settles the record in hand.
func (w *worker) settleOne(cause error) {
	env := envelope(w.hand.Object, w.hand.Data, w.hand.Offset, "")
	env.Attempt, env.Index = w.handed, w.base
	switch {
	case cause != nil && w.hand.Data == nil: // in the one pass over a small object
		w.loaded--
		w.tryPrefix = false
	case cause != nil:
		w.run.live.processing.Add(1)
		w.toPart(retried, &env, cause)
	case w.run.push:
		w.toPart(retried, &env, w.run.diverted())
	default:
		w.giveBackOne()
	}
}

// carryOn goes on behind the record in hand: with the slab, the stream and the
// objects, or where all is false only so far that all of it is accounted for.
func (w *worker) carryOn(all bool) {
	reading := w.slab == nil
	switch s := w.slab; {
	case s != nil && all && s.lines:
		w.linesOn(s)
	case s != nil && all && w.run.packing.perObject:
		w.inFrames(w.reader, s, w.next+1)
	case s != nil && all:
		for w.next++; w.next < len(s.recs); w.next++ {
			w.piece(s, w.next)
		}
		w.slab = nil
		w.finish(s.end)
	case w.data != nil && all:
		w.smallOn(w.object)
	case w.frame != nil:
		w.stop(w.at)
	}
	if rd := w.reader; rd != nil && all {
		buf := make([]byte, len(rd.win.buf))
		copy(buf, rd.win.buf[:rd.win.fill]) // user code may read into what is behind
		rd.win.buf = buf
		switch {
		case reading: // inside Read: there is nothing more to be had
			if w.run.push {
				w.handRest(w.pass, rd)
			}
			rd.err = errStuck
			w.endFrame(rd)
			w.ending(rd)
		default:
			if len(rd.win.recs) > 0 {
				w.shift(rd) // the records were worked on in the window
			}
			w.readOn(w.pass, rd)
		}
	}
	if w.object != nil {
		w.done(w.object)
	}
	if all {
		w.objects(w.pass, w.task)
	} else {
		for _, o := range w.task {
			o.release()
		}
	}
}

func (r *run) addStuck(n int64) {
	r.mu.Lock()
	r.stuck += n
	r.mu.Unlock()
}

// windowsEach is how many windows a worker holds at most: the one it fills, the
// one it works on, and that of the object which a ticket in there names.
const windowsEach = 3

// takeSlab returns a free window for the stream of o from offset on. It never
// waits long, because there are enough for each worker.
func (p *pass) takeSlab(o *object, offset int64) *slab {
	<-p.run.windows.permits
	s := p.run.windows.take()
	if s == nil {
		s = new(slab)
	}
	if s.buf == nil {
		if w, ok := p.run.service.windows.Get().(*[slabBytes]byte); ok {
			s.buf = w[:]
		} else {
			s.buf = make([]byte, slabBytes)
		}
	}
	s.obj, s.frame, s.fill, s.base, s.recs, s.lines = o, nil, 0, offset, s.recs[:0], false
	return s
}

func (p *pass) giveSlab(s *slab) {
	if whole := s.whole; whole != nil {
		if whole.portions.Add(-1) == 0 {
			p.giveSlab(whole)
		}
		return
	}
	if len(s.buf) > slabBytes {
		s.buf = nil
	}
	if s.jumbo {
		s.jumbo = false
		<-p.run.jumbos
	}
	s.obj, s.frame = nil, nil
	p.run.windows.give(s)
}

// grow makes the window hold at least n bytes, for one large record. The number
// of such windows is limited; whoever waits for one holds none.
func (p *pass) grow(s *slab, n int) {
	if !s.jumbo {
		select {
		case p.run.jumbos <- struct{}{}:
			s.jumbo = true
		case <-p.run.workCtx.Done(): // nobody waits once work has to stop
		}
	}
	buf := make([]byte, max(n, slabBytes))
	copy(buf, s.buf[:s.fill])
	s.buf = buf
}
