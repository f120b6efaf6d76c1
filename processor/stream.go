package processor

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// slab is a stretch of a large object, cut into records by the worker that
// reads the object, to be worked on by any worker. Slabs are recycled; their
// number is fixed, which bounds the memory of input.
type slab struct {
	obj   *object
	frame *frame
	buf   []byte // the window of the stream: buf[:fill] was read
	fill  int
	base  int64 // offset of buf[0] in the object's decoded stream
	recs  []piece
	end   int64 // offset behind the last piece and what was skipped after it

	// A slab of whole lines is not cut into pieces: whoever works on it does that.
	lines  bool
	at, to int       // the lines still to work on: buf[at:to]
	from   scanPoint // where a splitter has to be resumed

	jumbo bool // buf is larger than slabBytes, by a permit

	// A slab may be worked on in portions that share its buffer.
	whole    *slab        // of a portion
	portions atomic.Int32 // not given back yet
	lost     atomic.Bool  // user code holds on to the buffer for good
}

// piece is a token of a slab.
type piece struct {
	kind     source.TokenKind
	valid    bool
	first    bool // a call of user code may begin with it
	from, to int  // in buf
	err      error
	before   scanPoint // where the splitter stood before it
}

// reader is the reading of one large object or stream.
type reader struct {
	obj    *object
	in     io.Reader
	split  *source.Splitter
	win    *slab // what is read and not yet cut off
	at     int   // where in win.buf the splitter stands
	eof    bool
	err    error
	bytes  byteAccount
	ready  []*slab      // cut off and not given out yet
	group  grouping     // of its records into batches
	batch  []piece      // of a batch that may go on: cut off, and still in the window
	whole  int          // of win.recs, those that are in whole batches
	last   scanPoint    // behind the last record: the latest place to resume at
	tail   source.Token // the beginning of a corrupt record that goes on
	ticket bool         // the rest is noted in the retry destination
	done   bool         // nothing more is to be split
	looked bool         // the splitter knows that no more data will come
	chunk  int64        // number of the frame that is open, with per-object packing
}

// pos is the offset of what comes next in the object's decoded stream.
func (rd *reader) pos() int64 { return rd.win.base + int64(rd.at) }

// passed notes that a record ends at the reader's position.
func (rd *reader) passed() { rd.last = scanPoint{rd.pos(), rd.split.State()} }

// shift says that the first n bytes of the window are gone.
func (rd *reader) shift(n int) {
	rd.at -= n
	for i := range rd.batch {
		rd.batch[i].from -= n
		rd.batch[i].to -= n
	}
}

// used is how many bytes of the window nobody needs any more.
func (rd *reader) used() int {
	if len(rd.batch) > 0 {
		return rd.batch[0].from
	}
	return rd.at
}

// unread takes back the records of a batch that was not handed on: they are read
// again by whoever goes on behind the last record.
func (rd *reader) unread() {
	if len(rd.batch) > 0 {
		rd.last, rd.batch = rd.batch[0].before, nil
	}
}

// errIncomplete is wrapped where an object ended before all of it was read.
var errIncomplete = errors.New("reading stopped")

// overLimit reports whether n bytes are too many for an object.
func (r *run) overLimit(n int64) bool {
	return r.cfg.MaxObjectBytes > 0 && n > r.cfg.MaxObjectBytes
}

// large opens an object and works on it piece by piece.
func (w *worker) large(p *pass, o *object) {
	body, err := w.open(p, o)
	if err != nil {
		w.unreadable(o, scanPoint{}, err)
		return
	}
	defer body.Close() // only read: every error has come to light before
	w.run.closer.watch(o)
	split, _ := source.NewSplitter(p.split) // New has checked it
	rd := &reader{obj: o, in: body, split: split}
	if at := o.resumed; at.Offset > 0 {
		if err := split.Resume(at.State, at.Offset); err != nil {
			w.unreadable(o, scanPoint{}, fmt.Errorf("object %s: progress cannot be resumed: %w", o.src.Key, err))
			return
		}
	}
	w.read(p, rd)
}

