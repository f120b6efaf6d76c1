package processor_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
)

// A Process that does not honour its context: the call returns in time, and its
// record, whose fate nobody knows, is in retry once and nowhere else. When it
// ends at last its goroutine does too.
func TestDefect05ProcessThatOutlivesTheDeadlineIsAbandoned(t *testing.T) {
	for _, workers := range []int{1, 5} {
		for _, at := range []int{0, 1, 70, 99} {
			for _, perObject := range []bool{false, true} {
				t.Run(fmt.Sprint(workers, at, perObject), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						lines := numbered(100)
						release := make(chan struct{})
						p := newPush(t, t.TempDir(), accept)
						p.cfg.Concurrency, p.cfg.Pack.PerObject = workers, perObject
						p.cfg.Processor = lineFunc(func(_ context.Context, line string) error {
							if line == lines[at] {
								<-release
								return nil
							}
							p.done.add(line)
							return nil
						})
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
						defer cancel()
						time.AfterFunc(time.Minute, func() { close(release) })
						began := time.Now()
						resp, err := p.do(ctx, text(lines), "data/numbers.txt")
						assert.Less(t, time.Since(began), 10*time.Second, "%d workers, line %d", workers, at)
						require.NoError(t, err)
						assert.EqualValues(t, 1, resp.Abandoned)
						assert.Equal(t, processor.StatusStopped, resp.Status)
						assert.Contains(t, p.lines("retry"), lines[at])
						p.settledOnce(lines)
						<-release
					})
				})
			}
		}
	}
}

// All workers are stuck, and the reader hangs as well: the call returns.
func TestDefect05EverythingHangsAtOnce(t *testing.T) {
	for _, workers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := newPush(t, t.TempDir(), accept)
			p.cfg.Concurrency = workers
			p.cfg.Processor = lineFunc(func(context.Context, string) error { <-release; return nil })
			in := io.MultiReader(text(large()), faulty(func([]byte) (int, error) { <-release; return 0, io.EOF }))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			time.AfterFunc(time.Minute, func() { close(release) })
			began := time.Now()
			_, err := p.do(ctx, in, "data/numbers.txt")
			assert.Less(t, time.Since(began), 10*time.Second, "%d workers", workers)
			require.ErrorIs(t, err, processor.ErrUnread)
			<-release
		})
	}
}

// What returns after the margin began, but in time, counts for what it did.
func TestDefect05ProcessThatEndsInTheDrainIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPush(t, t.TempDir(), func(context.Context, string) error { time.Sleep(8500 * time.Millisecond); return nil })
		p.cfg.DeadlineReduction, p.cfg.Concurrency = 2*time.Second, 3
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := p.do(ctx, text(numbered(100)), "data/numbers.txt")
		require.NoError(t, err)
		assert.Zero(t, resp.Abandoned)
		assert.Positive(t, resp.Processed)
		p.settledOnce(numbered(100))
	})
}

// With 52 MB of goroutines after 10,000 calls, a warm function dies.
func TestDefect06NoGoroutineStaysAfterDo(t *testing.T) {
	p := newPush(t, t.TempDir(), accept)
	p.cfg.Concurrency = 2
	svc, err := processor.New(p.cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	before := runtime.NumGoroutine()
	calls := 10_000
	if testtool.Brief() {
		calls = 500
	}
	for range calls {
		_, err := svc.Do(ctx, processor.NewRequest(strings.NewReader("a\n"), nil, "data/a.txt"))
		require.NoError(t, err)
	}
	for patience := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before+2 && time.Now().Before(patience); {
		runtime.Gosched() // those that have done their work may take a moment to end
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before+2)
}

// The margin is taken from the real deadline, and once.
func TestDefect07MarginsFromTheRealDeadline(t *testing.T) {
	for _, c := range []struct {
		name                         string
		deadline, maxExec, reduction time.Duration
		min, max                     int64 // records that take 100 ms each
	}{
		{"short deadline, nothing configured", 10 * time.Second, 0, 0, 85, 95},
		{"the context's deadline wins over a longer time", 10 * time.Second, 9 * time.Minute, 0, 85, 95},
		{"a configured margin is subtracted once", 10 * time.Second, 0, 4 * time.Second, 58, 61},
		{"a time instead of a deadline", 0, 10 * time.Second, 4 * time.Second, 58, 61},
		{"very short", time.Second, 0, 0, 7, 9},
		{"a margin longer than the deadline", time.Second, 0, time.Minute, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPush(t, t.TempDir(), func(context.Context, string) error { time.Sleep(100 * time.Millisecond); return nil })
				p.cfg.Concurrency, p.cfg.DeadlineReduction, p.cfg.MaxExecTime = 1, c.reduction, c.maxExec
				ctx, limit := t.Context(), c.maxExec
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
					limit = c.deadline
				}
				began := time.Now()
				resp, err := p.do(ctx, text(numbered(1000)), "data/numbers.txt")
				require.NoError(t, err)
				assert.Less(t, time.Since(began), limit)
				assert.GreaterOrEqual(t, resp.Processed, c.min)
				assert.LessOrEqual(t, resp.Processed, c.max)
				assert.EqualValues(t, 1000, resp.Loaded)
				p.settledOnce(numbered(1000))
			})
		})
	}
}

