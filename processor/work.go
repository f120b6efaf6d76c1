package processor

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"unicode/utf8"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// Who owns a worker's fields.
const (
	ownWorker   int32 = iota // the worker's goroutine
	ownUserCode              // nobody: the goroutine is inside user code
	ownRun                   // the run took them over: the worker was abandoned
)

// worker reads objects and slices of objects, transforms their records and
// packs the outputs. Each runs in a goroutine of its own. When user code does
// not return in time the run takes over all that a worker has in hand; what the
// goroutine holds on to then (its input buffer) is never used again.
type worker struct {
	run    *run
	pass   *pass
	owner  atomic.Int32
	exited atomic.Bool // its goroutine has returned by itself

	buf     []byte // holds a small object, or the window of a large one
	out     transform.Output
	split   *source.Splitter
	pack    packer
	parts   parts
	copied  []byte // records with their UTF-8 mended, and those that are held longer than their window
	fixed   []byte // value with characters escaped
	withID  []byte // value with its record id
	oneLine []byte // value without line ends
	hashOf  *source.Object
	hash    string // of the last origin that was not the object in hand

	// In hand: the tasks not yet begun, the object being read or the slice being
	// worked on, and the tallies of its frame.
	task   []*object
	object *object
	data   []byte // of the small object in hand
	dataAt int64  // how far it is worked on
	// tryPrefix is false for a record that the one pass over data did not return
	// from: it is taken the slow way, in which it is known.
	tryPrefix bool
	reads     bool // may yet read objects
	reader    *reader
	slab      *slab
	next      int             // of slab.recs
	hand      source.Record   // given to user code
	handed    int             // attempts behind it
	batch     []held          // of several records, being gathered or given to user code
	records   []source.Record // what user code gets of it
	noted     []processed     // of it, for the journal
	number    int64           // of the record in hand, where it is not the last one loaded
	ticketed  *ticketing      // the ticket being worked off
	at        int64           // offset of the token it came from
	base      int             // outputs that an earlier attempt gave already
	frame     *frame
	loaded    int64
	tally     [numFates]int64
	gaps      []gap // records of the frame to be given back
	other     int64 // offset of the last record of the frame that was not packed
	bytes     byteAccount
}

// byteAccount says what decoded bytes belong to.
type byteAccount struct{ read, preamble, separators int64 }

func (r *run) newWorker(p *pass) *worker {
	split, _ := source.NewSplitter(p.split) // New has checked it
	return &worker{
		run: r, pass: p, split: split,
		pack: packer{packing: r.packing, run: r}, parts: parts{run: r, ctx: r.putCtx},
	}
}

// loop works on objects and slices until there are no more.
func (w *worker) loop(p *pass) {
	w.reads = true
	linger := newLinger(w.run.cfg.Pack, w.run.watch)
	defer linger.stop()
	for {
		linger.set(w.pack.pending())
		select {
		case s := <-p.slabs:
			w.work(s)
			p.giveSlab(s)
		case task, ok := <-p.tasks:
			if !ok {
				w.leaveLoop(p)
				return
			}
			w.objects(p, task)
		case <-linger.C():
			w.pack.flush()
		case <-w.run.workCtx.Done(): // the listing may not return
			w.leaveLoop(p)
			return
		}
	}
}

// leaveLoop ends the worker's own reading; it helps others to end theirs.
func (w *worker) leaveLoop(p *pass) {
	w.reads = false
	p.readerDone()
	w.helpOut(p)
	w.leaveOff()
}

// leaveOff hands over what is packed, and commits what is not yet.
func (w *worker) leaveOff() {
	w.pack.flush()
	w.parts.commit()
}

// helpOut works on slices of large objects until no other worker reads one.
func (w *worker) helpOut(p *pass) {
	for {
		select {
		case s := <-p.slabs:
			w.work(s)
			p.giveSlab(s)
		case <-p.readersDone():
			return
		}
	}
}

// objects works on small objects one after the other, and begins large ones.
func (w *worker) objects(p *pass, task []*object) {
	for w.task = task; len(w.task) > 0; {
		o := w.task[0]
		w.task = w.task[1:]
		if w.run.workCtx.Err() != nil {
			o.release() // not begun: the closer gives it back
			continue
		}
		w.readObject(p, o)
		w.done(o)
	}
}

