package processor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// batches notes what each call of a batch processor gets, and what it took.
type batches struct {
	mu    sync.Mutex
	calls [][]string // as many as there were, in no order
	taken []string
	mixed bool // a call had records of different objects, or not in their order
	// do is called for each; the records it gives no error for are taken.
	do func(ctx context.Context, lines []string) error
}

func (b *batches) Process(context.Context, []byte, processor.Reporter) error {
	return fault.Fatal(errors.New("not called with batches"))
}

func (b *batches) ProcessBatch(ctx context.Context, batch []source.Record, _ processor.Reporter) error {
	lines := make([]string, len(batch))
	mixed := false
	for i, rec := range batch {
		lines[i] = string(rec.Data)
		if i > 0 {
			mixed = mixed || rec.Object.Key != batch[i-1].Object.Key || rec.Offset <= batch[i-1].Offset
		}
	}
	clear(batch) // it is ours
	b.mu.Lock()
	b.calls = append(b.calls, lines)
	b.mixed = b.mixed || mixed
	b.mu.Unlock()
	if b.do != nil {
		if err := b.do(ctx, slices.Clone(lines)); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, lines...)
	return nil
}

// sizes counts the calls by the number of their records.
func (b *batches) sizes() map[int]int {
	sizes := map[int]int{}
	for _, c := range b.calls {
		sizes[len(c)]++
	}
	return sizes
}

func (b *batches) sorted() []string {
	return append([]string{}, slices.Sorted(slices.Values(b.taken))...)
}

// groupOf is what stands before the colon.
func groupOf(rec source.Record) []byte {
	group, _, _ := bytes.Cut(rec.Data, []byte(":"))
	return group
}

// grouped are lines of groups with the given numbers of records, each padded to
// about size bytes.
func grouped(size int, records ...int) []string {
	var lines []string
	for g, n := range records {
		for i := range n {
			lines = append(lines, fmt.Sprintf("g%06d:%05d%s", g, i, strings.Repeat(".", size)))
		}
	}
	return lines
}

// pushBatches is a push to b.
func pushBatches(t *testing.T, b *batches) *push {
	p := newPush(t, t.TempDir(), accept)
	p.cfg.Processor = b
	return p
}

// Every call but the last of an object gets BatchSize records, whatever the
// windows and workers.
func TestBatchesAreFull(t *testing.T) {
	for _, c := range []struct{ records, size, batch, pad, workers int }{
		{7, 3, 3, 0, 1}, {100, 10, 10, 0, 20}, {3, 0, 100, 0, 4}, {30_000, 0, 7, 30, 4}, {30_000, 0, 1000, 30, 20},
		{5000, 0, 900, 600, 3}, {3000, 0, 1, 100, 4}, {20_000, 0, 100_000, 60, 2},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := &batches{}
			p := pushBatches(t, b)
			p.cfg.BatchSize, p.cfg.Concurrency, p.cfg.MaxInFlightBytes = c.batch, c.workers, 1<<30
			lines := grouped(c.pad, c.records)
			resp, err := p.do(t.Context(), text(lines), "data/numbers.txt")
			require.NoError(t, err)
			assert.EqualValues(t, c.records, resp.Processed)
			assert.EqualValues(t, len(b.calls), resp.Batched)
			assert.Equal(t, lines, b.sorted())
			want := map[int]int{}
			if n := c.records / c.batch; n > 0 {
				want[c.batch] = n
			}
			if n := c.records % c.batch; n > 0 {
				want[n] = 1
			}
			assert.Equal(t, want, b.sizes())
			assert.False(t, b.mixed)
		})
	}
}

// A batch is of one object.
func TestBatchesOfRun(t *testing.T) {
	b := &batches{}
	s := newScene(t)
	s.cfg.Sink, s.cfg.Processor, s.cfg.BatchSize = nil, b, 10
	for i := range 30 {
		s.put(fmt.Sprint("o", i), 25, 20)
	}
	s.put("large", 10_001, 100)
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 31, resp.Finished)
	assert.Equal(t, map[int]int{10: 60 + 1000, 5: 30, 1: 1}, b.sizes())
	assert.Len(t, b.sorted(), len(s.loaded))
	assert.False(t, b.mixed)
}

