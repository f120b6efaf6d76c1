package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
)

// rounds is how many random trials there are: fewer where tests are to be brief.
func rounds(n uint64) uint64 { return uint64(sized(int(n), int(n/4+1))) }

// slowBatches takes a while for each call, and stops with its context.
func slowBatches(d time.Duration) *batches {
	return &batches{do: func(ctx context.Context, _ []string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// wholeGroups checks that what was taken came in whole groups, once each.
func (b *batches) wholeGroups(t *testing.T, lines []string) {
	t.Helper()
	want := map[string]int{}
	for _, l := range lines {
		group, _, _ := strings.Cut(l, ":")
		want[group]++
	}
	for _, c := range b.calls {
		group, _, _ := strings.Cut(c[0], ":")
		if !assert.Len(t, c, want[group], "group %s was cut", group) {
			return
		}
	}
}

// Do returns before the deadline, whatever that is, and call after call settles
// every record once, group by group: of a stream, of an object that is named by
// tickets, and of parts of the retry destination.
func TestDeadlineRandomWithGroups(t *testing.T) {
	for seed := range rounds(10) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			records := make([]int, 150)
			for i := range records {
				records[i] = 1 + r.IntN(40)
			}
			lines := grouped(r.IntN(100), records...)
			b := slowBatches(time.Duration(1+r.IntN(300)) * time.Millisecond)
			p := newPush(t, memoryBase(t), accept)
			p.cfg.Processor, p.cfg.Concurrency = b, 1+r.IntN(4)
			groups := r.IntN(3) > 0
			if groups {
				p.cfg.GroupBy = groupOf
			} else {
				p.cfg.BatchSize = 1 + r.IntN(50)
			}
			req := processor.NewRequest(text(lines), nil, "data/groups.txt")
			if r.IntN(2) == 0 {
				src := &processortest.Source{}
				src.Put("data/groups.txt", []byte(strings.Join(lines, "\n")))
				p.cfg.Source, p.cfg.Claimer = src, &processortest.Claims{}
				req = &processor.Request{Object: &source.Object{Key: "data/groups.txt", Size: -1}}
			}
			limit := func() time.Duration { return 500*time.Millisecond + time.Duration(r.Int64N(5_000_000_000)) }
			d := limit()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			began := time.Now()
			resp, err := p.request(ctx, req)
			require.NoError(t, err)
			assert.Less(t, time.Since(began), d)
			assert.Zero(t, resp.Abandoned)
			for calls := 0; calls < 1000 && p.again(limit()) > 0; calls++ {
			}
			assert.Empty(t, p.lines("retry"))
			have := append(b.sorted(), p.lines("failed")...)
			slices.Sort(have)
			assert.Equal(t, slices.Sorted(slices.Values(lines)), have)
			assert.False(t, b.mixed)
			if groups {
				b.wholeGroups(t, lines)
			}
		})
		if t.Failed() {
			t.Log("seed", seed)
			return
		}
	}
}

// So does Run: it gives back what is unfinished, batches as a whole.
func TestDeadlineRandomRunWithGroups(t *testing.T) {
	for seed := range rounds(10) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			s := newScene(t)
			b := slowBatches(time.Duration(1+r.IntN(100)) * time.Millisecond)
			s.cfg.Sink, s.cfg.Processor, s.cfg.GroupBy = nil, b, groupOf
			s.cfg.Concurrency = 1 + r.IntN(4)
			var all []string
			for i := range 8 {
				records := make([]int, 1+r.IntN(80))
				for g := range records {
					records[g] = 1 + r.IntN(40)
				}
				lines := grouped(r.IntN(100), records...)
				for l := range lines {
					lines[l] = fmt.Sprint("o", i, lines[l])
				}
				s.src.Put(fmt.Sprint("o", i), []byte(strings.Join(lines, "\n")))
				all = append(all, lines...)
			}
			for range 3 {
				d := time.Duration(1 + r.Int64N(8_000_000_000))
				ctx, cancel := context.WithTimeout(t.Context(), d)
				began := time.Now()
				resp, err := s.run(ctx)
				cancel()
				require.NoError(t, err)
				assert.Less(t, time.Since(began), d)
				assert.Zero(t, resp.Abandoned)
				n, err := s.store.Count(t.Context())
				require.NoError(t, err)
				assert.Zero(t, n.Processing)
			}
			s.drained(t.Context())
			assert.Equal(t, slices.Sorted(slices.Values(all)), b.sorted())
			assert.False(t, b.mixed)
			b.wholeGroups(t, all)
		})
		if t.Failed() {
			t.Log("seed", seed)
			return
		}
	}
}