// readObject reads one claimed object and works on it.
func (w *worker) readObject(p *pass, o *object) {
	w.object = o
	if o.attempt > w.run.cfg.MaxRetries+1 {
		w.failObject(o)
		return
	}
	if small, ok := p.source.(source.SmallReader); ok && o.src.Size <= slabBytes && o.resumed.Offset == 0 && !w.run.overLimit(slabBytes) && w.run.cfg.Processor == nil {
		data, found, err := w.readSmall(small, o)
		if !errors.Is(err, source.ErrTooLarge) {
			if err != nil {
				w.unreadable(o, scanPoint{}, err)
				return
			}
			w.buf = data
			o.found(found)
			w.small(o, data)
			return
		}
	}
	w.large(p, o)
}

// readSmall calls the source.
func (w *worker) readSmall(s source.SmallReader, o *object) (data []byte, found source.Object, err error) {
	if w.buf == nil {
		w.buf = make([]byte, 0, slabBytes+1)
	}
	w.enter(source.Record{})
	defer w.leave(&err)
	return s.ReadObject(w.run.workCtx, o.src, w.buf[:0], slabBytes)
}

// done drops the worker's hold on the object it was reading.
func (w *worker) done(o *object) {
	w.object = nil
	o.release()
}

// found notes the object as it was found, and forgets progress made on other
// content. What was settled before stays settled, also if reading fails now.
func (o *object) found(found source.Object) {
	o.src, o.opened = found, true
	if id := o.resumed.Identity; id != "" && id != streamIdentity(&found) {
		o.resumed = progress{}
	}
	o.prefix = scanPoint{o.resumed.Offset, o.resumed.State}
}

// unreadable notes that the object could not be opened, or not be read on from
// at, and why.
func (w *worker) unreadable(o *object, at scanPoint, err error) {
	o.endErr = err
	switch {
	case isGone(err):
		o.end = endVanished
	case errors.Is(err, source.ErrChanged):
		o.end = endChanged
	case fault.Is(err, fault.ClassFatal):
		o.end = endInterrupted
		w.run.fail(err)
	case fault.Is(err, fault.ClassCorrupt):
		w.run.blame(o.src.Key, err)
		w.settleObject(o, at, corrupted, err)
	case fault.Is(err, fault.ClassInterrupted), w.run.workCtx.Err() != nil:
		o.end = endInterrupted
	case o.attempt > w.run.cfg.MaxRetries && o.hold.Block != nil:
		w.run.errs.add(err)
		w.settleObject(o, at, failed, err)
	default:
		o.end = endOwnFault
		w.run.errs.add(err)
	}
}

// isGone reports whether an object is gone for good: an error of what a source
// depends on, such as a folder for copies, is marked as an interruption.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && !fault.Is(err, fault.ClassInterrupted)
}

// failObject moves an object that used up its attempts to the failed
// destination: as a ticket, because it could not be worked on.
func (w *worker) failObject(o *object) {
	w.settleObject(o, scanPoint{}, failed, fmt.Errorf("object %s: claimed %d times without being finished", o.src.Key, o.attempt-1))
}

// settleObject settles an object from at on, unread, as one record: a ticket.
func (w *worker) settleObject(o *object, at scanPoint, what fate, cause error) {
	if o.part != nil {
		w.movePart(o, what, cause)
		return
	}
	f := o.beginFrame(at, at.offset > 0)
	env := w.ticketFor(&o.src, at)
	env.Attempt = max(0, o.attempt-1)
	w.parts.add(what, &env, cause, settlement{frame: f, gap: gap{span{at.offset, at.offset + 1}, 1, 1}})
	w.parts.commit()
	f.close(1, at.offset)
	o.end = endEOF
}

