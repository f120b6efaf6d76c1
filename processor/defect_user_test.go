package processor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
)

// ways in which a stage of a custom processor goes wrong.
var ways = map[string]func() error{
	"error":      func() error { return errNotNow },
	"corruption": func() error { return processor.NewDataCorruption("not my day") },
	"panic":      func() error { panic("secret") },
	"Goexit":     func() error { runtime.Goexit(); return nil },
}

func TestDefect04FailingPreLeavesEverythingInRetry(t *testing.T) {
	for name, wrong := range ways {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, base string) {
				p := newPush(t, base, accept)
				p.cfg.MaxRetries, p.cfg.DeadlineReduction = 1, 30*time.Second // however slow the machine
				p.cfg.Processor = withPre{p.cfg.Processor, func(context.Context) (context.Context, error) { return nil, wrong() }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := p.do(ctx, text(large()), "data/numbers.txt")
				require.Error(t, err)
				assert.NotErrorIs(t, err, processor.ErrUnread, "nothing has to be sent again")
				assert.NotContains(t, err.Error(), "secret")
				assert.Empty(t, p.done.lines())
				p.settledOnce(large())
				for _, part := range p.parts("retry") {
					assert.Equal(t, 1, part.Attempt)
				}
			})
		})
	}
}

// Pre that never works does not keep records in retry for ever.
func TestDefect04PreThatAlwaysFailsEndsInFailed(t *testing.T) {
	p := newPush(t, t.TempDir(), accept)
	p.cfg.MaxRetries = 2
	p.cfg.Processor = withPre{p.cfg.Processor, func(context.Context) (context.Context, error) { return nil, errNotNow }}
	_, err := p.do(t.Context(), text(numbered(10)), "data/numbers-retry02.txt")
	require.Error(t, err)
	assert.Equal(t, numbered(10), p.lines("failed"))
}

func TestDefect04FailingPostLeavesEverythingInRetry(t *testing.T) {
	for name, wrong := range ways {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, base string) {
				p := newPush(t, base, accept)
				p.cfg.Processor = withPost{lineFunc(accept), func(context.Context) error { return wrong() }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				resp, err := p.do(ctx, text(large()), "data/numbers.txt")
				require.Error(t, err)
				assert.NotErrorIs(t, err, processor.ErrUnread, "nothing has to be sent again")
				assert.NotContains(t, err.Error(), "secret")
				assert.Zero(t, resp.Processed)
				assert.EqualValues(t, len(large()), resp.RetryErrors)
				p.settledOnce(large())
			})
		})
	}
}

// The attempts of records count when it is Post that fails, and what has used
// them up is reported where it is.
func TestDefect04PostThatAlwaysFailsEndsInFailed(t *testing.T) {
	p := newPush(t, t.TempDir(), accept)
	p.cfg.MaxRetries = 2
	p.cfg.Processor = withPost{lineFunc(accept), func(context.Context) error { return errNotNow }}
	resp, err := p.do(t.Context(), text(numbered(10)), "data/numbers-retry02.txt")
	require.Error(t, err)
	assert.Equal(t, numbered(10), p.lines("failed"))
	assert.EqualValues(t, 10, resp.FailedErrors)
	assert.Zero(t, resp.RetryErrors)
	assert.NotEmpty(t, resp.FailedURL)
	assert.Empty(t, resp.RetryURL)
}

// What a record gave before its partial retry was Post's to finish, too.
func TestDefect04FailingPostLosesNoPartOfARecord(t *testing.T) {
	p := newPush(t, t.TempDir(), accept)
	p.cfg.Processor = withPost{
		lineFunc(func(context.Context, string) error { return processor.NewPartialRetry("b is away", []byte("b")) }),
		func(context.Context) error { return errNotNow },
	}
	_, err := p.do(t.Context(), strings.NewReader("ab\n"), "data/letters.txt")
	require.Error(t, err)
	assert.Contains(t, p.lines("retry"), "ab", "the remainder alone would lose a")
}

func TestDefect04FailingPostAndRetryNotWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPush(t, t.TempDir(), accept)
		p.cfg.RetryURL = blocked(t)
		p.cfg.Processor = withPost{lineFunc(accept), func(context.Context) error { return errNotNow }}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		resp, err := p.do(ctx, text(numbered(10)), "data/numbers.txt")
		require.ErrorIs(t, err, processor.ErrUnread)
		assert.Less(t, time.Since(began), 10*time.Second)
		assert.Zero(t, resp.Processed)
		assert.Zero(t, resp.RetryErrors)
	})
}

// Post runs once, after the last record, also where a deadline cut the work.
func TestDefect04PostIsTheLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, posts atomic.Int64
		p := newPush(t, t.TempDir(), accept)
		p.cfg.Processor = withPost{
			lineFunc(func(context.Context, string) error {
				running.Add(1)
				time.Sleep(time.Second)
				running.Add(-1)
				return nil
			}),
			func(ctx context.Context) error {
				posts.Add(1)
				assert.NoError(t, ctx.Err(), "there is time to finish")
				assert.Zero(t, running.Load())
				return nil
			},
		}
		p.cfg.DeadlineReduction = 4 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := p.do(ctx, text(numbered(1000)), "data/numbers.txt")
		require.NoError(t, err)
		assert.EqualValues(t, 1, posts.Load())
		assert.Positive(t, resp.Processed)
		assert.Len(t, p.lines("retry"), int(1000-resp.Processed))
	})
}

