package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// bench is a small correct sink, whose parts a mutant replaces.
type bench struct {
	mu     sync.Mutex
	limits sink.Limits
	kept   []sink.Message
	calls  int
	mutant mutant
}

// mutant is what one broken sink does otherwise.
type mutant struct {
	rule   string // the rule that it must fail
	limits func(b *bench) sink.Limits
	send   func(b *bench, ctx context.Context, batch []sink.Message) error
	flush  func(b *bench) error
}

func (b *bench) Limits(context.Context) (sink.Limits, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mutant.limits != nil {
		return b.mutant.limits(b), nil
	}
	return b.limits, nil
}

func (b *bench) Send(ctx context.Context, batch []sink.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.mutant.send != nil {
		return b.mutant.send(b, ctx, batch)
	}
	return b.good(ctx, batch)
}

// good is a Send that obeys every rule.
func (b *bench) good(ctx context.Context, batch []sink.Message) error {
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(err)
	}
	if err := b.tooLarge(batch, sink.Message.Size); err != nil {
		return err
	}
	var failed []sink.EntryError
	for i, m := range batch {
		if isPoison(m) {
			failed = append(failed, sink.EntryError{Index: i, Err: fault.Corrupt(errors.New("poison"))})
			continue
		}
		b.keep(m)
	}
	if failed != nil {
		return &sink.BatchError{Failed: failed}
	}
	return nil
}

func (b *bench) tooLarge(batch []sink.Message, size func(sink.Message) int) error {
	total := 0
	for _, m := range batch {
		if size(m) > b.limits.MessageBytes {
			return sink.ErrTooLarge
		}
		total += size(m)
	}
	if total > b.limits.BatchBytes || len(batch) > b.limits.BatchMessages {
		return sink.ErrTooLarge
	}
	return nil
}

func (b *bench) keep(m sink.Message) {
	m.Body = slices.Clone(m.Body)
	b.kept = append(b.kept, m)
}

func isPoison(m sink.Message) bool { return bytes.HasPrefix(m.Body, []byte("poison")) }

func (b *bench) Flush(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mutant.flush != nil {
		return b.mutant.flush(b)
	}
	return nil
}

func harness(m mutant) Harness {
	return Harness{
		New: func(testing.TB) sink.Sink {
			return &bench{mutant: m, limits: sink.Limits{MessageBytes: 1000, BatchBytes: 3000, BatchMessages: 10, NeedsFlush: true}}
		},
		Accepted: func(_ testing.TB, s sink.Sink) []sink.Message {
			b := s.(*bench)
			b.mu.Lock()
			defer b.mu.Unlock()
			return slices.Clone(b.kept)
		},
		Poison: &sink.Message{Body: []byte("poison " + secret)},
	}
}

// examine returns the error of every rule that the sink breaks.
func examine(t *testing.T, h Harness) map[string]error {
	broken := map[string]error{}
	for _, r := range rules {
		x, err := open(t, h)
		if err == nil && (r.applies == nil || r.applies(x)) {
			err = r.check(x)
		}
		if err != nil {
			broken[r.name] = err
		}
	}
	return broken
}

func TestAGoodSinkBreaksNoRule(t *testing.T) {
	assert.Empty(t, examine(t, harness(mutant{})))
	Run(t, harness(mutant{}))
}

// entry is the error of one message.
func entry(i int, err error) error {
	return &sink.BatchError{Failed: []sink.EntryError{{Index: i, Err: err}}}
}

