package processor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

const (
	// entryTries is how often a message that failed by itself is sent while
	// others get through, before its records go to the retry destination.
	entryTries = 8
	// leaseMargin is what a lease must outlive a send's time-out by.
	leaseMargin = 250 * time.Millisecond
	firstWait   = 50 * time.Millisecond
	longestWait = 5 * time.Second
)

// sender sends batches and settles what is in them. Each runs in a goroutine of
// its own.
type sender struct {
	run   *run
	out   []sink.Message
	todo  []message
	parts parts
}

func (r *run) newSender() *sender {
	return &sender{run: r, parts: parts{run: r, ctx: r.putCtx}}
}

func (s *sender) loop(flushed <-chan struct{}) {
	for {
		select {
		case b := <-s.run.batches:
			s.send(b)
			s.run.giveBatch(b)
		case <-flushed:
			s.parts.commit()
			return
		}
	}
}

// send sends the messages of b until each is accepted, has gone to a
// destination or, when the drain ends, is given back. An outage costs no
// attempts: it holds the batch, so that the workers soon wait and nothing more
// is claimed, and the waiting batches are the probes.
func (s *sender) send(b *batch) {
	r := s.run
	s.todo = append(s.todo[:0], b.msgs...)
	wait, began := firstWait, time.Now()
	for first := true; len(s.todo) > 0; first = false {
		if r.ioCtx.Err() != nil {
			s.giveBack(b)
			return
		}
		if r.paceSend(s.todo) != nil {
			continue
		}
		s.dropLost(b)
		if len(s.todo) == 0 {
			return
		}
		err := s.call(b)
		r.live.calls.Add(1)
		if !first {
			r.live.resent.Add(1)
		}
		if progressed := s.sort(b, err); progressed {
			wait, began = firstWait, time.Now()
			continue
		}
		if len(s.todo) > 0 {
			r.logOutage("send", err)
			if r.tooLong(began) {
				r.fail(fmt.Errorf("send: away for %v: %w", r.cfg.MaxOutage, err))
			}
			_ = sleep.For(r.ioCtx, wait/2+rand.N(wait/2+1))
			wait = min(2*wait, longestWait)
		}
	}
}

// call makes one Send call with all messages that are still to do.
func (s *sender) call(b *batch) error {
	s.out = s.out[:0]
	for _, m := range s.todo {
		s.out = append(s.out, sink.Message{
			Body: b.buf[m.from:m.to:m.to], ID: m.id, Group: m.group, Attributes: m.attrs,
			Records: m.last - m.first,
		})
	}
	ctx, cancel := context.WithTimeout(s.run.leave, s.run.cfg.SendTimeout)
	defer cancel()
	return s.run.cfg.Sink.Send(ctx, s.out)
}

// sort deals with the answer to a call: what was accepted is settled, what can
// be tried again stays in todo. It reports whether there is less to do now, or
// something smaller: otherwise the caller waits before it goes on.
func (s *sender) sort(b *batch, err error) (progressed bool) {
	r := s.run
	if err == nil {
		for _, m := range s.todo {
			s.accepted(b, m)
		}
		s.todo = s.todo[:0]
		return true
	}
	partial, ok := errors.AsType[*sink.BatchError](err)
	if !ok {
		return s.sortCall(b, err)
	}
	errs := make([]error, len(s.todo))
	for _, f := range partial.Failed {
		if f.Index >= 0 && f.Index < len(errs) {
			errs[f.Index] = f.Err
		}
	}
	msgs := s.todo
	s.todo = nil
	progressed = len(partial.Failed) < len(msgs)
	for i, m := range msgs {
		switch err := errs[i]; {
		case err == nil && !failedAt(partial, i):
			s.accepted(b, m)
		case fault.Is(err, fault.ClassFatal):
			r.fail(err)
			s.todo = append(s.todo, m) // given back when the drain ends
		case errors.Is(err, sink.ErrTooLarge), fault.Is(err, fault.ClassCorrupt):
			s.poison(b, m, err)
			progressed = true
		case fault.Is(err, fault.ClassInterrupted):
			s.todo = append(s.todo, m)
		case m.tries+1 < entryTries:
			m.tries++
			s.todo = append(s.todo, m)
		default:
			s.divert(b, m, retried, err)
			progressed = true
		}
	}
	return progressed
}

// mayPass notes that a call with the message failed as a whole, and reports
// whether it is to be sent again. It counts against the message only if others
// got through since its first failure: when none does, the service is away.
func (s *sender) mayPass(m *message) bool {
	accepted := s.run.live.messages.Load() + 1
	if m.since == 0 {
		m.since = accepted
	}
	if accepted > m.since {
		m.tries++
	}
	return m.tries < entryTries
}

func failedAt(e *sink.BatchError, i int) bool {
	for _, f := range e.Failed {
		if f.Index == i {
			return true
		}
	}
	return false
}

