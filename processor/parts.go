package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// spillBytes is how much of a part is kept in memory before it is written to
// the destination: a part up to that size can be written again after an outage.
const spillBytes = 1 << 20

// maxOpenParts is how many parts a worker of a push run fills side by side.
const maxOpenParts = 16

// parts collects what goes to the retry, failed and corruption destinations,
// and settles it once it is durable there. It belongs to one goroutine.
type parts struct {
	run  *run
	ctx  context.Context // of the writing
	open []*part
}

// part is one file to be.
type part struct {
	kind    fate
	key     string
	attempt int
	buf     []byte
	file    *destination.Part // once buf was spilled
	err     error             // of spilling: the part is lost
	settles []settlement
}

// settlement is what is settled once a part is committed: n records of a frame,
// all of them in gap, or one output of a record with several.
type settlement struct {
	frame *frame
	multi *multi
	n     int64
	gap   gap
}

// add notes a record for a destination. env.Attempt is the number of attempts
// behind the record; for what is to be retried or failed by its own fault, this
// one is counted, and beyond MaxRetries retried becomes failed. An interrupted
// record is retried without counting.
func (p *parts) add(kind fate, env *destination.Envelope, cause error, s settlement) {
	env.Class, env.Time = fault.Of(cause).String(), p.run.now()
	env.Reason = clip(cause.Error(), 4*maxErrorBytes)
	if kind != corrupted && !fault.Is(cause, fault.ClassInterrupted) {
		if kind == retried && env.Attempt >= p.run.cfg.MaxRetries {
			kind = failed
		}
		env.Attempt++
	}
	w := p.find(kind, env)
	w.settle(s)
	w.buf = env.Append(w.buf)
	if len(w.buf) >= spillBytes {
		w.spill(p)
	}
}

func (p *parts) find(kind fate, env *destination.Envelope) *part {
	attempt := env.Attempt
	if kind != retried {
		attempt = 0
	}
	for _, w := range p.open {
		if w.kind == kind && w.key == env.Object && w.attempt == attempt {
			return w
		}
	}
	w := &part{kind: kind, key: env.Object, attempt: attempt}
	p.open = append(p.open, w)
	return w
}

func (w *part) settle(s settlement) {
	s.n = 1
	if n := len(w.settles); n > 0 && s.multi == nil {
		if last := &w.settles[n-1]; last.frame == s.frame && last.multi == nil {
			last.n++
			last.gap.span[1], last.gap.last = s.gap.span[1], s.gap.last
			return
		}
	}
	w.settles = append(w.settles, s)
}

func (w *part) spill(p *parts) {
	if w.err == nil && w.file == nil {
		w.file, w.err = p.run.stores[w.kind].Create(p.ctx, w.key, w.attempt)
	}
	if w.err == nil {
		_, w.err = w.file.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// commit makes everything durable and settles it; what could not be written is
// given back with its object. An outage of the destination is waited out: the
// caller stands still, and so, soon, does the claiming.
func (p *parts) commit() {
	for _, w := range p.open {
		what := w.kind
		if err := w.commit(p); err != nil {
			p.run.fault(fmt.Errorf("write %s destination for %s: %w", fateName(w.kind), w.key, err))
			what = returned
		}
		for _, s := range w.settles {
			switch {
			case s.multi != nil:
				s.multi.settle(s.frame, what)
			case what == returned:
				s.frame.giveBack(s.n, s.gap)
			default:
				s.frame.settle(what, s.n)
			}
		}
	}
	p.open = p.open[:0]
}

func (w *part) commit(p *parts) error {
	if w.err != nil || w.file != nil {
		if w.err == nil && len(w.buf) > 0 {
			_, w.err = w.file.Write(w.buf)
		}
		if w.err == nil {
			w.err = p.commitFile(w.kind, w.file)
		}
		if w.file != nil {
			w.file.Abort()
		}
		return w.err
	}
	var file *destination.Part
	defer func() {
		if file != nil {
			file.Abort()
		}
	}()
	return p.untilDone(w.kind, func() (err error) {
		if file == nil {
			if file, err = p.run.stores[w.kind].Create(p.ctx, w.key, w.attempt); err != nil {
				return err
			}
			_, err = file.Write(w.buf)
		}
		if err == nil {
			_, err = file.Commit(p.ctx)
		}
		if err != nil && !errors.Is(err, destination.ErrUndecided) {
			file.Abort()
			file = nil // and begin anew
		}
		return err
	})
}

// commitFile commits what cannot be written again: again and again where it is
// not known what came of it.
func (p *parts) commitFile(kind fate, file *destination.Part) error {
	var decided error
	undecided := p.untilDone(kind, func() error {
		_, err := file.Commit(p.ctx)
		if errors.Is(err, destination.ErrUndecided) {
			return err
		}
		decided = err
		return nil
	})
	return cmp.Or(decided, undecided)
}

// untilDone repeats op, which writes to a destination, with growing pauses, until
// it succeeds, fails fatally or for what it writes, or no writing may begin any
// more; what cannot wait longer is tried once more then.
func (p *parts) untilDone(kind fate, op func() error) error {
	var refused error // what the destination never takes
	again := func(context.Context) error {
		err := op()
		if fault.Is(err, fault.ClassCorrupt) {
			refused = err
			return nil
		}
		return err
	}
	err := p.run.until(p.run.ioCtx, "write "+fateName(kind)+" destination", again)
	if refused != nil {
		return refused
	}
	if err == nil || p.run.ioCtx.Err() == nil {
		return err
	}
	return op()
}

// abort forgets everything: its records are settled by somebody else.
func (p *parts) abort() {
	for _, w := range p.open {
		if w.file != nil {
			w.file.Abort()
		}
	}
	p.open = p.open[:0]
}

// stream writes one record of unknown length to the corruption destination, in
// bounded memory, and reports whether that succeeded. pieces is read to its end
// in any case.
func (p *parts) stream(env *destination.Envelope, cause error, pieces io.Reader) error {
	env.Class, env.Time = fault.Of(cause).String(), p.run.now()
	env.Reason = clip(cause.Error(), 4*maxErrorBytes)
	err := func() error {
		file, err := p.run.stores[corrupted].Create(p.ctx, env.Object, 0)
		if err != nil {
			return err
		}
		defer file.Abort()
		if _, err := env.Stream(file, pieces); err != nil {
			return err
		}
		return p.commitFile(corrupted, file)
	}()
	if err != nil {
		_, _ = io.Copy(io.Discard, pieces) // its error comes to light at the next read
		return fmt.Errorf("write corruption destination for %s: %w", env.Object, err)
	}
	return nil
}

func fateName(f fate) string {
	switch f {
	case retried:
		return "retry"
	case corrupted:
		return "corruption"
	case failed:
		return "failed"
	}
	return "no"
}

// until repeats op, with growing pauses, until it succeeds, fails fatally, or
// ctx ends.
func (r *run) until(ctx context.Context, what string, op func(context.Context) error) error {
	began := time.Now()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := op(ctx)
		if err == nil || fault.Is(err, fault.ClassFatal) || ctx.Err() != nil {
			return err
		}
		r.logOutage(what, err)
		if r.tooLong(began) {
			r.fail(fmt.Errorf("%s: away for %v: %w", what, r.cfg.MaxOutage, err))
		}
		if sleep.For(ctx, wait) != nil {
			return err
		}
	}
}

// now is the wall clock, for envelopes.
func (r *run) now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
