package processor

import (
	"errors"
	"io"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// leaveTicket notes the unread rest of an object that can be opened again in
// the retry destination: as one line that names the object and the place.
func (w *worker) leaveTicket(rd *reader) {
	w.finishOpen(rd.last.offset)
	at := rd.last
	f := rd.obj.beginFrame(at, true)
	w.begin(f)
	w.addTicket(&rd.obj.src, at, rd.obj.recordAttempt())
	w.loaded = 1
	w.finish(at.offset)
	rd.ticket = true
}

func (w *worker) addTicket(o *source.Object, at scanPoint, attempt int) {
	env := w.ticketFor(o, at)
	env.Attempt = attempt
	w.run.live.timeouts.Add(1)
	w.toPart(retried, &env, w.run.diverted())
}

// ticketFor makes a ticket for what is left of an object from at on.
func (w *worker) ticketFor(o *source.Object, at scanPoint) destination.Envelope {
	w.run.named(o.Key)
	p := progress{Identity: streamIdentity(o), Fingerprint: w.run.fingerprint, Offset: at.offset, State: at.state}
	return envelope(o, []byte(p.encode()), at.offset, "ticket")
}

// ticketing is a ticket that is being worked off.
type ticketing struct {
	env  destination.Envelope
	rd   *reader   // of the object, once it is open
	held scanPoint // where the batch begins that is being gathered
}

// rest is a ticket for what is not worked off yet.
func (w *worker) rest(t *ticketing) destination.Envelope {
	if t.rd == nil {
		w.run.named(t.env.Object)
		return t.env
	}
	rest := w.ticketFor(&t.rd.obj.src, t.rd.last)
	rest.Attempt = t.env.Attempt
	return rest
}

// ticket works on the rest of an object that a ticket names. Its records belong
// to the frame of the part that the ticket stands in.
func (w *worker) ticket(p *pass, env destination.Envelope) {
	origin := source.Object{Key: env.Object, Version: env.Version, Size: -1}
	at := parseProgress(string(env.Data), w.run.fingerprint)
	t := &ticketing{env: env}
	w.ticketed = t
	rd, body, err := w.openTicket(origin, at)
	if err != nil {
		w.ticketed = nil
		w.loaded++
		w.returnTicket(env, err)
		return
	}
	defer body.Close() // only read
	rd.win, rd.group.cfg = p.takeSlab(w.frame.obj, at.Offset), w.run.cfg
	t.rd = rd
	w.readTicket(p, t, at)
	w.ticketed = nil
	p.giveSlab(rd.win)
}

// readTicket works on the records that a ticket stands for.
func (w *worker) readTicket(p *pass, t *ticketing, at progress) {
	rd := t.rd
	for {
		if w.run.workCtx.Err() != nil {
			if n := len(w.batch); n > 0 { // for the next pass, with the rest of their batch
				w.loaded -= int64(n)
				w.batch, w.copied, rd.last = w.batch[:0], w.copied[:0], t.held
			}
			w.loaded++
			w.addTicket(&rd.obj.src, rd.last, t.env.Attempt)
			return
		}
		w.fill(rd)
		k := rd.split.Next(rd.win.buf[rd.at:rd.win.fill], rd.eof)
		data := rd.win.buf[rd.at+k.Start : rd.at+k.End : rd.at+k.End]
		offset := rd.pos() + int64(k.Start)
		w.count(k)
		rd.at += k.Advance
		before := rd.last
		if k.Kind != source.TokenMore && k.Kind != source.TokenEnd && !k.Continues {
			rd.passed()
		}
		switch k.Kind {
		case source.TokenEnd:
			w.handBatch()
			w.run.done(rd.obj.src)
			return
		case source.TokenMore:
			switch {
			case rd.lookAgain():
			case rd.defective():
				w.handBatch()
				w.corruptRest(rd)
				return
			case rd.err != nil:
				w.handBatch()
				w.loaded++
				if rest := w.rest(t); rd.last.offset == at.Offset {
					w.returnTicket(t.env, rd.err)
				} else { // what is before the place is settled
					w.toPart(retried, &rest, rd.err)
				}
				return
			default:
				w.makeRoom(p, rd)
			}
		case source.TokenRecord:
			rec := source.Record{Data: data, Object: &rd.obj.src, Offset: offset, Valid: k.Valid}
			if w.run.gathers {
				rec.Data = w.gather(t, rec, before)
			}
			w.record(rec, t.env.Attempt)
		case source.TokenCorrupt: // in pieces, each noted by itself
			w.loaded++
			bad := corruptEnvelope(&rd.obj.src, data, offset, k.Err)
			w.toPart(corrupted, &bad, k.Err)
		}
	}
}

// gather hands over the batch that ends before rec, and returns the data of rec
// in memory that stays as it is until its own batch is handed over.
func (w *worker) gather(t *ticketing, rec source.Record, before scanPoint) []byte {
	end := rec.Offset + int64(len(rec.Data))
	if w.joins(&t.rd.group, rec, rec.Offset, end) {
		w.handBatch()
		t.held = before
	}
	from := len(w.copied)
	w.copied = append(w.copied, rec.Data...)
	return w.copied[from:]
}

// returnTicket settles a ticket of whose object nothing could be read: it stays a
// ticket.
func (w *worker) returnTicket(env destination.Envelope, err error) {
	w.run.named(env.Object)
	switch {
	case isGone(err), errors.Is(err, source.ErrChanged), fault.Is(err, fault.ClassCorrupt):
		w.toPart(corrupted, &env, fault.Corrupt(err)) // what it names is gone for good
	case fault.Is(err, fault.ClassFatal):
		w.run.fail(err)
		w.giveBack(&env, err)
	case fault.Is(err, fault.ClassInterrupted), w.run.workCtx.Err() != nil:
		w.giveBack(&env, err)
	default:
		w.toPart(retried, &env, err)
	}
}

// openTicket opens the object where the ticket says.
func (w *worker) openTicket(origin source.Object, at progress) (*reader, io.ReadCloser, error) {
	if w.run.cfg.Source == nil {
		return nil, nil, fault.Interrupted(errors.New("a ticket needs a Source to open its object"))
	}
	o := &object{run: w.run, src: source.Object{Key: origin.Key, Size: -1}, resumed: at}
	body, err := w.open(&pass{source: w.run.cfg.Source}, o)
	if err != nil {
		return nil, nil, err
	}
	if o.src.Identity() != origin.Version {
		_ = body.Close()
		return nil, nil, source.ErrChanged
	}
	split, _ := source.NewSplitter(w.run.cfg.Split) // New has checked it
	if at.Offset > 0 {
		err = split.Resume(at.State, at.Offset)
	}
	if err != nil {
		_ = body.Close()
		return nil, nil, err
	}
	return &reader{obj: o, in: body, split: split, last: scanPoint{at.Offset, at.State}}, body, nil
}
