package processor

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/source"
)

// fate is what became of a record in this pass.
type fate uint8

const (
	delivered fate = iota // accepted by the sink or the custom processor
	dropped               // the transform gave no output
	retried               // durably in the retry destination
	corrupted             // durably in the corruption destination
	failed                // durably in the failed destination
	returned              // given back with its object, for a later pass
	numFates
)

// ending says how the reading of an object ended.
type ending uint8

const (
	endNone        ending = iota // not read to an end: stopped, or never started
	endEOF                       // all stored bytes read and split
	endInterrupted               // the transport failed
	endChanged                   // not the object that was listed
	endVanished                  // no longer there
	endOwnFault                  // the object itself cannot be read; counts an attempt
)

// object is the account of one object in work. The worker that reads it owns
// the plain fields; once open is zero, the closer does.
type object struct {
	run  *run
	src  source.Object // as listed, and from its opening on as found
	hold claim.Hold    // Block is nil where nothing is claimed (Do)
	// attempt is how often the object was claimed before (pull), or how many
	// attempts its records have behind them (push).
	attempt int
	part    *destination.Info // set for a part of the retry destination
	mark    objectMark        // as listed, where the run remembers what is done

	open   atomic.Int32 // frames not settled, plus one while the object is read
	loaded atomic.Int64
	fates  [numFates]atomic.Int64
	lost   atomic.Bool // the lease did not hold
	cut    atomic.Bool // work stopped before all of it was taken on
	opened bool        // src is the object as found
	// abandoned says that user code may still be working on a record of it: its
	// lease is left to expire.
	abandoned atomic.Bool
	end       ending
	endErr    error
	unsent    bool  // the sink lost what it had accepted: there is no progress
	marked    int64 // bytes settled at the last checkpoint; of the closer
	hashed    sync.Once
	hash      string // of the identity, made on demand
	resumed   progress

	first  frame // saves an allocation for small objects
	mu     sync.Mutex
	frames []*frame // of a large object, in order, those before settled dropped
	prefix scanPoint
}

// frame is a stretch of an object's decoded stream whose records are settled
// together: a whole small object or a slice of a large one.
type frame struct {
	obj     *object
	start   scanPoint
	to      int64        // offset behind the last record that was taken on
	pending atomic.Int64 // records without a fate, plus frameOpen while records are added

	loaded int64 // records in it; set by close

	// Guarded by obj.mu:
	settled bool
	gaps    []gap // where records were given back
}

// gap is where records of a frame were given back: they begin in the span, and
// are those numbered first to last among the records of the frame. The numbers
// tell neighbouring gaps, between which no record begins, from others.
type gap struct {
	span
	first, last int64
}

// scanPoint is a place between two records from which splitting can go on.
type scanPoint struct {
	offset int64
	state  string
}

// frameOpen keeps a frame's pending count above zero until it is closed,
// however fast its records are settled.
const frameOpen = 1 << 40

// beginFrame opens the next frame. keep says that the object may have several,
// which are then remembered for checkpoints.
func (o *object) beginFrame(at scanPoint, keep bool) *frame {
	f := &o.first
	if keep {
		f = new(frame)
	}
	f.obj, f.start, f.to = o, at, at.offset
	f.pending.Store(frameOpen)
	o.open.Add(1)
	if keep {
		o.mu.Lock()
		o.frames = append(o.frames, f)
		o.mu.Unlock()
	}
	return f
}

// giveBack notes that n records in g are given back with the object, for a
// later pass.
func (f *frame) giveBack(n int64, g gap) {
	if n == 0 {
		return
	}
	f.obj.mu.Lock()
	f.gaps = append(f.gaps, g)
	f.obj.mu.Unlock()
	f.settle(returned, n)
}

// settle notes the fate of n records of the frame.
func (f *frame) settle(what fate, n int64) {
	if n == 0 {
		return
	}
	f.obj.fates[what].Add(n)
	if f.pending.Add(-n) == 0 {
		f.obj.frameSettled(f)
	}
}

// close says that the frame holds loaded records, all from before offset to.
func (f *frame) close(loaded, to int64) {
	f.to, f.loaded = to, loaded
	f.obj.loaded.Add(loaded)
	if f.pending.Add(loaded-frameOpen) == 0 {
		f.obj.frameSettled(f)
	}
}

func (o *object) frameSettled(f *frame) {
	o.mu.Lock()
	f.settled = true
	for len(o.frames) > 1 && o.frames[0].settled && len(o.frames[0].gaps) == 0 &&
		o.frames[0].to == o.frames[1].start.offset {
		o.frames = o.frames[1:]
		o.prefix = o.frames[0].start
	}
	o.mu.Unlock()
	o.release()
}

// retain keeps the object from being closed until release.
func (o *object) retain() { o.open.Add(1) }

func (o *object) release() {
	if o.open.Add(-1) == 0 {
		o.run.closer.add(o)
	}
}

// progress returns what is settled of the object, for the next holder.
func (o *object) progress() progress {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unsent || !o.opened {
		return o.resumed
	}
	p := progress{
		Identity: streamIdentity(&o.src), Fingerprint: o.run.fingerprint,
		Offset: o.prefix.offset, State: o.prefix.state,
	}
	p.Settled = append(p.Settled, o.resumed.Settled...)
	frames := o.frames
	if len(frames) == 0 && o.first.obj != nil {
		frames = []*frame{&o.first}
	}
	for _, f := range frames {
		if f.settled {
			p.Settled = f.appendSettled(p.Settled)
		}
	}
	p.tidy()
	return p
}

// appendSettled appends the stretches of the frame in which records begin and
// none of them was given back.
func (f *frame) appendSettled(spans []span) []span {
	gaps := joined(f.gaps)
	from, number := f.start.offset, int64(0) // behind the last gap
	for _, g := range gaps {
		if g.first > number+1 {
			spans = append(spans, span{from, g.span[0]})
		}
		from, number = g.span[1], g.last
	}
	if len(gaps) == 0 || f.loaded > number {
		spans = append(spans, span{from, f.to})
	}
	return spans
}

// joined returns the gaps in order, with those joined between which there is no
// record.
func joined(gaps []gap) []gap {
	gaps = slices.Clone(gaps)
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.first, b.first) })
	kept := gaps[:0]
	for _, g := range gaps {
		if n := len(kept); n > 0 && g.first <= kept[n-1].last+1 {
			last := &kept[n-1]
			last.span[1], last.last = max(last.span[1], g.span[1]), max(last.last, g.last)
			continue
		}
		kept = append(kept, g)
	}
	return kept
}

// identityHash names the object's content in record and message ids.
func (o *object) identityHash() string {
	o.hashed.Do(func() { o.hash = objectHash(o.src.Key, o.src.Identity()) })
	return o.hash
}

// check compares what was loaded with the fates.
func (o *object) check() error {
	sum := o.settledRecords()
	if loaded := o.loaded.Load(); loaded != sum {
		return fmt.Errorf("%w: object %s: %d records loaded, %d have a fate", ErrLedger, o.src.Key, loaded, sum)
	}
	return nil
}

// settledRecords is the number of records that have a fate.
func (o *object) settledRecords() (sum int64) {
	for i := range o.fates {
		sum += o.fates[i].Load()
	}
	return sum
}

// finished reports whether the object may be completed: read to its end and
// nothing given back.
func (o *object) finished() bool {
	return o.end == endEOF && !o.cut.Load() && o.fates[returned].Load() == 0 && !o.lost.Load()
}