// movePart settles the records of a part of the retry destination, unread: the
// part is deleted when it is finished, so all of it is copied first.
func (w *worker) movePart(o *object, what fate, cause error) {
	w.run.blame(o.src.Key, cause)
	lines, err := copyPart(w.run.putCtx, w.run.stores[retried], w.run.stores[what], o.part.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		o.end, o.endErr = endVanished, err
	case err != nil:
		w.run.fault(fmt.Errorf("move retry part %s to the %s destination: %w", o.part.Name, fateName(what), err))
		o.end, o.endErr = endInterrupted, err
	default:
		f := o.beginFrame(scanPoint{}, false)
		f.settle(what, lines)
		f.close(lines, 0)
		o.end = endEOF
	}
}

// small works on an object that is wholly in data.
func (w *worker) small(o *object, data []byte) {
	w.split.Reset()
	w.data, w.dataAt, w.tryPrefix = data, 0, true
	w.begin(o.beginFrame(scanPoint{}, false))
	w.smallOn(o)
}

// smallOn goes on with a small object.
func (w *worker) smallOn(o *object) {
	for {
		from := w.dataAt
		rest := w.data[from:]
		if n := w.onePass(o, rest, from); n > 0 {
			w.dataAt += int64(n)
			continue
		}
		t := w.split.Next(rest, true)
		w.count(t)
		w.dataAt += int64(t.Advance)
		if t.Kind == source.TokenEnd {
			o.end = endEOF
			w.finish(w.dataAt)
			break
		}
		if t.Continues {
			w.joinCorrupt(o, from+int64(t.Start), t)
			continue
		}
		w.token(o, t, rest[t.Start:t.End], from+int64(t.Start))
		w.tryPrefix = true
		if w.run.workCtx.Err() != nil {
			w.stop(w.dataAt)
			break
		}
	}
	w.data = nil
}

// onePass lets a transform that validates as it goes find the end of the next
// record, and returns how many bytes are used up: none if that is not possible,
// and the splitter has to find out why.
func (w *worker) onePass(o *object, rest []byte, offset int64) int {
	p := w.run.prefixer
	if p == nil || !w.tryPrefix || o.part != nil || w.run.workCtx.Err() != nil {
		return 0
	}
	start, end, ok := w.split.AtValue(rest, true)
	if !ok || o.resumed.covers(offset+int64(start)) {
		return 0
	}
	rec := source.Record{Object: &o.src, Offset: offset + int64(start)}
	w.out.Reset()
	w.at = rec.Offset
	w.loaded++
	n, ok, err := w.applyPrefix(p, rec, rest[start:end])
	var t source.Token
	if ok {
		t, ok = w.split.Took(n)
	}
	if !ok {
		w.loaded--
		return 0
	}
	w.count(t)
	rec.Data, rec.Valid = rest[t.Start:t.End], true
	if err != nil && !isPartial(err) {
		w.out.Reset()
	}
	w.settle(rec, 0, w.out.Len(), err)
	return t.Advance
}

// joinCorrupt settles a corrupt record that starts at offset and comes in
// several pieces, all of them in the data of a small object.
func (w *worker) joinCorrupt(o *object, offset int64, t source.Token) {
	var to int64
	for t.Continues {
		t = w.split.Next(w.data[w.dataAt:], true)
		w.count(t)
		to = w.dataAt + int64(t.End)
		w.dataAt += int64(t.Advance)
	}
	w.token(o, source.Token{Kind: source.TokenCorrupt, Err: t.Err}, w.data[offset:to], offset)
}

// begin starts the tallies of a frame.
func (w *worker) begin(f *frame) {
	w.frame, w.loaded, w.tally, w.gaps, w.other = f, 0, [numFates]int64{}, w.gaps[:0], -1
}

// finish commits what the frame sent to the destinations and closes it.
func (w *worker) finish(to int64) {
	f := w.frame
	if w.run.packing.perObject {
		w.pack.closeMessage()
	}
	if !w.run.push || len(w.parts.open) > maxOpenParts {
		w.parts.commit() // in a push run all that a worker puts aside makes one part
	}
	for what, n := range w.tally {
		f.settle(fate(what), n)
	}
	for _, g := range w.gaps {
		f.giveBack(1, g)
	}
	w.run.live.read.Add(w.bytes.read)
	w.run.live.preamble.Add(w.bytes.preamble)
	w.run.live.separators.Add(w.bytes.separators)
	w.bytes = byteAccount{}
	w.frame = nil
	f.close(w.loaded, to)
}