// A call that does not return is abandoned, with all of its records and no other.
func TestBatchThatIsAbandoned(t *testing.T) {
	for _, workers := range []int{1, 5} {
		groups := sized(20, 8)
		for _, at := range []int{0, groups / 2, groups - 1} {
			for _, pad := range []int{0, 30_000} { // the second is longer than a window
				t.Run(fmt.Sprint(workers, at, pad), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						lines := grouped(pad, slices.Repeat([]int{10}, groups)...)
						stuck := fmt.Sprintf("g%06d", at)
						release := make(chan struct{})
						b := &batches{do: func(_ context.Context, got []string) error {
							if strings.HasPrefix(got[0], stuck) {
								<-release
								return errNotNow
							}
							return nil
						}}
						p := pushBatches(t, b)
						p.cfg.GroupBy, p.cfg.Concurrency = groupOf, workers
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
						defer cancel()
						time.AfterFunc(time.Minute, func() { close(release) })
						began := time.Now()
						resp, err := p.do(ctx, text(lines), "data/groups.txt")
						require.NoError(t, err)
						assert.Less(t, time.Since(began), 10*time.Second)
						assert.EqualValues(t, 1, resp.Abandoned)
						b.mu.Lock()
						have := slices.Concat(b.taken, p.lines("retry"))
						b.mu.Unlock()
						slices.Sort(have)
						assert.True(t, slices.Equal(lines, have), "%d lines of %d", len(have), len(lines))
						assert.Subset(t, p.lines("retry"), lines[at*10:at*10+10])
						<-release
					})
				})
			}
		}
	}
}

// A reader that hangs, or ends its goroutine, takes no record along that waited
// for the rest of its batch.
func TestBatchThatTheReaderNeverCompletes(t *testing.T) {
	for name, last := range map[string]func(release chan struct{}) error{
		"hangs": func(release chan struct{}) error { <-release; return io.EOF },
		"fails": func(chan struct{}) error { return errors.New("cut") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				b := &batches{}
				p := pushBatches(t, b)
				p.cfg.BatchSize = 100
				lines := numbered(130)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				time.AfterFunc(time.Minute, func() { close(release) })
				n := 0
				_, err := p.do(ctx, faulty(func(buf []byte) (int, error) {
					if n == len(lines) {
						return 0, last(release)
					}
					time.Sleep(60 * time.Millisecond) // so that what has come is worked on
					n++
					return copy(buf, lines[n-1]+"\n"), nil
				}), "data/numbers.txt")
				require.ErrorIs(t, err, processor.ErrUnread)
				have := slices.Concat(b.taken, p.lines("retry"))
				slices.Sort(have)
				assert.Equal(t, lines, have)
				<-release
			})
		})
	}
}

// What a batch processor took counts only once Post succeeded; if it fails,
// groups come back whole.
func TestBatchesThatPostDoesNotConfirm(t *testing.T) {
	b := &batches{}
	p := pushBatches(t, b)
	p.cfg.GroupBy, p.cfg.Concurrency = groupOf, 4
	lines := grouped(50, slices.Repeat([]int{7}, 200)...)
	var failing atomic.Bool
	failing.Store(true)
	post := func(context.Context) error {
		if failing.Load() {
			return errNotNow
		}
		return nil
	}
	p.cfg.Processor = batchesWithPost{b, post}
	resp, err := p.do(t.Context(), text(lines), "data/groups.txt")
	require.Error(t, err)
	assert.EqualValues(t, len(lines), resp.RetryErrors)
	assert.Equal(t, lines, p.lines("retry"))
	failing.Store(false)
	b.calls, b.taken = nil, nil
	for p.again(time.Minute) > 0 {
	}
	assert.Equal(t, lines, b.sorted())
	b.wholeGroups(t, lines)
}

type batchesWithPost struct {
	*batches
	post func(ctx context.Context) error
}

func (p batchesWithPost) Post(ctx context.Context, _ processor.Reporter) error { return p.post(ctx) }

// A ticket whose object cannot be read to its end, or one of whose records does
// not return, leaves a ticket for the rest.
func TestTicketThatIsAbandoned(t *testing.T) {
	for _, where := range []string{"record", "batch", "read", "open"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines := numbered(100)
				src := &processortest.Source{}
				src.Put("data/numbers.txt", []byte(strings.Join(lines, "\n")))
				release := make(chan struct{})
				var armed atomic.Bool
				p := newPush(t, t.TempDir(), accept)
				p.cfg.Concurrency = 1
				p.cfg.Source, p.cfg.Claimer = src, &processortest.Claims{}
				hang := func(got string) {
					if got == lines[70] && where != "read" && where != "open" && armed.CompareAndSwap(true, false) {
						<-release
					}
				}
				p.use(func(ctx context.Context, line string) error {
					hang(line)
					select {
					case <-time.After(100 * time.Millisecond):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				b := slowBatches(time.Second)
				slow := b.do
				b.do = func(ctx context.Context, got []string) error {
					for _, line := range got {
						hang(line)
					}
					return slow(ctx, got)
				}
				if where == "batch" {
					p.cfg.Processor, p.cfg.BatchSize = b, 10
				}
				src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
					if where != "read" && where != "open" || !armed.CompareAndSwap(true, false) {
						return processortest.ReadFault{}
					}
					f := processortest.ReadFault{Before: func(context.Context) { <-release }}
					if where == "read" {
						f = processortest.ReadFault{Cut: errors.New("cut"), After: 200}
					}
					return f
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := p.request(ctx, &processor.Request{Object: &source.Object{Key: "data/numbers.txt", Size: -1}})
				require.NoError(t, err)
				time.AfterFunc(time.Hour, func() { close(release) })
				armed.Store(true)
				for calls := 0; calls < 50 && p.again(10*time.Second) > 0; calls++ {
				}
				assert.False(t, armed.Load())
				have := slices.Concat(p.done.lines(), b.sorted())
				slices.Sort(have)
				assert.Equal(t, lines, slices.Compact(have), "nothing is lost")
				<-release
			})
		})
	}
}
