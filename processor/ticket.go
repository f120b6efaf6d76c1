package processor

import (
	"errors"
	"io"
	"io/fs"

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
	p := progress{Identity: streamIdentity(o), Fingerprint: w.run.fingerprint, Offset: at.offset, State: at.state}
	return envelope(o, []byte(p.encode()), at.offset, "ticket")
}

// ticket works on the rest of an object that a ticket names. Its records belong
// to the frame of the part that the ticket stands in.
func (w *worker) ticket(p *pass, env destination.Envelope) {
	origin := source.Object{Key: env.Object, Version: env.Version, Size: -1}
	at := parseProgress(string(env.Data), w.run.fingerprint)
	rd, body, err := w.openTicket(origin, at)
	if err != nil {
		w.loaded++
		w.returnTicket(env, err)
		return
	}
	defer body.Close() // only read
	rd.win = p.takeSlab(w.frame.obj, at.Offset)
	defer func() { p.giveSlab(rd.win) }()
	for {
		if w.run.workCtx.Err() != nil {
			w.loaded++
			w.addTicket(&rd.obj.src, rd.last, env.Attempt)
			return
		}
		w.fill(rd)
		t := rd.split.Next(rd.win.buf[rd.at:rd.win.fill], rd.eof)
		data := rd.win.buf[rd.at+t.Start : rd.at+t.End]
		offset := rd.pos() + int64(t.Start)
		switch t.Kind {
		case source.TokenEnd:
			return
		case source.TokenMore:
			rd.at += t.Advance
			switch {
			case rd.lookAgain():
				continue
			case rd.defective():
				w.corruptRest(rd)
				return
			case rd.err != nil:
				w.loaded++
				if rd.last.offset == at.Offset {
					w.returnTicket(env, rd.err)
					return
				}
				// What is before the place is settled.
				rest := w.ticketFor(&rd.obj.src, rd.last)
				rest.Attempt = env.Attempt
				w.toPart(retried, &rest, rd.err)
				return
			}
			w.makeRoom(p, rd)
			continue
		case source.TokenRecord:
			w.record(source.Record{Data: data, Object: &rd.obj.src, Offset: offset, Valid: t.Valid}, env.Attempt)
		case source.TokenCorrupt: // in pieces, each noted by itself
			w.loaded++
			bad := envelope(&rd.obj.src, data, offset, "")
			w.toPart(corrupted, &bad, t.Err)
		}
		w.count(t)
		rd.at += t.Advance
		if !t.Continues {
			rd.passed()
		}
	}
}

// returnTicket settles a ticket of whose object nothing could be read: it stays a
// ticket.
func (w *worker) returnTicket(env destination.Envelope, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, source.ErrChanged), fault.Is(err, fault.ClassCorrupt):
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