// stop closes the frame before its end, at the boundary offset.
func (w *worker) stop(offset int64) {
	w.frame.obj.cut.Store(true)
	if w.run.packing.perObject && w.frame.obj.part == nil {
		// A message that is not full would have another id when the object is
		// resumed: its records are left to be packed again.
		if recs := w.pack.discard(); len(recs) > 0 {
			if recs[0].at > w.other {
				for _, e := range recs {
					if e.output == 0 {
						w.loaded--
					}
				}
				offset = recs[0].at
			} else {
				giveBackEntries(recs)
			}
		}
	}
	w.finish(offset)
}

// count adds a token's bytes to the byte account.
func (w *worker) count(t source.Token) {
	w.bytes.read += int64(t.Advance)
	w.bytes.preamble += int64(t.Preamble)
	w.bytes.separators += int64(t.Advance - (t.End - t.Start) - t.Preamble)
}

// token works on a record, valid or not.
func (w *worker) token(o *object, t source.Token, data []byte, offset int64) {
	w.at = offset
	switch {
	case o.resumed.covers(offset):
		if w.run.packing.perObject {
			w.pack.closeMessage() // as it was when the record was first packed
		}
	case t.Kind == source.TokenCorrupt:
		w.corrupt(o, data, offset, t.Err)
	case o.part != nil:
		w.parcel(o, data, offset)
	default:
		w.record(source.Record{Data: data, Object: &o.src, Offset: offset, Valid: t.Valid}, o.recordAttempt())
	}
}

// recordAttempt is the number of attempts behind the records of the object.
func (o *object) recordAttempt() int {
	if o.hold.Block == nil {
		return o.attempt
	}
	return 0
}

// corrupt settles a record that cannot be one.
func (w *worker) corrupt(o *object, data []byte, offset int64, cause error) {
	w.loaded++
	env := corruptEnvelope(&o.src, data, offset, cause)
	w.toPart(corrupted, &env, cause)
}

// corruptEnvelope holds a corrupt record as it was before a decoder told of it.
func corruptEnvelope(o *source.Object, data []byte, offset int64, cause error) destination.Envelope {
	if source.IsFlaw(cause) {
		data = source.AppendFlawText(nil, data)
	}
	return envelope(o, data, offset, "")
}

func (w *worker) toPart(what fate, env *destination.Envelope, cause error) {
	w.noteOther()
	if what != retried || !errors.Is(cause, errStopped) {
		w.run.blame(env.Object, cause)
	}
	w.parts.add(what, env, cause, w.here(nil))
}

func envelope(o *source.Object, data []byte, offset int64, stage string) destination.Envelope {
	return destination.Envelope{Object: o.Key, Version: o.Identity(), Offset: offset, Stage: stage, Data: data}
}

// record works on one valid record.
func (w *worker) record(rec source.Record, attempt int) {
	w.loaded++
	w.handed = attempt
	gathered := w.ticketed != nil && w.run.gathers // and may be left to another ticket
	if w.run.diverts() && !gathered {
		w.handBatch() // in their order
		w.divert(rec, attempt)
		return
	}
	if err := w.check(&rec); err != nil {
		env := envelope(rec.Object, rec.Data, rec.Offset, "")
		w.toPart(corrupted, &env, err)
		return
	}
	if w.run.cfg.Processor != nil {
		w.own(rec, attempt)
		return
	}
	w.out.Reset()
	err := w.apply(rec)
	if err != nil && !isPartial(err) {
		w.out.Reset()
	}
	w.settle(rec, attempt, w.out.Len(), err)
}

// own has the custom processor work on a record, now or with the rest of its
// batch.
func (w *worker) own(rec source.Record, attempt int) {
	switch {
	case w.run.gathers:
		w.hold(rec, attempt)
	case w.run.pace(w.run.workCtx, 1, len(rec.Data)) != nil:
		w.hand = rec
		w.unprocessed()
	default:
		w.settle(rec, attempt, 0, w.process(rec))
	}
}

