package processor_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

var errCable = errors.New("somebody tripped over the cable")

// Read until the error, the rest unknown: whoever sent the request has to keep
// its source and send it again.
func TestDefect01ReadErrorMidFileIsNoEndOfFile(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		for _, lines := range [][]string{nil, numbered(3), large()} {
			p := newPush(t, fresh(base), accept)
			in := io.MultiReader(text(lines), strings.NewReader("half a li"), iotest.ErrReader(errCable))
			resp, err := p.do(t.Context(), in, "data/numbers.txt")
			require.ErrorIs(t, err, processor.ErrUnread)
			require.ErrorIs(t, err, errCable)
			assert.EqualValues(t, len(lines), resp.Loaded)
			p.settledOnce(lines)
		}
	})
}

func TestDefect01LineOver64KBIsOneRecord(t *testing.T) {
	lines := []string{"first", strings.Repeat("x", 70_000), strings.Repeat("y", 1<<20), strings.Repeat("z", 256<<10), "last"}
	p := newPush(t, t.TempDir(), accept)
	resp, err := p.do(t.Context(), text(lines), "data/long.txt")
	require.NoError(t, err)
	assert.EqualValues(t, 5, resp.Processed)
	p.settledOnce(lines)
}

func TestDefect01LineOverTheLimitSpoilsOnlyItself(t *testing.T) {
	onBoth(t, func(t *testing.T, base string) {
		for _, n := range []int{1001, 5000, 256 << 10, 700 << 10} {
			for _, end := range []string{"\nlast\n", "\n", ""} {
				p := newPush(t, fresh(base), accept)
				p.cfg.Split.MaxRecordBytes = 1000
				long := strings.Repeat("x", n)
				resp, err := p.do(t.Context(), strings.NewReader("first\n"+long+end), "data/long.txt")
				require.NoError(t, err)
				assert.EqualValues(t, 1, resp.CorruptionErrors)
				assert.Equal(t, len(p.done.lines()), int(resp.Processed))
				kept := p.lines("corrupt")
				require.NotEmpty(t, kept)
				assert.Contains(t, kept, long, "the whole line, %d bytes", n)
			}
		}
	})
}

// The place for what fails cannot be written: that is not success, neither with
// a deadline nor without.
func TestDefect02RetryDestinationNotWritable(t *testing.T) {
	for _, deadline := range []time.Duration{0, 30 * time.Second} {
		t.Run(deadline.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPush(t, t.TempDir(), refuse)
				p.cfg.RetryURL = blocked(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, deadline)
					defer cancel()
				}
				var waited atomic.Bool
				defer time.AfterFunc(24*time.Hour, func() { waited.Store(true); cancel() }).Stop()
				began := time.Now()
				resp, err := p.do(ctx, text(numbered(100)), "data/numbers.txt")
				require.ErrorIs(t, err, processor.ErrUnread)
				assert.Zero(t, resp.RetryErrors)
				assert.Zero(t, resp.Processed)
				assert.Empty(t, resp.RetryURL)
				assert.False(t, waited.Load(), "it waits for ever")
				if deadline > 0 {
					assert.Less(t, time.Since(began), deadline)
				}
			})
		})
	}
}

func TestDefect02CorruptionDestinationNotWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPush(t, t.TempDir(), func(context.Context, string) error { return processor.NewDataCorruption("bad") })
		p.cfg.CorruptionURL = blocked(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		resp, err := p.do(ctx, text(numbered(100)), "data/numbers.txt")
		require.ErrorIs(t, err, processor.ErrUnread)
		assert.Zero(t, resp.CorruptionErrors)
	})
}

func TestDefect02DestinationsAreRequired(t *testing.T) {
	_, err := processor.New(processor.Config{Processor: lineFunc(accept)})
	for _, field := range []string{"RetryURL", "FailedURL", "CorruptionURL"} {
		assert.ErrorContains(t, err, field)
	}
}