var mutants = map[string]mutant{
	"limits change": {rule: "limits", limits: func(b *bench) sink.Limits {
		l := b.limits
		l.MessageBytes -= b.calls
		return l
	}},
	"limits are negative": {rule: "limits", limits: func(b *bench) sink.Limits {
		l := b.limits
		l.BatchBytes = -1
		return l
	}},
	"an empty batch is an error": {rule: "empty batch", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		if len(batch) == 0 {
			return errors.New("empty")
		}
		return b.good(ctx, batch)
	}},
	"an empty batch is accepted as a message": {rule: "empty batch", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		if len(batch) == 0 {
			b.keep(sink.Message{Body: []byte("?")})
		}
		return b.good(ctx, batch)
	}},
	"the last message is lost": {rule: "accepted", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		return b.good(ctx, batch[:max(0, len(batch)-1)])
	}},
	"the first message is accepted twice": {rule: "accepted", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		if len(batch) > 0 && ctx.Err() == nil {
			b.keep(batch[0])
		}
		return b.good(ctx, batch)
	}},
	"the order is turned round": {rule: "accepted", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		turned := slices.Clone(batch)
		slices.Reverse(turned)
		return b.good(ctx, turned)
	}},
	"bodies are kept": {rule: "buffers not kept", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		n := len(b.kept)
		err := b.good(ctx, batch)
		for i := n; i < len(b.kept) && len(b.kept) == n+len(batch); i++ {
			b.kept[i].Body = batch[i-n].Body
		}
		return err
	}},
	"a body is changed": {rule: "batch untouched", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		for _, m := range batch {
			m.Body[0] = ' '
		}
		return err
	}},
	"a newline is appended in place": {rule: "batch untouched", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		for _, m := range batch {
			_ = append(m.Body, '\n')
		}
		return b.good(ctx, batch)
	}},
	"the batch is changed": {rule: "batch untouched", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		for i := range batch {
			batch[i].ID = "mine"
		}
		return err
	}},
	"the end of the context is not seen": {rule: "context", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		return b.good(context.WithoutCancel(ctx), batch)
	}},
	"the end of the context is a failed attempt": {rule: "context", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return b.good(ctx, batch)
	}},
	"the sink is dead after a cancelled call": {rule: "context", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		if ctx.Err() != nil {
			b.limits.BatchMessages = 1
		}
		return b.good(ctx, batch)
	}},
	"a neighbour of the poison is named": {rule: "poison", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if e, ok := errors.AsType[*sink.BatchError](err); ok {
			return entry(e.Failed[0].Index-1, e.Failed[0].Err)
		}
		return err
	}},
	"all are refused and one is named": {rule: "poison", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		n := len(b.kept)
		err := b.good(ctx, batch)
		if _, ok := errors.AsType[*sink.BatchError](err); ok {
			b.kept = b.kept[:n]
		}
		return err
	}},
	"the poison can be retried": {rule: "poison", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if e, ok := errors.AsType[*sink.BatchError](err); ok {
			return entry(e.Failed[0].Index, errors.New("no"))
		}
		return err
	}},
	"an index lies beyond the batch": {rule: "poison", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if e, ok := errors.AsType[*sink.BatchError](err); ok {
			return entry(len(batch), e.Failed[0].Err)
		}
		return err
	}},
	"the error quotes the body": {rule: "poison", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if e, ok := errors.AsType[*sink.BatchError](err); ok {
			i := e.Failed[0].Index
			return entry(i, fault.Corrupt(fmt.Errorf("bad body %s", batch[i].Body)))
		}
		return err
	}},
	"the message limit is one byte higher": {rule: "message limit", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		b.limits.MessageBytes = 1001
		return b.good(ctx, batch)
	}},
	"the message limit is one byte lower": {rule: "message limit", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		b.limits.MessageBytes = 999
		return b.good(ctx, batch)
	}},
	"too large is not said": {rule: "message limit", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if errors.Is(err, sink.ErrTooLarge) {
			return errors.New("no")
		}
		return err
	}},
	"too large is said to be an outage": {rule: "message limit", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if errors.Is(err, sink.ErrTooLarge) {
			return fault.Interrupted(err)
		}
		return err
	}},
	"attributes do not count": {rule: "attributes count", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		bare := slices.Clone(batch)
		for i := range bare {
			bare[i].Attributes = nil
		}
		return b.good(ctx, bare)
	}},
	"the batch limit is one byte higher": {rule: "batch limit", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		b.limits.BatchBytes = 3001
		return b.good(ctx, batch)
	}},
	"what is over the batch limit is accepted in part": {rule: "batch limit", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		err := b.good(ctx, batch)
		if errors.Is(err, sink.ErrTooLarge) && len(batch) > 1 {
			b.keep(batch[0])
		}
		return err
	}},
	"eleven messages are accepted": {rule: "batch count", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		b.limits.BatchMessages = 11
		return b.good(ctx, batch)
	}},
	"nine messages are too many": {rule: "batch count", send: func(b *bench, ctx context.Context, batch []sink.Message) error {
		b.limits.BatchMessages = 9
		return b.good(ctx, batch)
	}},
	"a second flush fails": {rule: "flush", flush: func(b *bench) error {
		if b.calls++; b.calls > 1 {
			return errors.New("closed")
		}
		return nil
	}},
	"a flush loses the last message": {rule: "flush", flush: func(b *bench) error {
		b.kept = b.kept[:max(0, len(b.kept)-1)]
		return nil
	}},
}

func TestEveryMutantBreaksItsRule(t *testing.T) {
	caught := map[string]bool{}
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			broken := examine(t, harness(m))
			require.Contains(t, broken, m.rule, "all that it breaks: %v", broken)
			t.Logf("%s: %v", m.rule, broken[m.rule])
		})
		caught[m.rule] = true
	}
	for _, r := range rules {
		if r.name != "concurrent" {
			assert.True(t, caught[r.name], "no mutant for rule %q", r.name)
		}
	}
}

// lossy loses what was accepted by another call at the same time.
type lossy struct {
	bench
	meet chan struct{} // the first two calls wait for each other
	came atomic.Int32
}

func (l *lossy) Send(ctx context.Context, batch []sink.Message) error {
	l.mu.Lock()
	scratch := &bench{limits: l.limits, kept: slices.Clone(l.kept)}
	l.mu.Unlock()
	if l.came.Add(1) <= 2 {
		select {
		case l.meet <- struct{}{}:
		case <-l.meet:
		}
	}
	err := scratch.good(ctx, batch)
	l.mu.Lock()
	l.kept = scratch.kept
	l.mu.Unlock()
	return err
}

func TestASinkThatLosesMessagesOfConcurrentCallsBreaksItsRule(t *testing.T) {
	h := harness(mutant{})
	h.New = func(testing.TB) sink.Sink {
		l := &lossy{meet: make(chan struct{})}
		l.limits = sink.Limits{MessageBytes: 1000, BatchBytes: 3000, BatchMessages: 10}
		return l
	}
	h.Accepted = func(_ testing.TB, s sink.Sink) []sink.Message { return s.(*lossy).kept }
	x, err := open(t, h)
	require.NoError(t, err)
	assert.ErrorContains(t, checkConcurrent(x), "accepted")
}

// sendOnly hides the Flush of a sink.
type sendOnly struct{ sink.Sink }

func TestASinkThatNeedsFlushAndHasNoneBreaksItsRule(t *testing.T) {
	h := harness(mutant{})
	good := h.New
	h.New = func(t testing.TB) sink.Sink { return sendOnly{good(t)} }
	h.Accepted = func(testing.TB, sink.Sink) []sink.Message { return nil }
	assert.ErrorContains(t, examine(t, h)["limits"], "no sink.Flusher")
}
