package processortest

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// verdict is what a transform with faults does with a record: it follows from
// the record's id, so that it is known what must become of it.
type verdict int

const (
	pass verdict = iota
	drop
	corrupt
	two      // two outputs
	partial  // one output, and a remainder to be tried again
	fail     // the first time
	panicked // the first time
	stopped  // the first time: Interrupted
)

const (
	second = " and a second"
	rest   = " and the rest"
)

func hash(id string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return h.Sum32()
}

func verdictOf(id string) verdict {
	if n := verdict(hash(id) % 100); n <= stopped {
		return n
	}
	return pass
}

// poisonous reports whether the sink never takes a record.
func poisonous(id string) bool { return hash("poison"+id)%150 == 0 }

// Transform puts faults in front of a transform; nil stands for one that passes
// everything on. Some records are dropped, some corrupt, some fail, panic or
// succeed in part at the first try.
func (h *Harness) Transform(next transform.Transform) transform.Transform {
	h.verdicts = true
	return &flawed{h: h, next: next, tried: map[string]bool{}}
}

type flawed struct {
	h     *Harness
	next  transform.Transform
	mu    sync.Mutex
	tried map[string]bool
}

// overwritten is what stands in the place of a record after Apply.
const overwritten = '\x07'

// Apply gives the transform behind a copy, and overwrites that afterwards.
func (f *flawed) Apply(ctx context.Context, rec source.Record, out *transform.Output) error {
	ids := IDs(rec.Data)
	if len(ids) == 0 { // valid JSON by chance, in an object that is broken
		out.Emit(rec.Data)
		return nil
	}
	id := ids[0]
	switch v := verdictOf(id); {
	case v == drop:
		return nil
	case v == corrupt:
		return fault.Corrupt(errors.New("told to be corrupt"))
	case v == fail && f.first(id):
		return errors.New("told to fail")
	case v == panicked && f.first(id):
		panic("told to panic")
	case v == stopped && f.first(id):
		return ErrAway
	case v == partial && f.first(id):
		if err := f.apply(ctx, rec, out); err != nil {
			return err
		}
		return fault.PartialRetry([]byte(`{"id":"`+id+rest+`"}`), errors.New("told to succeed in part"))
	case v == two:
		if err := f.apply(ctx, rec, out); err != nil {
			return err
		}
		out.Emit([]byte(`{"id":"` + id + second + `"}`))
		return nil
	}
	return f.apply(ctx, rec, out)
}

func (f *flawed) apply(ctx context.Context, rec source.Record, out *transform.Output) error {
	if f.next == nil {
		out.Emit(rec.Data)
		return nil
	}
	rec.Data = bytes.Clone(rec.Data)
	had := out.Len()
	err := f.next.Apply(ctx, rec, out)
	for i := range rec.Data {
		rec.Data[i] = overwritten
	}
	for i := had; i < out.Len(); i++ {
		if bytes.IndexByte(out.Value(i), overwritten) >= 0 {
			f.h.broken("accounting", "the transform kept rec.Data: it gave a record that had been overwritten after Apply returned")
		}
	}
	return err
}

func (f *flawed) first(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tried[id] {
		return false
	}
	f.tried[id] = true
	return true
}

// Sink puts faults in front of a sink: outages, throttling, failing entries,
// and messages that are poison. In a storm responses are lost.
func (h *Harness) Sink(next sink.Sink) sink.Sink {
	h.poisons = true
	return &leaky{h: h, next: next}
}

type leaky struct {
	h    *Harness
	next sink.Sink
}

func (l *leaky) Limits(ctx context.Context) (sink.Limits, error) { return l.next.Limits(ctx) }

func (l *leaky) Send(ctx context.Context, batch []sink.Message) error {
	err, lost := l.h.chaos.sends(l.h.Storm)
	if err != nil && !lost {
		return err
	}
	var failed []sink.EntryError
	var good []sink.Message
	var at []int // where in batch
	for i, m := range batch {
		entryErr := poison(m)
		if entryErr == nil && !lost {
			entryErr = l.h.chaos.entry()
		}
		if entryErr != nil {
			failed = append(failed, sink.EntryError{Index: i, Err: entryErr})
			continue
		}
		m.Body = bytes.Clone(m.Body)
		good, at = append(good, m), append(at, i)
	}
	sendErr := l.next.Send(ctx, good)
	for _, m := range good { // a sink that keeps the bodies is found out
		for i := range m.Body {
			m.Body[i] = overwritten
		}
	}
	if partial, ok := errors.AsType[*sink.BatchError](sendErr); ok {
		for _, f := range partial.Failed {
			failed = append(failed, sink.EntryError{Index: at[f.Index], Err: f.Err})
		}
	} else if sendErr != nil {
		return sendErr
	}
	if lost {
		return err
	}
	if len(failed) > 0 {
		return &sink.BatchError{Failed: failed}
	}
	return nil
}

func poison(m sink.Message) error {
	if slices.ContainsFunc(IDs(m.Body), poisonous) {
		return fault.Corrupt(errors.New("invalid message contents"))
	}
	return nil
}