// divert sends a record that the deadline left over to the retry destination.
func (w *worker) divert(rec source.Record, attempt int) {
	env := envelope(rec.Object, rec.Data, rec.Offset, "")
	env.Attempt, env.Index = attempt, w.base
	w.run.live.timeouts.Add(1)
	w.toPart(retried, &env, w.run.diverted())
}

// check validates what the splitter and the transform do not.
func (w *worker) check(rec *source.Record) error {
	if w.run.cfg.Split.Raw {
		return nil
	}
	if !rec.Valid {
		if err := jsonscan.Valid(rec.Data, w.run.cfg.Split.MaxDepth); err != nil {
			return fault.Corruptf("record at offset %d: %w", rec.Offset, err)
		}
	}
	if !utf8.Valid(rec.Data) {
		if !w.run.cfg.ReplaceInvalidUTF8 {
			return fault.Corruptf("record at offset %d: invalid UTF-8", rec.Offset)
		}
		if !w.run.gathers {
			w.copied = w.copied[:0]
		}
		from := len(w.copied)
		w.copied = appendValidUTF8(w.copied, rec.Data)
		rec.Data = w.copied[from:]
	}
	rec.Valid = true
	return nil
}

// appendValidUTF8 appends text to dst with each byte that is not UTF-8 replaced
// by U+FFFD.
func appendValidUTF8(dst, text []byte) []byte {
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, c)
		text = text[n:]
	}
	return dst
}

// settle decides a record's fate from the outputs and the error it gave.
func (w *worker) settle(rec source.Record, attempt, outputs int, err error) {
	if w.run.push && !w.run.progressed.Load() && w.run.workCtx.Err() == nil {
		w.run.progressed.Store(true)
	}
	if err == nil {
		w.deliver(rec, attempt, outputs)
		return
	}
	env := envelope(rec.Object, rec.Data, rec.Offset, "")
	env.Attempt, env.Index = attempt, w.base
	switch fault.Of(err) {
	case fault.ClassCorrupt:
		w.run.live.processing.Add(1)
		w.toPart(corrupted, &env, err)
	case fault.ClassFatal:
		w.run.fail(err)
		w.giveBack(&env, err)
	case fault.ClassInterrupted:
		w.giveBack(&env, err)
	default:
		if w.run.workCtx.Err() != nil {
			// It failed because it had to stop: no fault of its own.
			if w.run.push {
				w.toPart(retried, &env, w.run.diverted())
			} else {
				w.giveBack(&env, err)
			}
			return
		}
		w.run.live.processing.Add(1)
		if partial, ok := errors.AsType[*fault.Partial](err); ok && len(partial.Remainder) > 0 {
			w.partial(rec, attempt, outputs, partial)
			return
		}
		w.toPart(retried, &env, err)
	}
}

// giveBack leaves a record to a later pass over its object, or where that
// cannot be read again sends it to the retry destination, uncounted.
func (w *worker) giveBack(env *destination.Envelope, err error) {
	if w.run.push {
		w.toPart(retried, env, fault.Interrupted(err))
		return
	}
	w.run.blame(env.Object, err)
	w.giveBackOne()
}

// giveBackOne gives the record in hand back with its object.
func (w *worker) giveBackOne() {
	w.noteOther()
	w.gaps = append(w.gaps, w.inHand())
}

// noteOther remembers that the record in hand is not in a message, or not only.
func (w *worker) noteOther() { w.other = max(w.other, w.at) }

// inHand is the gap that the record in hand leaves.
func (w *worker) inHand() gap {
	n := cmp.Or(w.number, w.loaded)
	return gap{span{w.at, w.at + 1}, n, n}
}

// here is the settlement of the record in hand.
func (w *worker) here(m *multi) settlement {
	return settlement{frame: w.frame, multi: m, gap: w.inHand()}
}

// deliver packs the outputs of a record.
func (w *worker) deliver(rec source.Record, attempt, outputs int) {
	switch {
	case w.run.cfg.Processor != nil:
		if w.run.journal != nil {
			env := envelope(rec.Object, rec.Data, rec.Offset, "")
			env.Attempt = attempt
			w.note(env, true)
		}
		w.noteOther()
		w.tally[delivered]++
	case outputs == 0:
		w.noteOther()
		w.tally[dropped]++
	case outputs == 1:
		w.output(rec, attempt, 0, nil)
	default:
		m := &multi{left: outputs, gap: w.inHand()}
		for i := range outputs {
			w.output(rec, attempt, i, m)
		}
	}
}