// A slow input is not held back for the sake of a batch that is complete.
func TestBatchThatIsCompleteWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, seen := time.Now(), make(chan time.Duration, 10)
		b := &batches{do: func(context.Context, []string) error { seen <- time.Since(began); return nil }}
		p := pushBatches(t, b)
		p.cfg.BatchSize = 2
		n := 0
		_, err := p.do(t.Context(), faulty(func(buf []byte) (int, error) {
			if n++; n > 5 {
				return 0, io.EOF
			}
			time.Sleep(time.Minute)
			return copy(buf, "line\n"), nil
		}), "data/numbers.txt")
		require.NoError(t, err)
		assert.Equal(t, 2*time.Minute, <-seen)
		assert.Equal(t, 4*time.Minute, <-seen)
		assert.Equal(t, 5*time.Minute, <-seen)
	})
}

// Each record of a batch has a fate of its own.
func TestBatchFates(t *testing.T) {
	errOwn := errors.New("out of order")
	for _, c := range []struct {
		name                    string
		do                      func(ctx context.Context, lines []string) error
		done, retry, bad, failr []string
	}{
		{"nil", nil, []string{"a", "b", "c", "d"}, nil, nil, nil},
		{"plain", func(context.Context, []string) error { return errOwn }, nil, []string{"a", "b", "c", "d"}, nil, nil},
		{"corrupt", func(context.Context, []string) error { return processor.NewDataCorruption("all") }, nil, nil, []string{"a", "b", "c", "d"}, nil},
		{"panic", func(context.Context, []string) error { panic("all") }, nil, []string{"a", "b", "c", "d"}, nil, nil},
		{"exit", func(context.Context, []string) error { runtime.Goexit(); return nil }, nil, []string{"a", "b", "c", "d"}, nil, nil},
		{"listed", func(context.Context, []string) error {
			return fmt.Errorf("wrapped: %w", &processor.BatchError{Failed: []processor.RecordError{
				{Index: 2, Err: processor.NewPartialRetry("half", []byte("C"))},
				{Index: 0, Err: errOwn},
				{Index: 3, Err: processor.NewDataCorruption("bad")},
			}})
		}, []string{"b"}, []string{"C", "a"}, []string{"d"}, nil},
		{"listed without a reason", func(context.Context, []string) error {
			return &processor.BatchError{Failed: []processor.RecordError{{Index: 1}}}
		}, []string{"a", "c", "d"}, []string{"b"}, nil, nil},
		{"none listed", func(context.Context, []string) error { return &processor.BatchError{} }, []string{"a", "b", "c", "d"}, nil, nil, nil},
		{"listed outside", func(context.Context, []string) error {
			return &processor.BatchError{Failed: []processor.RecordError{{Index: 4, Err: errOwn}}}
		}, nil, []string{"a", "b", "c", "d"}, nil, nil},
		{"remainder of all", func(context.Context, []string) error {
			return processor.NewPartialRetry("half", []byte("c\nd"))
		}, []string{"b", "c", "d"}, []string{"c\nd"}, nil, nil}, // a record is not done, the others count as processed
		{"remainder of nothing", func(context.Context, []string) error { return processor.NewPartialRetry("half", nil) }, nil, []string{"a", "b", "c", "d"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &batches{do: c.do}
				p := pushBatches(t, b)
				p.cfg.BatchSize = 4
				resp, err := p.do(t.Context(), strings.NewReader("a\nb\nc\nd\n"), "data/letters.txt")
				require.NoError(t, err)
				assert.Len(t, b.calls, 1)
				assert.EqualValues(t, len(c.done), resp.Processed)
				assert.Equal(t, append([]string{}, c.retry...), p.lines("retry"))
				assert.Equal(t, append([]string{}, c.bad...), p.lines("corrupt"))
				assert.EqualValues(t, 4, resp.Loaded)

				// What is in retry comes back in batches, too.
				b.do, b.calls, b.taken = nil, nil, nil
				if p.again(time.Minute) > 0 {
					assert.Len(t, b.calls, 1)
					assert.Equal(t, append([]string{}, c.retry...), b.sorted())
				}
			})
		})
	}
}

