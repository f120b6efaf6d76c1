package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/web"
)

const content = "0123456789abcdefghijklmnopqrstuvwxyz"

// marks are headers of the object in these tests.
var (
	strong = []string{`ETag: "v1"`, "Last-Modified: " + at(day.Add(-time.Hour)), "Accept-Ranges: bytes"}
	weak   = []string{`ETag: W/"v1"`, "Last-Modified: " + at(day.Add(-time.Hour))}
	timed  = []string{"Last-Modified: " + at(day.Add(-time.Second))}
	fresh  = []string{"Last-Modified: " + at(day)}
	none   = []string{}
)

// cutAfter is an answer that ends n bytes into its body.
func cutAfter(r reply, n int) reply {
	head := strings.Index(r.raw, "\r\n\r\n") + 4
	return reply{raw: r.raw[:head+n], then: cutOff}
}

// part is the answer to a range up to the end.
func part(r *http.Request, headers ...string) reply {
	var from, to int
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n < 2 {
		to = len(content) - 1
	}
	return answer("206 Partial Content", content[from:to+1], append(headers, fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, to, len(content)))...)
}

func readAll(ctx context.Context, s *web.Source, o source.Object, off, n int64) (string, error) {
	r, _, err := s.Open(ctx, o, off, n)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	return string(data), errors.Join(err, r.Close())
}

// TestACutDownloadIsResumed where it was cut, if what comes then is sure to be of
// the same content.
func TestACutDownloadIsResumed(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		ifRange string // empty: must not be resumed
	}{
		"by a strong ETag":                         {strong, `"v1"`},
		"by a time that stands for one content":    {timed, at(day.Add(-time.Second))},
		"not by a weak ETag":                       {weak, ""},
		"not by a time that may stand for several": {fresh, ""},
		"not without marks":                        {none, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cuts := 0
			over(t, own, func(n int, r *http.Request) reply {
				switch {
				case r.Method == http.MethodHead:
					head := ok(content, c.headers...)
					head.raw = strings.TrimSuffix(head.raw, content)
					return head
				case n == 0:
					return cutAfter(ok(content, c.headers...), 5)
				case cuts < 2:
					cuts++
					return cutAfter(part(r, c.headers...), 4)
				}
				return part(r, c.headers...)
			}, web.Config{}, func(t *testing.T, s *web.Source, f *fake) {
				got, err := readAll(t.Context(), s, object("a"), 0, -1)
				if c.ifRange == "" {
					assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
					assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
					assert.ErrorContains(t, err, "not resumed")
					assert.Len(t, f.paths(), 1)
					return
				}
				require.NoError(t, err)
				require.Equal(t, content, got)
				f.mu.Lock()
				defer f.mu.Unlock()
				require.Len(t, f.requests, 5, "three for the rest, one to look at the end")
				for i, from := range []string{"", "bytes=5-35", "bytes=9-35", "bytes=13-35"} {
					assert.Equal(t, from, f.requests[i].Header.Get("Range"))
					if i > 0 {
						assert.Equal(t, c.ifRange, f.requests[i].Header.Get("If-Range"))
					}
				}
			})
		})
	}
}

// TestWhatIsResumedIsTheSameObject: whatever a server answers to the request for
// the rest, bytes of another content are never appended.
func TestWhatIsResumedIsTheSameObject(t *testing.T) {
	other := []string{`ETag: "v2"`, "Last-Modified: " + at(day.Add(-time.Minute))}
	upper := strings.ToUpper(content)
	for name, c := range map[string]struct {
		rest func(r *http.Request) reply
		want error
	}{
		"it changed":                          {func(*http.Request) reply { return ok(upper, other...) }, source.ErrChanged},
		"it changed, and If-Range is ignored": {func(r *http.Request) reply { return part(r, other...) }, source.ErrChanged},
		"it shrank":                           {func(*http.Request) reply { return answer("416 Range Not Satisfiable", "", "Content-Range: bytes */3") }, source.ErrChanged},
		"it grew": {func(r *http.Request) reply {
			return answer("206 Partial Content", content[5:], append(strong, "Content-Range: bytes 5-35/99")...)
		}, source.ErrChanged},
		"it is gone": {func(*http.Request) reply { return answer("404 Not Found", "") }, fs.ErrNotExist},
		"another range comes": {func(*http.Request) reply {
			return answer("206 Partial Content", content[9:], append(strong, "Content-Range: bytes 9-35/36")...)
		}, nil},
		"a range without place": {func(*http.Request) reply { return answer("206 Partial Content", content[5:], strong...) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(n int, r *http.Request) reply {
				if n == 0 {
					return cutAfter(ok(content, strong...), 5)
				}
				return c.rest(r)
			}, web.Config{}, func(t *testing.T, s *web.Source, f *fake) {
				got, err := readAll(t.Context(), s, object("a"), 0, -1)
				require.Error(t, err)
				if c.want != nil {
					assert.ErrorIs(t, err, c.want)
				}
				assert.Equal(t, content[:5], got)
				assert.Len(t, f.paths(), 2)
			})
		})
	}
}