func TestDefect16BlankLinesAreNoRows(t *testing.T) {
	for input, want := range map[string][]string{
		"":                          {},
		"\n\n\n":                    {},
		"a\n\n\nb\n\n":              {"a", "b"},
		"\n\na":                     {"a"},
		"a\r\n\r\nb\r\n":            {"a", "b"},
		" \t \na\n  \n":             {"a"},
		"a\nb":                      {"a", "b"},
		strings.Repeat("\n", 1<<20): {},
	} {
		p := newPush(t, t.TempDir(), accept)
		resp, err := p.do(t.Context(), strings.NewReader(input), "data/blank.txt")
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		assert.EqualValues(t, len(want), resp.Loaded, "%.20q", input)
		assert.Equal(t, want, p.done.lines(), "%.20q", input)
		assert.EqualValues(t, len(input), resp.ReadBytes)
	}
}

// Every way in which an io.Reader may deliver gives the same records.
func TestDefectReadersOfEveryKind(t *testing.T) {
	lines := numbered(2000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"data with EOF":    iotest.DataErrReader,
		"byte by byte":     iotest.OneByteReader,
		"halves":           iotest.HalfReader,
		"nothing at times": func(r io.Reader) io.Reader { return &hesitant{r: r, every: 3} },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPush(t, t.TempDir(), accept)
			in := strings.NewReader(strings.Join(lines, "\n"))
			_, err := p.do(t.Context(), wrap(in), "data/numbers.txt")
			require.NoError(t, err)
			p.settledOnce(lines)
		})
	}
}

// hesitant returns 0, nil all but every so many times.
type hesitant struct {
	r        io.Reader
	n, every int
}

func (h *hesitant) Read(b []byte) (int, error) {
	if h.n++; h.n%h.every != 0 {
		return 0, nil
	}
	return h.r.Read(b[:min(len(b), 1000)])
}

// faulty is a reader that goes wrong in its own way.
type faulty func(b []byte) (int, error)

func (f faulty) Read(b []byte) (int, error) { return f(b) }

// What a reader does wrong is an error, and neither the end of the process nor
// of the input.
func TestDefectReadersThatBreakTheirContract(t *testing.T) {
	for name, r := range map[string]faulty{
		"never anything": func([]byte) (int, error) { return 0, nil },
		"panic":          func([]byte) (int, error) { panic("secret") },
		"nil map":        func([]byte) (int, error) { var m map[string]int; m["a"]++; return 0, nil }, //nolint:staticcheck // the panic is what is tested
		"Goexit":         func([]byte) (int, error) { runtime.Goexit(); return 0, nil },
		"too many":       func(b []byte) (int, error) { return len(b) + 1, nil },
		"negative":       func([]byte) (int, error) { return -1, nil },
		"wrapped EOF":    func([]byte) (int, error) { return 0, errors.Join(io.EOF, errCable) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPush(t, t.TempDir(), accept)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				resp, err := p.do(ctx, io.MultiReader(strings.NewReader("a\nb\n"), r), "data/numbers.txt")
				require.ErrorIs(t, err, processor.ErrUnread)
				assert.NotContains(t, strings.Join(resp.Errors, " "), "secret")
			})
		})
	}
}

// A reader that is also a Closer is closed, once, whatever happens.
func TestDefectReaderIsClosedOnce(t *testing.T) {
	for _, process := range []func(context.Context, string) error{accept, refuse} {
		var closed atomic.Int64
		p := newPush(t, t.TempDir(), process)
		c := closeFunc(func() error { closed.Add(1); return nil })
		_, err := p.request(t.Context(), processor.NewRequest(text(numbered(3)), c, "data/numbers.txt"))
		require.NoError(t, err)
		assert.EqualValues(t, 1, closed.Load())
	}
}

// A Close that hangs holds up nothing.
func TestDefectCloseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newPush(t, t.TempDir(), accept)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		time.AfterFunc(time.Minute, func() { close(release) })
		began := time.Now()
		c := closeFunc(func() error { <-release; return nil })
		_, err := p.request(ctx, processor.NewRequest(text(numbered(3)), c, "data/numbers.txt"))
		assert.NoError(t, err, "it was all read")
		assert.Less(t, time.Since(began), 10*time.Second)
		<-release
	})
}

type closeFunc func() error

func (f closeFunc) Close() error { return f() }