// A context that has ended already: nothing is processed, everything is in retry.
func TestDefect15CancelledContextIsObeyed(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p := newPush(t, base, accept)
		p.cfg.DeadlineReduction = time.Minute // however slow the machine
		resp, err := p.do(ctx, text(large()), "data/numbers.txt")
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.Zero(t, resp.Processed)
		assert.EqualValues(t, len(large()), resp.RetryErrors)
		assert.EqualValues(t, len(large()), resp.LoadTimeouts)
		assert.Empty(t, p.done.lines())
		assert.LessOrEqual(t, len(p.parts("retry")), p.cfg.Concurrency, "each part starts another function")
		p.settledOnce(large())
	})
}

func TestDefect15CancelledMidwayStopsSoon(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		lines := large()
		for _, workers := range []int{1, 4, 20} {
			ctx, cancel := context.WithCancel(t.Context())
			var n atomic.Int64
			p := newPush(t, fresh(base), func(own context.Context, _ string) error {
				switch i := n.Add(1); {
				case i == 100:
					cancel()
				case i > 100:
					<-own.Done()
				}
				return nil
			})
			p.cfg.Concurrency, p.cfg.DeadlineReduction = workers, time.Minute // however slow the machine
			resp, err := p.do(ctx, text(lines), "data/numbers.txt")
			require.NoError(t, err)
			assert.Equal(t, processor.StatusStopped, resp.Status)
			assert.LessOrEqual(t, resp.Processed, int64(100+workers))
			p.settledOnce(lines)
		}
	})
}

// The waiting of a custom processor overlaps, in one small input too.
func TestDefectRecordsOfASmallInputAreProcessedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPush(t, t.TempDir(), func(context.Context, string) error { time.Sleep(time.Second); return nil })
		p.cfg.Concurrency = 20
		began := time.Now()
		_, err := p.do(t.Context(), text(numbered(100)), "data/numbers.txt")
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(began), 10*time.Second, "100 records of 1 s with 20 workers")
	})
}

// A store that only ever times out must not keep its records in retry for ever:
// that is what MaxRetries is for.
func TestDefectRecordsThatOnlyTimeOutEndInFailed(t *testing.T) {
	for _, workers := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			p := newPush(t, t.TempDir(), func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
			p.cfg.Concurrency, p.cfg.MaxRetries = workers, 3
			p.within(10*time.Second, text(numbered(20)), "data/numbers.txt")
			for calls := 0; calls < 10 && p.again(10*time.Second) > 0; calls++ {
			}
			assert.Empty(t, p.lines("retry"), "%d workers", workers)
			assert.Equal(t, numbered(20), p.lines("failed"), "%d workers", workers)
		})
	}
}

// Too much for one call, but each gets on: no attempt is used up.
func TestDefectSlowInputIsFinishedInSeveralCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPush(t, t.TempDir(), func(context.Context, string) error { time.Sleep(time.Second); return nil })
		p.cfg.Concurrency, p.cfg.MaxRetries, p.cfg.DeadlineReduction = 1, 1, 4*time.Second
		p.within(10*time.Second, text(numbered(50)), "data/numbers.txt")
		for calls := 0; calls < 40 && p.again(10*time.Second) > 0; calls++ {
		}
		assert.Equal(t, numbered(50), p.done.lines())
		assert.Empty(t, p.lines("failed"))
	})
}
