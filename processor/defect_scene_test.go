package processor_test

// The tests of this and the other defect_*_test.go files are named after what
// was seen to go wrong in the service that this one is modelled on (its number
// stands in the name), so that it does not happen here. Those that concern
// sources, adapters and consumers of queues stand beside them, under the same
// names.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
)

// push is a service for Do with destinations of its own.
type push struct {
	t    *testing.T
	base string // of the destinations
	cfg  processor.Config
	done applied
}

// newPush returns a service that hands every line to process, and notes those
// for which it returned nil.
func newPush(t *testing.T, base string, process func(ctx context.Context, line string) error) *push {
	p := &push{t: t, base: base}
	p.cfg = processor.Config{
		RetryURL: base + "/retry", FailedURL: base + "/failed", CorruptionURL: base + "/corrupt",
		Concurrency: 4,
	}
	p.use(process)
	return p
}

// use sets the processor.
func (p *push) use(process func(ctx context.Context, line string) error) {
	p.cfg.Processor = p.noting(process)
}

func (p *push) noting(process func(ctx context.Context, line string) error) lineFunc {
	return func(ctx context.Context, line string) error {
		err := process(ctx, line)
		if err == nil {
			p.done.add(line)
		}
		return err
	}
}

// onBoth runs a test with destinations in a folder and in mem://, each in a bubble
// of synctest: no deadline comes early on a machine that has no time.
func onBoth(t *testing.T, test func(t *testing.T, base string)) {
	t.Run("file", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, t.TempDir()) })
	})
	t.Run("mem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, memoryBase(t)) })
	})
}

// memoryBase is a place in afs's memory that no other test uses, nor this one when it
// is run again.
func memoryBase(t *testing.T) string {
	return fresh("mem://localhost/" + strings.ToLower(strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())))
}

var bases atomic.Int64

// fresh is a place below base that nothing else uses.
func fresh(base string) string { return fmt.Sprintf("%s/%d", base, bases.Add(1)) }

// do pushes input under a URL.
func (p *push) do(ctx context.Context, input io.Reader, url string) (*processor.Response, error) {
	p.t.Helper()
	return p.request(ctx, processor.NewRequest(input, nil, url))
}

func (p *push) request(ctx context.Context, req *processor.Request) (*processor.Response, error) {
	p.t.Helper()
	svc, err := processor.New(p.cfg)
	require.NoError(p.t, err)
	rep, err := svc.Do(ctx, req)
	require.NotNil(p.t, rep)
	resp := rep.BaseResponse()
	assert.Equal(p.t, resp.Loaded, resp.Delivered+resp.Dropped+resp.RetryErrors+resp.CorruptionErrors+resp.FailedErrors, "accounting")
	assert.Equal(p.t, resp.Processed, resp.Delivered+resp.Dropped)
	if err != nil {
		assert.Equal(p.t, processor.StatusError, resp.Status)
		assert.NotEmpty(p.t, resp.Errors)
	} else {
		assert.NotEqual(p.t, processor.StatusError, resp.Status)
	}
	return resp, err
}

// again pushes every part of the retry destination, with a deadline each, and
// deletes it, as whoever is triggered by that destination does. It returns the
// number of parts.
func (p *push) again(limit time.Duration) int {
	p.t.Helper()
	store := p.store("retry")
	parts := p.parts("retry")
	for _, part := range parts {
		body, err := store.Open(p.t.Context(), part.Name)
		require.NoError(p.t, err)
		p.within(limit, body, p.base+"/retry/"+part.Name)
		require.NoError(p.t, store.Delete(p.t.Context(), part.Name))
	}
	return len(parts)
}

// within pushes input with a deadline, and expects that all of it is settled.
func (p *push) within(limit time.Duration, input io.Reader, url string) *processor.Response {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	resp, err := p.do(ctx, input, url)
	require.NoError(p.t, err)
	return resp
}

func (p *push) store(folder string) *destination.Store {
	p.t.Helper()
	store, err := destination.Open(destination.Config{URL: p.base + "/" + folder})
	require.NoError(p.t, err)
	return store
}

func (p *push) parts(folder string) []destination.Info {
	p.t.Helper()
	var parts []destination.Info
	for part, err := range p.store(folder).List(context.Background()) {
		require.NoError(p.t, err)
		parts = append(parts, part)
	}
	return parts
}

// kept are the envelopes in a destination.
func (p *push) kept(folder string) []destination.Envelope {
	p.t.Helper()
	var found []destination.Envelope
	for _, part := range p.parts(folder) {
		body, err := p.store(folder).Open(context.Background(), part.Name)
		require.NoError(p.t, err)
		for e, err := range destination.ReadEnvelopes(body, 64<<20) {
			require.NoError(p.t, err, "a line of %s is no envelope", part.Name)
			e.Data = slices.Clone(e.Data)
			found = append(found, e)
		}
		require.NoError(p.t, body.Close())
	}
	return found
}

// lines are the records in a destination, sorted.
func (p *push) lines(folder string) []string {
	p.t.Helper()
	lines := []string{}
	for _, e := range p.kept(folder) {
		lines = append(lines, string(e.Data))
	}
	slices.Sort(lines)
	return lines
}

// settledOnce checks that each line was processed, or is in a destination, and
// only one of these, once.
func (p *push) settledOnce(lines []string) {
	p.t.Helper()
	have := p.done.lines()
	for _, folder := range []string{"retry", "failed", "corrupt"} {
		have = append(have, p.lines(folder)...)
	}
	slices.Sort(have)
	want := slices.Sorted(slices.Values(lines))
	if !slices.Equal(want, have) {
		assert.Equal(p.t, len(want), len(have), "number of settled lines") //nolint:testifylint // Len prints the lines, which may be long
		for i := range min(len(want), len(have)) {
			if want[i] != have[i] {
				p.t.Errorf("line %d: settled %.100q, want %.100q", i, have[i], want[i])
				return
			}
		}
	}
}

// applied are the lines that were processed. It is safe for concurrent use.
type applied struct {
	mu   sync.Mutex
	list []string
}

func (a *applied) add(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, line)
}

// lines returns them, sorted.
func (a *applied) lines() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, slices.Sorted(slices.Values(a.list))...)
}

// lineFunc is a processor of lines.
type lineFunc func(ctx context.Context, line string) error

func (f lineFunc) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	return f(ctx, string(data))
}

// withPre and withPost add the other stages.
type (
	withPre struct {
		processor.Processor
		pre func(ctx context.Context) (context.Context, error)
	}
	withPost struct {
		processor.Processor
		post func(ctx context.Context) error
	}
)

func (p withPre) Pre(ctx context.Context, _ processor.Reporter) (context.Context, error) {
	return p.pre(ctx)
}

func (p withPost) Post(ctx context.Context, _ processor.Reporter) error { return p.post(ctx) }

var errNotNow = errors.New("not now")

func accept(context.Context, string) error { return nil }
func refuse(context.Context, string) error { return errNotNow }

// numbered are n different lines.
func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("line-%06d", i)
	}
	return lines
}

// large are different lines that no buffer holds together.
func large() []string {
	lines := numbered(sized(3000, 1500))
	for i := range lines {
		lines[i] += strings.Repeat(".", 200)
	}
	return lines
}

// text joins lines into an input.
func text(lines []string) io.Reader { return strings.NewReader(strings.Join(lines, "\n") + "\n") }

// blocked makes a folder that nothing can be written to, whoever runs the test.
func blocked(t *testing.T) string {
	name := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(name, []byte("in the way"), 0o600))
	return name + "/folder"
}