// open opens the object where work is to go on.
func (w *worker) open(p *pass, o *object) (io.ReadCloser, error) {
	offset := o.resumed.Offset
	body, found, err := w.openAt(p.source, o.src, offset)
	skip := int64(0)
	if offset > 0 && errors.Is(err, source.ErrNoRange) {
		body, found, err = w.openAt(p.source, o.src, 0)
		skip = offset
	}
	if err != nil {
		return nil, err
	}
	o.found(found)
	if o.resumed.Offset != offset { // it is other content: begin again
		_ = body.Close()
		return w.open(p, o)
	}
	if err := w.skip(body, skip); err != nil {
		_ = body.Close()
		return nil, fmt.Errorf("read %s up to offset %d: %w", o.src.Key, skip, err)
	}
	return body, nil
}

// skip reads n bytes of a source that cannot begin behind them.
func (w *worker) skip(body io.Reader, n int64) (err error) {
	if n == 0 {
		return nil
	}
	w.enter(source.Record{})
	defer w.leave(&err)
	_, err = io.CopyN(io.Discard, body, n)
	return err
}

// read cuts the stream into slabs and has them worked on, by other workers
// where one is free and else by this one.
func (w *worker) read(p *pass, rd *reader) {
	rd.last = scanPoint{rd.obj.resumed.Offset, rd.obj.resumed.State}
	rd.win = p.takeSlab(rd.obj, rd.obj.resumed.Offset)
	if rd.obj.src.Encoding == "" && w.run.overLimit(rd.obj.src.Size) {
		w.streamWhole(rd, fmt.Errorf("object of %d bytes is over the limit of %d", rd.obj.src.Size, w.run.cfg.MaxObjectBytes))
	}
	w.readOn(p, rd)
}

// readOn goes on with a reading.
func (w *worker) readOn(p *pass, rd *reader) {
	w.reader = rd
	rd.group.cfg = w.run.cfg
	w.giveOut(p, rd)
	for !rd.done && w.cut(p, rd) {
		if w.run.workCtx.Err() == nil {
			continue
		}
		if !w.run.push {
			break // what is left in the window was not taken on
		}
		if w.run.ticket {
			rd.unread()
			w.leaveTicket(rd)
			break
		}
	}
	if rd.defective() && !rd.ticket && (w.run.push || w.run.workCtx.Err() == nil) {
		w.settleRest(rd)
	}
	w.endFrame(rd)
	p.giveSlab(rd.win)
	w.reader = nil
	w.ending(rd)
}

// ending notes how the reading ended.
func (w *worker) ending(rd *reader) {
	o := rd.obj
	live := &w.run.live
	live.read.Add(rd.bytes.read)
	live.preamble.Add(rd.bytes.preamble)
	live.separators.Add(rd.bytes.separators)
	switch {
	case rd.err != nil:
		if w.run.workCtx.Err() != nil && !w.run.push {
			o.end = endInterrupted
			return
		}
		w.unreadable(o, rd.last, rd.err)
	case rd.done, rd.ticket:
		o.end = endEOF
	}
}