// A group is never split over two calls, whatever the windows, the workers and
// the form of the object.
func TestGroupsStayWhole(t *testing.T) {
	for seed := range rounds(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		records := make([]int, 200)
		for i := range records {
			records[i] = 1 + r.IntN(1+r.IntN(1+r.IntN(300)))
		}
		records[100] = 5000 // longer than a window
		lines := grouped(r.IntN(120), records...)
		b := &batches{}
		p := pushBatches(t, b)
		p.cfg.GroupBy, p.cfg.Concurrency = groupOf, 1+r.IntN(8)
		input := strings.Join(lines, "\n")
		if seed%2 == 1 {
			p.cfg.Split.Format = source.FormatAuto
			p.cfg.GroupBy = func(rec source.Record) []byte { return groupOf(rec)[1:] }
			input = `["` + strings.Join(lines, `","`) + `"]`
		}
		resp, err := p.do(t.Context(), strings.NewReader(input), "data/groups.json")
		require.NoError(t, err)
		assert.EqualValues(t, len(lines), resp.Processed)
		assert.Zero(t, resp.SplitGroups)
		assert.Len(t, b.calls, len(records), "seed %d", seed)
		for _, c := range b.calls {
			var g int
			_, err := fmt.Sscanf(strings.Trim(c[0], `"`), "g%d:", &g)
			require.NoError(t, err)
			assert.Len(t, c, records[g])
		}
		assert.False(t, b.mixed)
	}
}

// A group that is over a bound is split, and counted once.
func TestGroupsThatAreTooLargeAreSplitAndCounted(t *testing.T) {
	for name, c := range map[string]struct {
		batch, bytes int
		sizes        map[int]int
	}{
		"records": {batch: 30, sizes: map[int]int{30: 8, 10: 1, 5: 2}},
		"bytes":   {bytes: 1100, sizes: map[int]int{100: 2, 50: 1, 5: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &batches{}
			p := pushBatches(t, b)
			p.cfg.GroupBy, p.cfg.BatchSize, p.cfg.MaxBatchBytes = func(rec source.Record) []byte { return rec.Data[:1] }, c.batch, c.bytes
			var input strings.Builder
			for i, n := range []int{5, 250, 5} {
				input.WriteString(strings.Repeat(fmt.Sprint(i, "123456789\n"), n))
			}
			resp, err := p.do(t.Context(), strings.NewReader(input.String()), "data/groups.txt")
			require.NoError(t, err)
			assert.EqualValues(t, 260, resp.Processed)
			assert.EqualValues(t, 1, resp.SplitGroups)
			assert.Equal(t, c.sizes, b.sizes())
		})
	}
}

// One group of everything, or of megabytes of nothing, takes no more memory than
// MaxBatchBytes allows, and loses nothing.
func TestGroupWithoutEnd(t *testing.T) {
	b := &batches{}
	p := pushBatches(t, b)
	p.cfg.GroupBy = func(source.Record) []byte { return nil }
	p.cfg.MaxBatchBytes = 1 << 20
	lines := grouped(100, 30_000)
	lines[15_000] += strings.Repeat("\n", 5<<20) // blank lines within it
	resp, err := p.do(t.Context(), text(lines), "data/group.txt")
	require.NoError(t, err)
	assert.EqualValues(t, 30_000, resp.Processed)
	assert.EqualValues(t, 1, resp.SplitGroups)
	for _, c := range b.calls {
		assert.LessOrEqual(t, len(c)*108, 1<<20)
	}
}

// A corrupt record in the middle of a group does not take its neighbours along.
func TestGroupWithACorruptRecord(t *testing.T) {
	b := &batches{}
	p := pushBatches(t, b)
	p.cfg.Split = source.Split{Format: source.FormatAuto}
	p.cfg.GroupBy = func(rec source.Record) []byte { return rec.Data[:6] }
	lines := []string{`{"g":1,"n":1}`, `{"g":1,"n":}`, "{\"g\":1,\"n\":\"\xff\"}", `{"g":1,"n":2}`, `{"g":2,"n":1}`}
	resp, err := p.do(t.Context(), text(lines), "data/groups.txt")
	require.NoError(t, err)
	assert.EqualValues(t, 3, resp.Processed)
	assert.EqualValues(t, 2, resp.CorruptionErrors)
	assert.Equal(t, []string{lines[0], lines[3], lines[4]}, b.sorted())
	assert.Equal(t, map[int]int{1: 1, 2: 1}, b.sizes())
}

// A GroupBy that panics spoils no record.
func TestGroupByThatPanics(t *testing.T) {
	b := &batches{}
	p := pushBatches(t, b)
	p.cfg.GroupBy = func(rec source.Record) []byte { return rec.Data[3:4] }
	resp, err := p.do(t.Context(), strings.NewReader("1111\n2221\n3\n4441\n"), "data/groups.txt")
	require.NoError(t, err)
	assert.EqualValues(t, 4, resp.Processed)
	assert.Equal(t, map[int]int{2: 1, 1: 2}, b.sizes())
	assert.Contains(t, strings.Join(resp.Errors, "\n"), "group the record at offset 10: panic")
}