// TestAServerWithoutRangesSendsAllOnceMore, and what was read already is passed
// over.
func TestAServerWithoutRangesSendsAllOnceMore(t *testing.T) {
	bubble(t, func(n int, r *http.Request) reply {
		if n == 0 {
			return cutAfter(ok(content, timed...), 7)
		}
		if r.Method == http.MethodHead {
			return answer("405 Method Not Allowed", "")
		}
		return ok(content, timed...)
	}, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
		got, err := readAll(t.Context(), s, object("a"), 0, -1)
		require.NoError(t, err)
		require.Equal(t, content, got)
		_, err = readAll(t.Context(), s, object("a"), 3, -1)
		require.ErrorIs(t, err, source.ErrNoRange)
	})
}

// TestResumingEnds after so many outages without progress, each pause longer
// than the last, and begins anew after progress.
func TestResumingEnds(t *testing.T) {
	bubble(t, func(n int, r *http.Request) reply {
		if n == 0 {
			return cutAfter(ok(content, strong...), 5)
		}
		return answer("503 Service Unavailable", "")
	}, web.Config{Retries: 3}, func(t *testing.T, s *web.Source, f *fake) {
		began := time.Now()
		_, err := readAll(t.Context(), s, object("a"), 0, -1)
		assert.Equal(t, fault.ClassInterrupted, fault.Of(err))
		assert.Equal(t, 250*time.Millisecond+500*time.Millisecond+time.Second, time.Since(began))
		assert.Len(t, f.paths(), 4)
	})

	const block = 100 << 10
	long := strings.Repeat("x", 10*block)
	bubble(t, func(_ int, r *http.Request) reply {
		var from int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		rest := long[from:]
		a := answer("206 Partial Content", rest, append(strong, fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, len(long)-1, len(long)))...)
		if r.Header.Get("Range") == "" {
			a = ok(rest, strong...)
		}
		switch {
		case r.Method == http.MethodHead:
			return reply{raw: strings.TrimSuffix(a.raw, rest)}
		case len(rest) > block:
			return cutAfter(a, block)
		}
		return a
	}, web.Config{Retries: 1}, func(t *testing.T, s *web.Source, f *fake) {
		got, err := readAll(t.Context(), s, object("a"), 0, -1)
		require.NoError(t, err)
		require.Equal(t, long, got)
		require.Len(t, f.paths(), 11)
	})
}

// TestASilentServerIsAnOutage: the time-out counts while something is waited
// for, and not while the caller does something else.
func TestASilentServerIsAnOutage(t *testing.T) {
	const timeout = 7 * time.Second
	for name, first := range map[string]reply{
		"before its answer": {then: silent},
		"in its header":     {raw: "HTTP/1.1 200 OK\r\nETag", then: silent},
		"in its body":       {raw: cutAfter(ok(content, none...), 3).raw, then: silent},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(int, *http.Request) reply { return first }, web.Config{Timeout: timeout, Retries: -1}, func(t *testing.T, s *web.Source, _ *fake) {
				for what, read := range map[string]func() error{
					"ReadObject": func() error { _, _, err := s.ReadObject(t.Context(), object("a"), nil, 100); return err },
					"Open":       func() error { _, err := readAll(t.Context(), s, object("a"), 0, -1); return err },
					"Objects":    func() error { _, err := listAll(t, s); return err },
				} {
					began := time.Now()
					err := read()
					assert.Equal(t, fault.ClassInterrupted, fault.Of(err), what)
					assert.ErrorContains(t, err, "silent for 7s", what)
					assert.NotErrorIs(t, err, context.Canceled, what)
					assert.Equal(t, timeout, time.Since(began), what)
				}
			})
		})
	}
	const block = 64 << 10
	long := strings.Repeat("x", 10*block) // more than is read ahead
	bubble(t, func(_ int, r *http.Request) reply {
		if r.Method == http.MethodHead {
			return headless(ok(long, strong...))
		}
		return ok(long, strong...)
	}, web.Config{Timeout: timeout}, func(t *testing.T, s *web.Source, f *fake) {
		r, _, err := s.Open(t.Context(), object("a"), 0, -1)
		require.NoError(t, err)
		for range 10 {
			time.Sleep(timeout + time.Second) // as a sink does that is away
			_, err := io.ReadFull(r, make([]byte, block))
			require.NoError(t, err)
		}
		_, err = r.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.NoError(t, r.Close())
		require.Len(t, f.paths(), 2, "nothing was cut")
	})
}