// cut fills the window, cuts the records off that are complete in it, and hands
// them on. It reports whether there may be more.
func (w *worker) cut(p *pass, rd *reader) bool {
	if rd.tail.Continues {
		w.streamCorrupt(p, rd)
	}
	if w.run.overLimit(rd.pos()) {
		w.handRest(p, rd)
		w.streamWhole(rd, fmt.Errorf("object is over the limit of %d bytes", w.run.cfg.MaxObjectBytes))
		return false
	}
	w.fill(rd)
	if w.run.ticket && w.run.workCtx.Err() != nil && rd.brokenOff() {
		rd.err = nil // because work has to stop: a ticket stands for the rest
		return true
	}
	if w.cutLines(p, rd) {
		return true
	}
	s := rd.win
	s.recs, rd.whole = append(s.recs[:0], rd.batch...), 0
	rd.batch = rd.batch[:0]
	for {
		t := rd.split.Next(s.buf[rd.at:s.fill], rd.eof)
		rd.count(t)
		if t.Continues { // dealt with at the next call
			rd.tail = t
			w.handOver(p, rd, true)
			return true
		}
		if t.Kind == source.TokenEnd || t.Kind == source.TokenMore {
			rd.at += t.Advance
			if t.Kind == source.TokenMore && rd.lookAgain() {
				continue
			}
			rd.done = t.Kind == source.TokenEnd
			more := !rd.done && rd.err == nil
			if !w.handOver(p, rd, !more || rd.overlong()) && more {
				w.makeRoom(p, rd)
			}
			return more
		}
		one := piece{t.Kind, t.Valid, true, rd.at + t.Start, rd.at + t.End, t.Err, rd.last}
		if w.run.gathers {
			one.first = w.begins(rd, one)
		}
		if one.first {
			rd.whole = len(s.recs)
		}
		s.recs = append(s.recs, one)
		if !w.run.gathers || rd.group.done() {
			rd.whole = len(s.recs)
		}
		rd.at += t.Advance
		rd.passed()
		if w.run.overLimit(rd.pos()) {
			w.handOver(p, rd, true)
			return true
		}
	}
}

// begins takes the piece that comes next into the batch that it belongs to, and
// reports whether one begins with it.
func (w *worker) begins(rd *reader, one piece) bool {
	s := rd.win
	rec := source.Record{Data: s.buf[one.from:one.to:one.to], Object: &rd.obj.src, Offset: s.base + int64(one.from), Valid: one.valid}
	if one.kind == source.TokenRecord && rd.obj.part != nil {
		if env, ok := destination.ParseEnvelope(rec.Data); ok {
			rec.Data, rec.Offset = env.Data, env.Offset
			rec.Object = &source.Object{Key: env.Object, Version: env.Version, Size: -1}
			if env.Stage != "" { // it is no record, and no call is made for it here
				one.kind = source.TokenCorrupt
				rd.group.n = 0
			}
		}
	}
	if one.kind == source.TokenCorrupt {
		return rd.group.done()
	}
	return w.joins(&rd.group, rec, s.base+int64(one.from), s.base+int64(one.to))
}

// overlong reports whether the records that wait for the end of their batch wait
// in vain, with all that is between them and what comes next.
func (rd *reader) overlong() bool {
	s := rd.win
	return rd.whole < len(s.recs) && rd.at-s.recs[rd.whole].from > rd.group.cfg.MaxBatchBytes
}

// brokenOff reports whether reading failed by no fault of the object.
func (rd *reader) brokenOff() bool {
	err := rd.err
	return err != nil && !isGone(err) && !errors.Is(err, source.ErrChanged) &&
		!fault.Is(err, fault.ClassCorrupt) && !fault.Is(err, fault.ClassFatal)
}

// cutLines hands on the whole lines in the window, uncut: to look for the last
// newline is all that is left to the one worker that reads, and each record is
// gone through once. It reports false where that cannot be done.
func (w *worker) cutLines(p *pass, rd *reader) bool {
	s := rd.win
	data := s.buf[rd.at:s.fill]
	if len(s.buf) > slabBytes || len(data) == 0 || w.run.packing.perObject || w.run.gathers ||
		w.run.overLimit(rd.pos()+int64(len(data))) {
		return false
	}
	most := len(data)
	if w.run.cfg.Processor != nil {
		most = (most + w.run.cfg.Concurrency - 1) / w.run.cfg.Concurrency
	}
	var cut []*slab
	for lines := w.takeLines(rd, most); lines != nil; lines = w.takeLines(rd, most) {
		cut = append(cut, lines)
	}
	if len(cut) == 0 {
		return false
	}
	s.portions.Store(int32(len(cut)))
	rd.win = p.takeSlab(rd.obj, rd.pos())
	rd.win.fill = copy(rd.win.buf, s.buf[rd.at:s.fill])
	rd.at = 0
	rd.ready = cut
	w.giveOut(p, rd)
	return true
}