// sortCall deals with the error of a whole call.
func (s *sender) sortCall(b *batch, err error) (progressed bool) {
	r := s.run
	switch {
	case fault.Is(err, fault.ClassFatal):
		r.fail(err)
		s.giveBack(b)
		return true
	case errors.Is(err, sink.ErrTooLarge), fault.Is(err, fault.ClassCorrupt):
		if msgs := s.todo; len(msgs) == 1 {
			s.todo = nil
			s.poison(b, msgs[0], err)
		} else {
			s.sendHalves(b)
		}
		return true
	case fault.Is(err, fault.ClassRetryable):
		worn := false
		for i := range s.todo {
			worn = !s.mayPass(&s.todo[i]) || worn
		}
		switch msgs := s.todo; {
		case !worn:
			return false
		case len(msgs) == 1:
			s.todo = nil
			s.divert(b, msgs[0], retried, err)
		default:
			s.sendHalves(b)
		}
		return true
	}
	return false
}

// sendHalves sends the first half of todo and leaves the other, until the
// culprit is alone.
func (s *sender) sendHalves(b *batch) {
	half := len(s.todo) / 2
	rest := append([]message(nil), s.todo[half:]...)
	s.todo = append([]message(nil), s.todo[:half]...)
	s.sendAll(b)
	s.todo = rest
}

// sendAll sends what is in todo as calls of its own.
func (s *sender) sendAll(b *batch) {
	sub := &sender{run: s.run, parts: parts{run: s.run, ctx: s.run.putCtx}}
	msgs := b.msgs
	b.msgs = s.todo
	sub.send(b)
	sub.parts.commit()
	b.msgs = msgs
	s.todo = nil
}

func (s *sender) accepted(b *batch, m message) {
	s.run.live.messages.Add(1)
	s.run.live.bytes.Add(int64(m.to - m.from))
	s.run.closer.sent(int64(m.to - m.from))
	settleEntries(b.recs[m.first:m.last], delivered)
}

// settleEntries settles the records of entries, those of one frame in one step.
func settleEntries(recs []entry, what fate) {
	for i := 0; i < len(recs); {
		f, n := recs[i].frame, int64(0)
		for ; i < len(recs) && recs[i].frame == f && recs[i].multi == nil; i++ {
			n++
		}
		f.settle(what, n)
		for ; i < len(recs) && recs[i].multi != nil; i++ {
			recs[i].multi.settle(recs[i].frame, what)
		}
	}
}

// giveBackEntries gives the records of entries back with their objects, those
// of one frame in one step. They stand in the order of their offsets.
func giveBackEntries(recs []entry) {
	for i := 0; i < len(recs); {
		f, first, n := recs[i].frame, i, int64(0)
		for ; i < len(recs) && recs[i].frame == f && recs[i].multi == nil && recs[i].number == recs[first].number+n; i++ {
			n++
		}
		if n > 0 {
			f.giveBack(n, gap{span{recs[first].at, recs[i-1].at + 1}, recs[first].number, recs[i-1].number})
		}
		for ; i < len(recs) && recs[i].multi != nil; i++ {
			recs[i].multi.settle(recs[i].frame, returned)
		}
	}
}

// poison deals with a message that the queue will never take: it is halved
// until single records remain, and those go to the failed destination, or to
// the corruption destination where they are too large.
func (s *sender) poison(b *batch, m message, err error) {
	if m.last-m.first > 1 {
		for _, half := range s.halve(b, m) {
			s.todo = append(s.todo, half)
		}
		return
	}
	what := failed
	if errors.Is(err, sink.ErrTooLarge) {
		what = corrupted
	}
	s.divert(b, m, what, err)
}

// halve makes two messages of one. Their bodies are built behind the batch's
// others: this is rare, and the buffer shrinks again with the next batches.
func (s *sender) halve(b *batch, m message) [2]message {
	middle := (m.first + m.last) / 2
	return [2]message{s.rebuild(b, b.recs[m.first:middle]), s.rebuild(b, b.recs[middle:m.last])}
}

// rebuild makes a message of entries that were packed before.
func (s *sender) rebuild(b *batch, recs []entry) message {
	m := message{from: len(b.buf), first: len(b.recs)}
	mode := s.run.packing.mode
	if mode == PackArray {
		b.buf = append(b.buf, '[')
	}
	for i, e := range recs {
		if i > 0 && mode == PackArray {
			b.buf = append(b.buf, ',')
		}
		from := len(b.buf)
		b.buf = append(b.buf, b.buf[e.from:e.to]...)
		e.from, e.to = int32(from), int32(len(b.buf))
		b.recs = append(b.recs, e)
		if mode == PackLines {
			b.buf = append(b.buf, '\n')
		}
	}
	if mode == PackArray {
		b.buf = append(b.buf, ']')
	}
	m.to, m.last = len(b.buf), len(b.recs)
	s.run.name(&m, b.recs)
	return m
}

