package gs_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/gs"
)

// first is a fault of the first few requests of an operation.
func first(op string, times int64, f gcsfake.Fault) func(string, *http.Request) gcsfake.Fault {
	left := new(atomic.Int64)
	left.Store(times)
	return func(at string, _ *http.Request) gcsfake.Fault {
		if at == op && left.Add(-1) >= 0 {
			return f
		}
		return gcsfake.Fault{}
	}
}

const always = 1 << 40

// text is a body in which no two places are alike.
var text = func() string {
	var b strings.Builder
	for i := range 20_000 {
		b.WriteString(string(rune('a'+i%26)) + string(rune('A'+i/26%26)) + string(rune('0'+i/676%10)))
	}
	return b.String()
}()

// scene is a source with one object, "a", of that text.
func scene(t *testing.T, fault func(string, *http.Request) gcsfake.Fault) (*gcsfake.Server, *gs.Source, source.Object) {
	t.Helper()
	server := new(gcsfake.Server)
	server.Put("feed", "in/a", text, "")
	src := open(t, server, gs.Config{Timeout: 30 * time.Second})
	objects, err := list(t, src)
	require.NoError(t, err)
	server.Fault = fault
	return server, src, objects[0]
}

func readAll(ctx context.Context, src source.Source, o source.Object, off, n int64) (string, error) {
	r, _, err := src.Open(ctx, o, off, n)
	if err != nil {
		return "", err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	return string(body), err
}

func TestABodyThatIsCutIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, f := range map[string]func(string, *http.Request) gcsfake.Fault{
			"once":      first("read", 1, gcsfake.Fault{Cut: 1000}),
			"often":     first("read", 20, gcsfake.Fault{Cut: 1000}),
			"then 503":  sequence(gcsfake.Fault{Cut: 10}, gcsfake.Fault{Status: 503}, gcsfake.Fault{Status: 429}, gcsfake.Fault{Drop: true}),
			"truncated": first("read", 3, gcsfake.Fault{Cut: 1}),
		} {
			_, src, o := scene(t, f)
			body, err := readAll(t.Context(), src, o, 0, -1)
			require.NoError(t, err, name)
			assert.Equal(t, text, body, name)
			body, err = readAll(t.Context(), src, o, 100, 5000)
			require.NoError(t, err, name)
			assert.Equal(t, text[100:5100], body, name)
		}
	})
}

// sequence are the faults of the first reads, one after the other.
func sequence(faults ...gcsfake.Fault) func(string, *http.Request) gcsfake.Fault {
	n := new(atomic.Int64)
	return func(op string, _ *http.Request) gcsfake.Fault {
		if op != "read" {
			return gcsfake.Fault{}
		}
		if at := n.Add(1) - 1; at < int64(len(faults)) {
			return faults[at]
		}
		return gcsfake.Fault{}
	}
}

// What is read is never the beginning of one object and the end of another.
func TestAnObjectThatIsReplacedBetweenCutsHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, gone := range []bool{false, true} {
			var server *gcsfake.Server
			var once atomic.Bool
			server, src, o := scene(t, first("read", 1, gcsfake.Fault{Cut: 1000}))
			cut := server.Fault
			server.Fault = func(op string, r *http.Request) gcsfake.Fault {
				f := cut(op, r)
				if op == "read" && f == (gcsfake.Fault{}) && once.CompareAndSwap(false, true) {
					if gone {
						server.Delete("feed", "in/a")
					} else {
						server.Put("feed", "in/a", strings.ToUpper(text), "")
					}
				}
				return f
			}
			body, err := readAll(t.Context(), src, o, 0, -1)
			require.Error(t, err)
			if gone {
				require.ErrorIs(t, err, fs.ErrNotExist)
			} else {
				require.ErrorIs(t, err, source.ErrChanged)
			}
			assert.Equal(t, text[:len(body)], body)
		}
	})
}

func TestABodyThatIsNotWhatWasAnnouncedIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, f := range map[string]gcsfake.Fault{
			"shorter":               {End: 1000, Announce: -1},
			"shorter, and says so":  {End: 1000, Announce: 1000},
			"longer than the range": {Announce: 60_001},
			"another byte":          {Flip: true},
		} {
			_, src, o := scene(t, first("read", always, f))
			_, err := readAll(t.Context(), src, o, 0, -1)
			require.Error(t, err, name)
			require.NotErrorIs(t, err, io.EOF, name)
			assert.False(t, fault.Is(err, fault.ClassCorrupt), "%s: %v", name, err)
			_, _, err = src.ReadObject(t.Context(), o, nil, len(text))
			require.Error(t, err, name)
		}
	})
}

func TestWhatAnErrorMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			fault      gcsfake.Fault
			list, read fault.Class
		}{
			{gcsfake.Fault{Drop: true}, fault.ClassInterrupted, fault.ClassInterrupted},
			{gcsfake.Fault{Status: 408}, fault.ClassInterrupted, fault.ClassInterrupted},
			{gcsfake.Fault{Status: 429, Reason: "rateLimitExceeded"}, fault.ClassInterrupted, fault.ClassInterrupted},
			{gcsfake.Fault{Status: 403, Reason: "rateLimitExceeded"}, fault.ClassInterrupted, fault.ClassInterrupted},
			{gcsfake.Fault{Status: 500}, fault.ClassInterrupted, fault.ClassInterrupted},
			{gcsfake.Fault{Status: 503}, fault.ClassInterrupted, fault.ClassInterrupted},
			{gcsfake.Fault{Status: 401, Reason: "authError"}, fault.ClassFatal, fault.ClassFatal},
			{gcsfake.Fault{Status: 400, Reason: "userProjectMissing"}, fault.ClassFatal, fault.ClassFatal},
			{gcsfake.Fault{Status: 403, Reason: "forbidden"}, fault.ClassFatal, fault.ClassRetryable},
			{gcsfake.Fault{Status: 400, Reason: "invalid"}, fault.ClassFatal, fault.ClassRetryable},
			{gcsfake.Fault{Wait: time.Hour}, fault.ClassInterrupted, fault.ClassInterrupted},
		} {
			server, src, o := scene(t, nil)
			server.Fault = func(string, *http.Request) gcsfake.Fault { return c.fault }
			_, err := list(t, src)
			assert.Equal(t, c.list, fault.Of(err), "list %+v: %v", c.fault, err)
			_, err = readAll(t.Context(), src, o, 0, -1)
			assert.Equal(t, c.read, fault.Of(err), "read %+v: %v", c.fault, err)
			require.ErrorContains(t, err, `"a"`)
			_, _, err = src.Stat(t.Context(), "a")
			assert.Equal(t, c.read, fault.Of(err), "stat %+v: %v", c.fault, err)
			assert.LessOrEqual(t, server.Count("list"), 6, "tries of the client")
		}
	})
}

func TestWhatIsAwayForAMomentIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, f := range []gcsfake.Fault{{Status: 503}, {Status: 429}, {Drop: true}} {
			server, src, o := scene(t, nil)
			server.Fault = first("read", 3, f)
			_, err := readAll(t.Context(), src, o, 0, -1)
			require.NoError(t, err)
			server.Fault = first("list", 3, f)
			_, err = list(t, src)
			require.NoError(t, err)
			server.Fault = first("get", 3, f)
			_, _, err = src.Stat(t.Context(), "a")
			require.NoError(t, err)
		}
	})
}

// A connection that stays silent is given up.
func TestABodyThatStallsIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, src, o := scene(t, first("read", always, gcsfake.Fault{Wait: time.Hour}))
		began := time.Now()
		_, err := readAll(t.Context(), src, o, 0, -1)
		require.Error(t, err)
		assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
		assert.ErrorContains(t, err, "nothing came")
		assert.Equal(t, 30*time.Second, time.Since(began))
	})
}

// A service that ignores the condition does not get another generation through.
func TestAnotherGenerationIsNotTaken(t *testing.T) {
	_, src, o := scene(t, func(op string, r *http.Request) gcsfake.Fault {
		if op == "read" {
			r.Header.Del("X-Goog-If-Generation-Match")
		}
		return gcsfake.Fault{}
	})
	o.Version += "1"
	_, err := readAll(t.Context(), src, o, 0, -1)
	require.ErrorIs(t, err, source.ErrChanged)
}

func TestTheEndOfTheContextEndsAListing(t *testing.T) {
	server := new(gcsfake.Server)
	for _, name := range []string{"in/a", "in/b", "in/c"} {
		server.Put("feed", name, "{}", "")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range open(t, server, gs.Config{}).Objects(ctx) {
		last = err
		cancel()
	}
	require.ErrorIs(t, last, context.Canceled)
	assert.True(t, fault.Is(last, fault.ClassInterrupted))
	assert.NotErrorIs(t, last, fs.ErrNotExist)
}