// takeLines cuts whole lines off the window, about as many as make up most
// bytes, as a portion to be worked on. It returns nil if there is none.
func (w *worker) takeLines(rd *reader, most int) *slab {
	s := rd.win
	start, from := rd.last, scanPoint{rd.pos(), rd.split.State()}
	for to := rd.at; to < s.fill; {
		to = min(to+most, s.fill)
		n := rd.split.TakeLines(s.buf[rd.at:to], rd.eof && to == s.fill)
		if n == 0 {
			continue // no line ends there
		}
		lines := &slab{obj: s.obj, buf: s.buf, base: s.base, lines: true, at: rd.at, to: rd.at + n, from: from, whole: s}
		rd.at += n
		rd.passed()
		lines.end = rd.last.offset
		lines.frame = s.obj.beginFrame(start, true)
		return lines
	}
	return nil
}

// count adds a token's bytes to the byte account.
func (rd *reader) count(t source.Token) {
	rd.bytes.read += int64(t.Advance)
	rd.bytes.preamble += int64(t.Preamble)
	rd.bytes.separators += int64(t.Advance - (t.End - t.Start) - t.Preamble)
}

// slowFill is how long a stream may take to fill a window.
const slowFill = 50 * time.Millisecond

// fill reads until the window is full or the stream ends.
func (w *worker) fill(rd *reader) {
	s := rd.win
	began := time.Now()
	for idle := 0; s.fill < len(s.buf) && !rd.eof && rd.err == nil; idle++ {
		n, err := w.readSome(rd, s.buf[s.fill:])
		s.fill += n
		switch {
		case err == io.EOF:
			rd.eof = true
		case err != nil:
			rd.err = err
		case n > 0 && w.run.push && time.Since(began) > slowFill:
			return // what has come may be worked on while more comes
		case n > 0:
			idle = 0
		case idle > 100:
			rd.err = io.ErrNoProgress
		}
	}
}

// readSome reads from the stream.
func (w *worker) readSome(rd *reader, buf []byte) (n int, err error) {
	w.enter(source.Record{})
	defer w.leave(&err)
	n, err = rd.in.Read(buf)
	if n < 0 || n > len(buf) {
		return 0, fmt.Errorf("the reader says that it read %d bytes into %d", n, len(buf))
	}
	return n, err
}

// openAt calls the source.
func (w *worker) openAt(s source.Source, o source.Object, offset int64) (body io.ReadCloser, found source.Object, err error) {
	w.enter(source.Record{})
	defer w.leave(&err)
	return s.Open(w.run.workCtx, o, offset, -1)
}

// handOver cuts the pieces found off the window, as a slab to be worked on, and
// carries what is left into a new window: also those of a batch that may go on,
// unless all are to be handed over. It reports whether there were any.
func (w *worker) handOver(p *pass, rd *reader, all bool) bool {
	s := rd.win
	if all {
		rd.whole, rd.group.full = len(s.recs), true
	}
	rd.batch = append(rd.batch[:0], s.recs[rd.whole:]...)
	if s.recs = s.recs[:rd.whole]; len(s.recs) == 0 {
		return false
	}
	start, used := s.recs[0].before, rd.used()
	s.end = rd.last.offset
	if len(rd.batch) > 0 {
		s.end = rd.batch[0].before.offset
	}
	rest := s.buf[used:s.fill]
	if w.run.packing.perObject || len(rest) > slabBytes {
		// The window stays: the records are worked on in it.
		if w.run.packing.perObject {
			w.inFrames(rd, s, 0)
		} else {
			s.frame = rd.obj.beginFrame(start, true)
			w.work(s)
		}
		w.shift(rd)
		return true
	}
	rd.win = p.takeSlab(rd.obj, s.base+int64(used))
	rd.win.fill = copy(rd.win.buf, rest)
	rd.shift(used)
	rd.ready = w.portions(s, start)
	w.giveOut(p, rd)
	return true
}

