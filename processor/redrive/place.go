package redrive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
)

// mostRecordBytes is the longest record that can be replayed: more than a worker
// takes unless it was told to.
const mostRecordBytes = 256 << 20

// Place is a retry, failed or corruption destination of the processor. Each of its
// files is a bundle.
type Place struct{ store *destination.Store }

var _ Box = (*Place)(nil)

// NewPlace returns the destination at a URL, as the processor takes it: macros in it
// are those of a run that starts now. It touches nothing.
func NewPlace(url string) (*Place, error) {
	store, err := destination.Open(destination.Config{URL: url})
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("redrive: %w", err))
	}
	return &Place{store}, nil
}

// Bundles implements [Box]. Files that appear meanwhile, such as those that this
// package writes, may be among them or not.
func (p *Place) Bundles(ctx context.Context) iter.Seq2[Bundle, error] {
	return func(yield func(Bundle, error) bool) {
		written := map[string]bool{} // by this loop
		for info, err := range p.store.List(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if written[info.Name] {
				continue
			}
			f := &file{store: p.store, info: info}
			if !yield(f, nil) {
				return
			}
			if f.rest != "" {
				written[f.rest] = true
			}
		}
	}
}

// End implements [Box].
func (p *Place) End(context.Context) error { return nil }

// file is one file of a destination.
type file struct {
	store *destination.Store
	info  destination.Info
	kept  []byte // lines for rest that are not written yet
	part  *destination.Part
	end   context.CancelFunc // ends what part does
	rest  string             // the name of the file that holds what was kept
}

// Name implements [Bundle].
func (f *file) Name() string { return f.info.Name }

// Letters implements [Bundle].
func (f *file) Letters(ctx context.Context) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		body, err := f.store.Open(ctx, f.info.Name)
		if err != nil {
			yield(Letter{}, err)
			return
		}
		defer body.Close() // only read
		line := 0
		for env, err := range destination.ReadEnvelopes(body, mostRecordBytes) {
			line++
			plain := errors.Is(err, destination.ErrNotEnvelope) && !errors.Is(err, destination.ErrDataTooLong)
			if err != nil && !plain {
				yield(Letter{}, fmt.Errorf("line %d: %w", line, err))
				return
			}
			l := Letter{
				ID: fmt.Sprintf("%s:%d", f.info.Name, line), Object: env.Object, Version: env.Version, Offset: env.Offset, Index: env.Index,
				Attempt: env.Attempt, Class: env.Class, Reason: env.Reason, Time: env.Time, Stage: env.Stage, Data: env.Data, plain: plain,
			}
			if plain {
				l.Object, l.Attempt, l.Time, l.Data = f.info.Key, f.info.Attempt, f.info.ModTime, bytes.TrimSpace(env.Data)
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// lineOf is the letter as it stands in a file.
func lineOf(dst []byte, l *Letter) []byte {
	if l.plain {
		return append(append(dst, l.Data...), '\n')
	}
	env := destination.Envelope{
		Object: l.Object, Version: l.Version, Offset: l.Offset, Index: l.Index, Attempt: l.Attempt,
		Class: l.Class, Reason: l.Reason, Time: l.Time, Stage: l.Stage, Data: l.Data,
	}
	return env.Append(dst)
}

// spillBytes is how much of what is kept stays in memory.
const spillBytes = 1 << 20

// Keep implements [Bundle]: the letter goes to another file of the destination.
func (f *file) Keep(l Letter) error {
	f.kept = lineOf(f.kept, &l)
	if len(f.kept) < spillBytes {
		return nil
	}
	return f.spill()
}

// spill writes what was kept. A destination that does not take it within tidyTime takes
// nothing more: the part can only be aborted then.
func (f *file) spill() error {
	if f.part == nil {
		if err := f.create(); err != nil {
			return err
		}
	}
	defer time.AfterFunc(tidyTime, f.end).Stop()
	_, err := f.part.Write(f.kept)
	f.kept = f.kept[:0]
	return err
}

// create begins the part, which ends with Settle or Leave: also when whoever replays is
// to stop, what was not replayed has to be kept.
func (f *file) create() (err error) {
	ctx, end := context.WithCancel(context.Background())
	defer time.AfterFunc(tidyTime, end).Stop()
	if f.part, err = f.store.Create(ctx, f.info.Key, f.info.Attempt); err != nil {
		end()
		return err
	}
	f.end = end
	return nil
}

// Settle implements [Bundle]: what was kept is durable before the file is deleted.
// After a crash in between it is there twice.
func (f *file) Settle(ctx context.Context) error {
	if len(f.kept) > 0 {
		if err := f.spill(); err != nil {
			return errors.Join(err, f.Leave())
		}
	}
	if f.part != nil {
		if _, err := f.part.Commit(ctx); err != nil {
			return errors.Join(err, f.Leave())
		}
		f.rest = f.part.Name()
		f.end()
	}
	return f.store.Delete(ctx, f.info.Name)
}

// Leave implements [Bundle].
func (f *file) Leave() error {
	if f.part != nil {
		f.part.Abort()
		f.end()
		f.part = nil
	}
	f.kept = nil
	return nil
}
