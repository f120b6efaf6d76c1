package processor

import (
	"errors"
	"io/fs"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// defective reports whether reading ended in a defect of the object: all that is
// stored of it is there, and cannot be decoded from this place on.
func (rd *reader) defective() bool {
	err := rd.err
	return err != nil && rd.obj.part == nil && fault.Is(err, fault.ClassCorrupt) &&
		!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, source.ErrChanged)
}

// lookAgain has the splitter look once more at what is there when reading ended in
// a defect: a record may be complete in it that it waits for more of.
func (rd *reader) lookAgain() bool {
	if rd.looked || !rd.defective() {
		return false
	}
	rd.looked = true
	rd.split.LookAgain()
	return true
}

// settleRest settles what cannot be read of an object as one corrupt record,
// behind those that were complete before. It ends the reading.
func (w *worker) settleRest(rd *reader) {
	w.finishOpen(rd.last.offset)
	w.begin(rd.obj.beginFrame(rd.last, true))
	if w.at = rd.pos(); !rd.obj.resumed.covers(w.at) {
		w.corruptRest(rd)
	}
	// The record reaches beyond what there is of it, be it nothing.
	w.finish(rd.win.base + int64(rd.win.fill) + 1)
	rd.err, rd.done = nil, true
}

// corruptRest notes the corrupt record that a defect leaves: with what there is
// of a record that was not complete, or where that is nothing as a ticket, which
// can be read on should it ever be possible.
func (w *worker) corruptRest(rd *reader) {
	all := rd.win.buf[rd.at:rd.win.fill]
	start := jsonscan.SkipSpace(all, 0)
	end := len(all)
	for end > start && jsonscan.IsSpace(all[end-1]) {
		end--
	}
	w.run.named(rd.obj.src.Key) // what could not be read is nowhere else
	rd.bytes.read += int64(len(all))
	rd.bytes.separators += int64(len(all) - (end - start))
	w.loaded++
	env := envelope(&rd.obj.src, all[start:end], rd.pos()+int64(start), "")
	if start == end {
		env = w.ticketFor(&rd.obj.src, rd.last)
	}
	w.toPart(corrupted, &env, rd.err)
	rd.at = rd.win.fill
}