// handRest hands over the records that wait for the end of their batch.
func (w *worker) handRest(p *pass, rd *reader) {
	if s := rd.win; len(s.recs) == 0 { // else cutting was broken off
		s.recs = append(s.recs, rd.batch...)
	}
	w.handOver(p, rd, true)
}

// giveOut gives what is ready to workers that are free, and works on the rest.
func (w *worker) giveOut(p *pass, rd *reader) {
	for len(rd.ready) > 0 {
		s := rd.ready[0]
		rd.ready = rd.ready[1:]
		select {
		case p.slabs <- s:
		default:
			w.work(s)
			p.giveSlab(s)
		}
	}
}

// portions cuts a slab into frames to be worked on side by side, as cutLines
// does. With a sink that is the slab as it is: packing is quick, and better done
// in one go. A custom processor may wait for something with each record, so that
// all workers get a share.
func (w *worker) portions(s *slab, start scanPoint) []*slab {
	n := len(s.recs)
	if w.run.cfg.Processor != nil {
		n = (len(s.recs) + w.run.cfg.Concurrency - 1) / w.run.cfg.Concurrency
	}
	if n >= len(s.recs) {
		s.frame = s.obj.beginFrame(start, true)
		return []*slab{s}
	}
	var cut []*slab
	for from := 0; from < len(s.recs); {
		to := min(from+n, len(s.recs))
		for to < len(s.recs) && !s.recs[to].first {
			to++ // a batch stays whole
		}
		part := &slab{obj: s.obj, buf: s.buf, base: s.base, recs: s.recs[from:to], end: s.end, whole: s}
		if from > 0 {
			start = s.recs[from].before
		}
		if to < len(s.recs) {
			part.end = s.recs[to].before.offset
		}
		part.frame = s.obj.beginFrame(start, true)
		cut = append(cut, part)
		from = to
	}
	s.portions.Store(int32(len(cut)))
	return cut
}

// shift lets go of the part of the window that was used up.
func (w *worker) shift(rd *reader) {
	s, used := rd.win, rd.used()
	s.base += int64(used)
	s.fill = copy(s.buf, s.buf[used:s.fill])
	s.recs = s.recs[:0]
	rd.shift(used)
}

// makeRoom lets go of what was used up, or gives a record that fills the window
// a larger one.
func (w *worker) makeRoom(p *pass, rd *reader) {
	w.shift(rd)
	if s := rd.win; s.fill == len(s.buf) && !rd.eof {
		p.grow(s, min(2*len(s.buf), max(rd.at+rd.split.MaxBuffer(), len(s.buf)+slabBytes)))
	}
}

// work works on the records of a slab, as a frame of its own.
func (w *worker) work(s *slab) {
	w.slab = s
	w.begin(s.frame)
	if s.lines {
		if err := w.split.Resume(s.from.state, s.from.offset); err != nil {
			w.run.fault(err)
			w.slab = nil
			w.stop(s.frame.start.offset)
			return
		}
		w.tryPrefix = true
		w.linesOn(s)
		return
	}
	for w.next = 0; w.next < len(s.recs); w.next++ {
		if r := &s.recs[w.next]; w.next > 0 && r.first && w.run.workCtx.Err() != nil && !w.run.push {
			w.stop(s.base + int64(r.from))
			w.slab = nil
			return
		}
		w.piece(s, w.next)
	}
	w.slab = nil
	w.finish(s.end)
}