// partial packs what a record gave and sends its remainder to retry.
func (w *worker) partial(rec source.Record, attempt, outputs int, p *fault.Partial) {
	m := &multi{left: outputs + 1, gap: w.inHand()}
	env := envelope(rec.Object, p.Remainder, rec.Offset, "")
	env.Attempt, env.Index = attempt, w.base+outputs
	w.noteOther()
	if w.run.journal != nil { // what was processed is lost if Post fails
		whole := envelope(rec.Object, rec.Data, rec.Offset, "")
		whole.Attempt, whole.Index = attempt, w.base
		w.note(whole, false)
	}
	w.run.blame(rec.Object.Key, p)
	w.parts.add(retried, &env, p, w.here(m))
	for i := range outputs {
		w.output(rec, attempt, i, m)
	}
}

// output packs one output value.
func (w *worker) output(rec source.Record, attempt, i int, m *multi) {
	value, err := w.value(rec, i)
	if err == nil {
		w.packValue(rec.Object, value, rec.Offset, attempt, w.base+i, m)
		return
	}
	env := envelope(rec.Object, rec.Data, rec.Offset, "")
	env.Index = w.base + i
	w.noteOther()
	w.run.blame(rec.Object.Key, err)
	w.parts.add(corrupted, &env, err, w.here(m))
}

// packValue packs a value that is ready to go, or offloads it if it is too large.
func (w *worker) packValue(origin *source.Object, value []byte, offset int64, attempt, i int, m *multi) {
	e := entry{frame: w.frame, origin: origin, multi: m, output: int32(i), attempt: int32(attempt), offset: offset, at: w.at, number: w.loaded}
	if w.pack.fits(value) {
		w.pack.add(value, e)
		return
	}
	w.oversize(value, e)
}

// value returns the i-th output as it will be packed.
func (w *worker) value(rec source.Record, i int) ([]byte, error) {
	value := w.out.Value(i)
	if len(value) == 0 {
		return nil, fault.Corruptf("record at offset %d: output %d is empty", rec.Offset, i)
	}
	if !w.run.emitsJSON {
		if err := w.checkOutput(value); err != nil {
			return nil, fault.Corruptf("record at offset %d: output %d: %w", rec.Offset, i, err)
		}
	}
	if w.run.cfg.RecordID != "" {
		var ok bool
		if value, ok = w.addRecordID(value, rec, w.base+i); !ok {
			return nil, fault.Corruptf("record at offset %d: output %d is no JSON object: it cannot carry a record id", rec.Offset, i)
		}
	}
	if w.run.packing.mode == PackLines && w.run.emitsJSON && bytes.ContainsAny(value, "\r\n") {
		w.oneLine = appendOneLine(w.oneLine[:0], value)
		value = w.oneLine
	}
	if w.run.packing.xml {
		var changed bool
		if w.fixed, changed = escapeNonchars(w.fixed[:0], value); changed {
			value = w.fixed
		}
	}
	return value, nil
}

