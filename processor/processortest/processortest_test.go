package processortest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/claim"
	claimmemory "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// witness is a test that is allowed to fail.
type witness struct {
	testing.TB
	mu     sync.Mutex
	errors []string
}

func (w *witness) Helper() {}
func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors = append(w.errors, fmt.Sprintf(format, args...))
}

// Broken parts are found out, by a message that names the promise.
func TestMutants(t *testing.T) {
	for _, m := range []struct {
		name, want string
		change     func(h *Harness, cfg *processor.Config)
	}{
		{
			"a sink that loses a message it accepted", `broken guarantee "accounting"`,
			func(h *Harness, cfg *processor.Config) { cfg.Sink = h.Sink(&losing{Sink: h.kept}) },
		},
		{
			"a sink that keeps the bodies", `broken guarantee "accounting"`,
			func(h *Harness, cfg *processor.Config) {
				k := &keeping{Sink: h.kept}
				h.Received = k.bodies
				cfg.Sink = h.Sink(k)
			},
		},
		{
			"a claim store that grants twice", `broken guarantee "once"`,
			func(h *Harness, cfg *processor.Config) { cfg.Claimer = h.Claimer(generous{claimmemory.New()}) },
		},
		{
			"a claim store that forgets what is done", `broken guarantee "once"`,
			func(h *Harness, cfg *processor.Config) {
				cfg.Claimer = h.Claimer(&forgetful{Claimer: claimmemory.New()})
			},
		},
		{
			"a transform that keeps rec.Data", "kept rec.Data",
			func(h *Harness, cfg *processor.Config) { cfg.Transform = &serial{Transform: h.Transform(new(late))} },
		},
		{
			"a source that calls a cut the end", `broken guarantee "accounting"`,
			func(h *Harness, cfg *processor.Config) { cfg.Source = short{h.Source} },
		},
	} {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &witness{TB: t}
				h := newHarness(w, false, kinds[:len(kinds)-1]) // the last is large, and needed by none
				cfg := h.Config()
				m.change(h, &cfg)
				h.run(cfg)
				assert.Contains(t, strings.Join(w.errors, "\n"), m.want, "seed %d", h.Seed)
			})
		})
	}
}

// losing loses one message, of the third call that has any.
type losing struct {
	sink.Sink
	mu    sync.Mutex
	calls int
}

func (l *losing) Send(ctx context.Context, batch []sink.Message) error {
	if len(batch) == 0 {
		return nil
	}
	l.mu.Lock()
	l.calls++
	lose := l.calls == 3
	l.mu.Unlock()
	if lose {
		batch = batch[1:]
	}
	return l.Sink.Send(ctx, batch)
}

// keeping does not copy.
type keeping struct {
	sink.Sink
	mu   sync.Mutex
	kept [][]byte
}

func (k *keeping) Send(_ context.Context, batch []sink.Message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range batch {
		k.kept = append(k.kept, m.Body)
	}
	return nil
}

func (k *keeping) bodies() [][]byte { return k.kept }

// generous grants what others hold: it names each worker's keys apart.
type generous struct{ claim.Claimer }

func (g generous) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	apart := make([]string, len(keys))
	for i, key := range keys {
		apart[i] = owner + key
	}
	return g.Claimer.Claim(ctx, owner, nonce, apart, ttl)
}

// forgetful releases what it should complete, five times.
type forgetful struct {
	claim.Claimer
	calls atomic.Int32
}

func (f *forgetful) Complete(ctx context.Context, leases []claim.Lease) error {
	if f.calls.Add(1) > 5 {
		return f.Claimer.Complete(ctx, leases)
	}
	returns := make([]claim.Return, len(leases))
	for i, l := range leases {
		l.Progress = ""
		returns[i] = claim.Return{Lease: l}
	}
	return f.Release(ctx, returns)
}

// serial lets one record in at a time, so that what late does is no data race.
type serial struct {
	transform.Transform
	mu sync.Mutex
}

func (s *serial) Apply(ctx context.Context, rec source.Record, out *transform.Output) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Transform.Apply(ctx, rec, out)
}

// late gives each record when the next one comes.
type late struct{ last []byte }

func (l *late) Apply(_ context.Context, rec source.Record, out *transform.Output) error {
	if l.last != nil {
		out.Emit(l.last)
	}
	l.last = rec.Data
	return nil
}

// short ends a body early, as if that were all.
type short struct{ *Source }

func (s short) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	body, found, err := s.Source.Open(ctx, o, off, n)
	if err != nil {
		return nil, found, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, 300_000), body}, found, nil
}