// linesOn goes on with a slab of whole lines.
func (w *worker) linesOn(s *slab) {
	for {
		if w.plainLines(s) {
			w.slab = nil
			w.stop(s.base + int64(s.at))
			return
		}
		rest, offset := s.buf[s.at:s.to], s.base+int64(s.at)
		if n := w.onePass(s.obj, rest, offset); n > 0 {
			s.at += n
			continue
		}
		t := w.split.Next(rest, true)
		w.count(t)
		s.at += t.Advance
		if t.Kind == source.TokenEnd {
			w.slab = nil
			w.finish(s.end)
			return
		}
		w.token(s.obj, t, rest[t.Start:t.End], offset+int64(t.Start))
		w.tryPrefix = true
		if w.run.workCtx.Err() != nil && !w.run.push {
			w.slab = nil
			w.stop(s.base + int64(s.at))
			return
		}
	}
}

// plainLines hands raw lines to the custom processor, up to one that is no record at
// first sight: what linesOn does with any other input costs more than many a processor.
// It reports whether work has to stop here.
func (w *worker) plainLines(s *slab) bool {
	r, o := w.run, s.obj
	if r.cfg.Processor == nil || !r.cfg.Split.Raw || o.part != nil || len(o.resumed.Settled) > 0 {
		return false
	}
	w.handed = o.recordAttempt()
	plain := r.rates == (limiters{}) && r.journal == nil
	for r.workCtx.Err() == nil {
		rest := s.buf[s.at:s.to]
		end, n := w.split.TakeLine(rest)
		if n == 0 {
			return false
		}
		w.bytes.read += int64(n)
		w.bytes.separators += int64(n - end)
		w.at = s.base + int64(s.at)
		s.at += n
		w.loaded++
		rec := source.Record{Data: rest[:end], Object: &o.src, Offset: w.at}
		if !plain || !r.progressed.Load() {
			w.own(rec, w.handed)
			continue
		}
		if err := w.process(rec); err != nil {
			w.settle(rec, w.handed, 0, err)
			continue
		}
		w.other = w.at
		w.tally[delivered]++
	}
	return !r.push
}

// piece works on a piece of a slab, and hands over the batch that it completes.
func (w *worker) piece(s *slab, i int) {
	r := &s.recs[i]
	w.token(s.obj, source.Token{Kind: r.kind, Valid: r.valid, Err: r.err}, s.buf[r.from:r.to], s.base+int64(r.from))
	if i+1 == len(s.recs) || s.recs[i+1].first {
		w.handBatch()
	}
}

// inFrames works on the records of a slab with per-object packing: frames begin
// with the first record at or beyond a multiple of the frame size, and messages
// do not cross them. It stays with the worker that reads the object.
func (w *worker) inFrames(rd *reader, s *slab, from int) {
	w.slab = s
	for w.next = from; w.next < len(s.recs); w.next++ {
		r := &s.recs[w.next]
		chunk := (s.base + int64(r.from)) / w.run.frameBytes
		if w.frame != nil && chunk != rd.chunk {
			w.finish(r.before.offset)
		}
		if w.frame == nil {
			w.begin(rd.obj.beginFrame(r.before, true))
			rd.chunk = chunk
		} else if w.run.workCtx.Err() != nil && !w.run.push {
			w.stop(r.before.offset)
			break
		}
		w.piece(s, w.next)
	}
	w.slab = nil
}

// endFrame closes the frame that inFrames left open.
func (w *worker) endFrame(rd *reader) {
	if w.frame == nil {
		return
	}
	if rd.done {
		w.finish(rd.last.offset)
		return
	}
	w.stop(rd.last.offset)
}

// streamCorrupt settles a corrupt record of any length, piece by piece.
func (w *worker) streamCorrupt(p *pass, rd *reader) {
	first := rd.tail
	rd.tail = source.Token{}
	w.finishOpen(rd.last.offset)
	offset := rd.pos() + int64(first.Start)
	f := rd.obj.beginFrame(rd.last, true)
	w.streamOne(rd, f, offset, first.Err, &pieceReader{w: w, p: p, rd: rd, tok: first})
}