// appendOneLine appends JSON text with its line ends replaced by spaces: they
// can only be white space between tokens.
func appendOneLine(dst, value []byte) []byte {
	for _, c := range value {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

var (
	errEmpty   = errors.New("it is empty")
	errNotUTF8 = errors.New("invalid UTF-8")
	errNotXML  = errors.New("holds characters that the queue does not take")
	errNewline = errors.New("holds a newline, and so cannot be a line")
)

// checkOutput makes sure that an output of user code cannot spoil the message
// it shares with others.
func (w *worker) checkOutput(value []byte) error {
	if len(value) == 0 {
		return errEmpty
	}
	switch w.run.packing.mode {
	case PackArray:
		if err := jsonscan.Valid(value, jsonscan.MaxDepth); err != nil {
			return err
		}
		if !utf8.Valid(value) {
			return errNotUTF8
		}
	case PackLines:
		if w.run.packing.xml && !xmlText(value) {
			return errNotXML
		}
		if bytes.IndexByte(value, '\n') >= 0 {
			return errNewline
		}
	case PackSingle:
		if w.run.packing.xml && !xmlText(value) {
			return errNotXML
		}
	}
	return nil
}

// oversize deals with a value that no message can hold: it is stored elsewhere
// and replaced by a pointer where the sink can do that, and corrupt otherwise.
func (w *worker) oversize(value []byte, e entry) {
	r := w.run
	cause := fault.Corruptf("record at offset %d: output of %d bytes is over the %d a message holds", e.offset, len(value), r.packing.message)
	if r.offloader != nil {
		ok, err := w.offload(value, e)
		if ok && err == nil {
			return
		}
		if err != nil {
			cause = fmt.Errorf("%w; offload: %w", cause, err)
			if !fault.Is(err, fault.ClassCorrupt) { // the store is away
				env := envelope(e.origin, value, e.offset, "sink")
				env.Attempt, env.Index = int(e.attempt), int(e.output)
				w.noteOther()
				r.blame(e.origin.Key, cause)
				w.parts.add(retried, &env, err, w.here(e.multi))
				return
			}
		}
	}
	env := envelope(e.origin, value, e.offset, "sink")
	env.Index = int(e.output)
	w.noteOther()
	r.blame(e.origin.Key, cause)
	w.parts.add(corrupted, &env, cause, w.here(e.multi))
}

// parcel works on a line of a part of the retry destination.
func (w *worker) parcel(o *object, line []byte, offset int64) {
	env, ok := destination.ParseEnvelope(line)
	if !ok {
		w.record(source.Record{Data: line, Object: &o.src, Offset: offset}, o.part.Attempt)
		return
	}
	origin := &source.Object{Key: env.Object, Version: env.Version, Size: -1}
	switch env.Stage {
	case "sink":
		w.loaded++
		if w.run.cfg.Processor != nil || w.run.diverts() {
			w.toPart(retried, &env, w.run.diverted())
			return
		}
		if err := w.checkOutput(env.Data); err != nil { // it may come from a queue, and from anybody
			w.toPart(corrupted, &env, fault.Corruptf("output of the record at offset %d: %w", env.Offset, err))
			return
		}
		w.packValue(origin, env.Data, env.Offset, env.Attempt, env.Index, nil)
	case "ticket":
		w.ticket(w.pass, env)
	default:
		w.base = env.Index
		w.record(source.Record{Data: env.Data, Object: origin, Offset: env.Offset}, env.Attempt)
		w.base = 0
	}
}

// apply calls the transform.
func (w *worker) apply(rec source.Record) (err error) {
	w.enter(rec)
	defer w.leave(&err)
	return w.run.cfg.Transform.Apply(w.run.userCtx, rec, &w.out)
}

// applyPrefix calls the transform on data that goes on behind the record. What
// panics is tried again the slow way, which tells the record.
func (w *worker) applyPrefix(p transform.Prefixer, rec source.Record, data []byte) (n int, ok bool, err error) {
	w.enter(rec)
	defer w.leave(&err)
	return p.ApplyPrefix(w.run.userCtx, rec, data, w.run.cfg.Split.MaxDepth, &w.out)
}

// process calls the custom processor.
func (w *worker) process(rec source.Record) (err error) {
	w.enter(rec)
	defer w.leave(&err)
	return w.run.cfg.Processor.Process(w.run.userCtx, rec.Data[:len(rec.Data):len(rec.Data)], w.run.reporter)
}

func isPartial(err error) bool {
	_, ok := errors.AsType[*fault.Partial](err)
	return ok
}

// enter says that the worker's goroutine goes into code that may never return,
// with rec in hand.
func (w *worker) enter(rec source.Record) {
	w.hand = rec
	w.owner.Store(ownUserCode)
}

// leave is deferred around user code. It turns a panic into an error. If the
// run has taken the worker over meanwhile, its goroutine ends here.
func (w *worker) leave(err *error) {
	if v := recover(); v != nil {
		*err = usercode.Panic(v)
	}
	if *err != nil {
		*err = usercode.Tellable(*err)
	}
	if !w.owner.CompareAndSwap(ownUserCode, ownWorker) {
		runtime.Goexit()
	}
}