// A panic or an exit is the error of the record it happened at, costs it an
// attempt, and concerns no other.
func TestDefect10PanicInUserCodeConcernsItsRecordOnly(t *testing.T) {
	for name, wrong := range map[string]func(){
		"text":      func() { panic("secret") },
		"error":     func() { panic(errors.New("secret")) },
		"nil":       func() { panic(nil) },
		"nil map":   func() { var m map[string]int; m["a"]++ }, //nolint:staticcheck // the panic is what is tested
		"corrupted": func() { panic(processor.NewDataCorruption("secret")) },
		"Goexit":    runtime.Goexit,
	} {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprint(name, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lines := numbered(300)
					p := newPush(t, t.TempDir(), func(_ context.Context, line string) error {
						if strings.HasSuffix(line, "7") {
							wrong()
						}
						return nil
					})
					p.cfg.Concurrency, p.cfg.MaxRetries = workers, 1
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					resp, err := p.do(ctx, text(lines), "data/numbers.txt")
					require.NoError(t, err)
					assert.EqualValues(t, 300, resp.Loaded)
					assert.EqualValues(t, 30, resp.RetryErrors)
					assert.EqualValues(t, 30, resp.ProcessingErrors)
					assert.Equal(t, processor.StatusOK, resp.Status)
					assert.NotContains(t, strings.Join(resp.Errors, " "), "secret")
					p.settledOnce(lines)
					for _, part := range p.parts("retry") {
						assert.Equal(t, 1, part.Attempt)
					}
					p.again(time.Minute)
					assert.Len(t, p.lines("failed"), 30)
					p.settledOnce(lines)
				})
			})
		}
	}
}

// The remainder of a record can be any bytes, and only it comes again.
func TestDefect10PartialRetryKeepsTheRemainder(t *testing.T) {
	remainder := map[string]string{"a+b": "b", "text": `"quoted" line`, "bytes": "\xff\x00\n\r", "all": "all"}
	p := newPush(t, t.TempDir(), func(_ context.Context, line string) error {
		if rest, ok := remainder[line]; ok {
			return fmt.Errorf("wrapped: %w", processor.NewPartialRetry("one of two failed", []byte(rest)))
		}
		return nil
	})
	resp, err := p.do(t.Context(), strings.NewReader("a+b\ntext\nbytes\nall\nplain\n"), "data/x.txt")
	require.NoError(t, err)
	assert.EqualValues(t, 1, resp.Delivered)
	assert.EqualValues(t, 4, resp.RetryErrors)
	assert.ElementsMatch(t, []string{"b", `"quoted" line`, "\xff\x00\n\r", "all"}, p.lines("retry"))
	delete(remainder, "all")
	p.again(time.Minute)
	assert.ElementsMatch(t, []string{"plain", "b", `"quoted" line`, "\xff\x00\n\r", "all"}, p.done.lines())
	assert.Empty(t, p.lines("retry"))
}

func TestDefect11WrappedCorruptionIsCorruption(t *testing.T) {
	bad := processor.NewDataCorruption("no number")
	for _, err := range []error{
		bad, fmt.Errorf("line: %w", bad), fmt.Errorf("a: %w", fmt.Errorf("b: %w", bad)), errors.Join(errNotNow, bad),
		fmt.Errorf("%w and %w", errNotNow, bad), fault.Corrupt(errNotNow),
	} {
		p := newPush(t, t.TempDir(), func(context.Context, string) error { return err })
		resp, doErr := p.do(t.Context(), strings.NewReader("x\n"), "data/x.txt")
		require.NoError(t, doErr)
		assert.EqualValues(t, 1, resp.CorruptionErrors, "%v", err)
		assert.Zero(t, resp.RetryErrors)
		assert.Equal(t, []string{"x"}, p.lines("corrupt"))
	}
}

// 20,000 failures were once counted as 19,960.
func TestDefect12CountersAreExact(t *testing.T) {
	const n = 20_000
	p := newPush(t, t.TempDir(), func(_ context.Context, line string) error {
		i, _ := strconv.Atoi(strings.TrimPrefix(line, "line-"))
		switch i % 4 {
		case 1:
			return errNotNow
		case 2:
			return processor.NewDataCorruption("bad")
		case 3:
			return processor.NewPartialRetry("half", []byte(line))
		}
		return nil
	})
	p.cfg.Concurrency = 20
	resp, err := p.do(t.Context(), text(numbered(n)), "data/numbers.txt")
	require.NoError(t, err)
	assert.EqualValues(t, n, resp.Loaded)
	assert.EqualValues(t, n/4, resp.Processed)
	assert.EqualValues(t, n/4, resp.CorruptionErrors)
	assert.EqualValues(t, n/2, resp.RetryErrors)
	assert.EqualValues(t, 3*n/4, resp.ProcessingErrors)
	p.settledOnce(numbered(n))
}

// Ten thousand different errors, with long texts: a few are kept, cut.
func TestDefect21ErrorsAreBounded(t *testing.T) {
	long := strings.Repeat("ü", 100_000)
	p := newPush(t, t.TempDir(), func(_ context.Context, line string) error { return errors.New(line + long) })
	resp, err := p.do(t.Context(), text(numbered(2000)), "data/numbers.txt")
	require.NoError(t, err)
	assert.LessOrEqual(t, len(resp.Errors), 20)
	assert.NotEmpty(t, resp.Errors)
	for _, e := range resp.Errors {
		assert.LessOrEqual(t, len(e), 256)
		assert.Equal(t, e, strings.ToValidUTF8(e, "?"))
	}
	var size int
	for _, e := range p.kept("retry") {
		size += len(e.Reason)
	}
	assert.LessOrEqual(t, size, 2000*1024, "reasons are cut in the destination too")
}