// streamWhole settles what is left of an object as one corrupt record.
func (w *worker) streamWhole(rd *reader, cause error) {
	w.finishOpen(rd.last.offset)
	f := rd.obj.beginFrame(rd.last, true)
	w.streamOne(rd, f, rd.pos(), fault.Corrupt(cause), &restReader{w: w, rd: rd})
	if rd.defective() { // that was all there is of it
		w.run.blame(rd.obj.src.Key, rd.err)
		w.run.named(rd.obj.src.Key)
		rd.err = nil
	}
	rd.done = rd.err == nil
}

// finishOpen closes the frame that inFrames left open, if any.
func (w *worker) finishOpen(offset int64) {
	if w.frame != nil {
		w.finish(offset)
	}
}

func (w *worker) streamOne(rd *reader, f *frame, offset int64, cause error, data io.Reader) {
	env := envelope(&rd.obj.src, nil, offset, "")
	what := corrupted
	w.run.blame(rd.obj.src.Key, cause)
	if source.IsFlaw(cause) {
		data = source.FlawText(data)
	}
	if rd.obj.resumed.covers(offset) {
		_, _ = io.Copy(io.Discard, data)
		f.close(0, rd.pos())
		return
	}
	if err := w.parts.stream(&env, cause, data); err != nil {
		if w.run.ticket && w.run.workCtx.Err() != nil && rd.brokenOff() {
			f.close(0, f.start.offset) // it is in the ticket for the rest
			return
		}
		what = returned
		if rd.err == nil || rd.defective() {
			w.run.fault(err)
		}
	}
	if what == returned {
		f.giveBack(1, gap{span{f.start.offset, max(rd.pos(), f.start.offset+1)}, 1, 1})
	} else {
		f.settle(what, 1)
	}
	f.close(1, rd.pos())
}

// pieceReader reads the data of a corrupt record that goes on and on.
type pieceReader struct {
	w   *worker
	p   *pass
	rd  *reader
	tok source.Token
	pos int // in the present piece
	end bool
	err error
}

func (r *pieceReader) Read(buf []byte) (int, error) {
	for {
		if r.end {
			return 0, io.EOF
		}
		if r.err != nil {
			return 0, r.err
		}
		win := r.rd.win
		from := r.rd.at + r.tok.Start + r.pos
		if n := copy(buf, win.buf[from:r.rd.at+r.tok.End]); n > 0 {
			r.pos += n
			return n, nil
		}
		r.rd.at += r.tok.Advance
		r.pos = 0
		if !r.tok.Continues {
			r.rd.passed()
			r.end = true
			continue
		}
		r.err = r.next()
	}
}

// next gets the next piece.
func (r *pieceReader) next() error {
	rd := r.rd
	for {
		t := rd.split.Next(rd.win.buf[rd.at:rd.win.fill], rd.eof)
		rd.count(t)
		if t.Kind == source.TokenCorrupt {
			r.tok = t
			return nil
		}
		rd.at += t.Advance
		if t.Kind == source.TokenEnd {
			r.tok, r.end = source.Token{}, true
			return nil
		}
		if rd.lookAgain() {
			continue
		}
		if rd.defective() { // what is left is settled for itself
			r.tok, r.end = source.Token{}, true
			return nil
		}
		if rd.err != nil {
			return fmt.Errorf("%w: %w", errIncomplete, rd.err)
		}
		r.w.makeRoom(r.p, rd)
		r.w.fill(rd)
	}
}

// restReader reads everything that is left of a stream, past the splitter.
type restReader struct {
	w  *worker
	rd *reader
	n  int64
}

func (r *restReader) Read(buf []byte) (int, error) {
	rd := r.rd
	if rd.at == rd.win.fill {
		if rd.eof || rd.defective() {
			return 0, io.EOF
		}
		if rd.err != nil {
			return 0, fmt.Errorf("%w: %w", errIncomplete, rd.err)
		}
		rd.win.base += int64(rd.at)
		rd.at, rd.win.fill = 0, 0
		r.w.fill(rd)
		return 0, nil
	}
	n := copy(buf, rd.win.buf[rd.at:rd.win.fill])
	rd.at += n
	r.n += int64(n)
	rd.bytes.read += int64(n)
	return n, nil
}