// divert writes the records of a message to a destination.
func (s *sender) divert(b *batch, m message, what fate, cause error) {
	if what == retried && len(m.attrs) > 0 {
		what = failed // a pointer to an offloaded record is no output to be packed again
	}
	for _, e := range b.recs[m.first:m.last] {
		env := envelope(e.origin, b.buf[e.from:e.to], e.offset, "sink")
		env.Index, env.Attempt = int(e.output), int(e.attempt)
		s.parts.add(what, &env, cause, settlement{frame: e.frame, multi: e.multi, gap: gap{span{e.at, e.at + 1}, e.number, e.number}})
	}
	if !s.run.push || len(s.parts.open) > maxOpenParts {
		s.parts.commit()
	}
}

// giveBack gives the records of what is in todo back with their objects. In a
// push run they cannot be had again: they go to the retry destination.
func (s *sender) giveBack(b *batch) {
	for _, m := range s.todo {
		if s.run.push {
			s.divert(b, m, retried, fault.Interrupted(errUnsent))
		} else {
			giveBackEntries(b.recs[m.first:m.last])
		}
	}
	s.todo = s.todo[:0]
}

var errUnsent = fmt.Errorf("not sent: %w", errStopped)

// dropLost takes the records out of todo whose object's lease would not outlive
// the send: another worker may have the object by then. Messages that held only
// others stay as they are.
func (s *sender) dropLost(b *batch) {
	need := s.run.cfg.SendTimeout + leaseMargin
	for i := 0; i < len(s.todo); i++ {
		m := s.todo[i]
		if s.holds(b.recs[m.first:m.last], need) {
			continue
		}
		var kept []entry
		for _, e := range b.recs[m.first:m.last] {
			if e.frame.obj.holds(need) {
				kept = append(kept, e)
				continue
			}
			e.frame.obj.lost.Store(true)
			giveBackEntries([]entry{e})
		}
		if len(kept) == 0 {
			s.todo = append(s.todo[:i], s.todo[i+1:]...)
			i--
			continue
		}
		s.todo[i] = s.rebuild(b, kept)
	}
}

func (s *sender) holds(recs []entry, need time.Duration) bool {
	var last *object
	for i := range recs {
		if o := recs[i].frame.obj; o != last {
			if !o.holds(need) {
				return false
			}
			last = o
		}
	}
	return true
}

// holds reports whether the object's lease holds for at least d. What nothing
// was claimed for always does.
func (o *object) holds(d time.Duration) bool {
	if o.lost.Load() {
		return false
	}
	return o.hold.Block == nil || o.hold.Block.Remaining(o.hold.Index) >= d
}

// settle notes the fate of one of the outputs.
func (m *multi) settle(f *frame, what fate) {
	f.obj.mu.Lock()
	m.left--
	m.worst = max(m.worst, what)
	left, worst := m.left, m.worst
	f.obj.mu.Unlock()
	switch {
	case left > 0:
	case worst == returned:
		f.giveBack(1, m.gap)
	default:
		f.settle(worst, 1)
	}
}

// limiters are the rates a run keeps to.
type limiters struct{ records, bytes, calls *rate.Limiter }

func newLimiters(r Rate) limiters {
	limiter := func(perSecond float64) *rate.Limiter {
		if perSecond == 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/4)))
	}
	return limiters{limiter(r.Records), limiter(r.Bytes), limiter(r.Calls)}
}

// paceSend waits until the messages may be sent. It fails only when the drain
// ends.
func (r *run) paceSend(msgs []message) error {
	records, size := 0, 0
	for _, m := range msgs {
		records += m.last - m.first
		size += m.to - m.from
	}
	return r.pace(r.ioCtx, records, size)
}

// pace waits until one call with so many records and bytes may be made at the
// configured rates. It fails only when ctx ends.
func (r *run) pace(ctx context.Context, records, size int) error {
	if r.rates == (limiters{}) {
		return nil
	}
	return errors.Join(
		waitFor(ctx, r.rates.calls, 1),
		waitFor(ctx, r.rates.records, records),
		waitFor(ctx, r.rates.bytes, size))
}

// waitFor takes n tokens, however small the bucket.
func waitFor(ctx context.Context, l *rate.Limiter, n int) error {
	if l == nil {
		return nil
	}
	for n > 0 {
		take := min(n, l.Burst())
		res := l.ReserveN(time.Now(), take)
		if err := sleep.For(ctx, res.Delay()); err != nil {
			return err
		}
		n -= take
	}
	return nil
}

// logOutage tells about a failing service, at most every few seconds.
func (r *run) logOutage(what string, err error) {
	if r.outage.Allow() {
		r.log.Warn("service away, trying again", zap.String("operation", what), zap.Error(err))
	}
	r.errs.add(err)
}
