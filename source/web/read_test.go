package web_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/web"
)

// bothWays reads an object by ReadObject and by Open.
func bothWays(t *testing.T, s *web.Source, o source.Object, check func(t *testing.T, got string, err error)) {
	t.Helper()
	data, _, err := s.ReadObject(t.Context(), o, nil, 1<<20)
	check(t, string(data), err)
	got, err := readAll(t.Context(), s, o, 0, -1)
	check(t, got, err)
}

// headless is a reply without its body, as to HEAD.
func headless(r reply) reply {
	head, _, _ := strings.Cut(r.raw, "\r\n\r\n")
	return reply{raw: head + "\r\n\r\n"}
}

// TestWhatAnAnswerMeans for the object that was asked for.
func TestWhatAnAnswerMeans(t *testing.T) {
	for status, want := range map[string]struct {
		class fault.Class
		is    error
	}{
		"301 Moved Permanently":     {class: fault.ClassRetryable},
		"304 Not Modified":          {class: fault.ClassRetryable},
		"308 Permanent Redirect":    {class: fault.ClassRetryable},
		"400 Bad Request":           {class: fault.ClassRetryable},
		"401 Unauthorized":          {class: fault.ClassFatal},
		"403 Forbidden":             {class: fault.ClassRetryable},
		"404 Not Found":             {class: fault.ClassRetryable, is: fs.ErrNotExist},
		"407 Proxy Authentication":  {class: fault.ClassFatal},
		"408 Request Timeout":       {class: fault.ClassInterrupted},
		"410 Gone":                  {class: fault.ClassRetryable, is: fs.ErrNotExist},
		"412 Precondition Failed":   {class: fault.ClassRetryable, is: source.ErrChanged},
		"425 Too Early":             {class: fault.ClassInterrupted},
		"429 Too Many Requests":     {class: fault.ClassInterrupted},
		"500 Internal Server Error": {class: fault.ClassInterrupted},
		"501 Not Implemented":       {class: fault.ClassRetryable},
		"502 Bad Gateway":           {class: fault.ClassInterrupted},
		"503 Service Unavailable":   {class: fault.ClassInterrupted},
		"504 Gateway Timeout":       {class: fault.ClassInterrupted},
		"999 no standard":           {class: fault.ClassInterrupted},
	} {
		t.Run(status, func(t *testing.T) {
			bubble(t, func(int, *http.Request) reply {
				body := "<h1>secret of the server</h1>"
				if strings.HasPrefix(status, "304") {
					body = ""
				}
				return answer(status, body, "Location: http://user:secret@elsewhere.example/x?secret")
			}, web.Config{}, func(t *testing.T, s *web.Source, f *fake) {
				bothWays(t, s, object("a"), func(t *testing.T, _ string, err error) {
					require.Error(t, err)
					assert.Equal(t, want.class, fault.Of(err), err)
					if want.is != nil {
						assert.ErrorIs(t, err, want.is)
					}
					assert.NotContains(t, err.Error(), "secret")
					assert.ErrorContains(t, err, `"a"`)
				})
				assert.Equal(t, []string{"GET /feed/a", "GET /feed/a"}, f.paths(), "no redirect is followed")
			})
		})
	}
}

// TestABodyIsWholeOrAnError.
func TestABodyIsWholeOrAnError(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		raw    string
		listed int64
		want   string // empty: an error
		is     error
	}{
		"announced":                             {raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", listed: -1, want: "12345"},
		"shorter than announced":                {raw: "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n12345", listed: -1},
		"chunked":                               {raw: chunked + "5\r\n12345\r\n0\r\n\r\n", listed: -1, want: "12345"},
		"chunked, of the listed size":           {raw: chunked + "5\r\n12345\r\n0\r\n\r\n", listed: 5, want: "12345"},
		"chunked, without the last chunk":       {raw: chunked + "5\r\n12345\r\n", listed: -1},
		"chunked, cut in a chunk":               {raw: chunked + "6\r\n12345", listed: -1},
		"chunked, shorter than listed":          {raw: chunked + "5\r\n12345\r\n0\r\n\r\n", listed: 6},
		"chunked, longer than listed":           {raw: chunked + "5\r\n12345\r\n0\r\n\r\n", listed: 4, is: source.ErrChanged},
		"no length at all":                      {raw: "HTTP/1.0 200 OK\r\n\r\n12345", listed: -1},
		"no length but the listed one":          {raw: "HTTP/1.0 200 OK\r\n\r\n12345", listed: 5, want: "12345"},
		"no length, shorter than listed":        {raw: "HTTP/1.0 200 OK\r\n\r\n12345", listed: 6},
		"no length, longer than listed":         {raw: "HTTP/1.0 200 OK\r\n\r\n12345", listed: 4, is: source.ErrChanged},
		"announced, other than listed":          {raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", listed: 4, is: source.ErrChanged},
		"coded, though not asked for":           {raw: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345", listed: -1},
		"coded by name":                         {raw: "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 5\r\n\r\n12345", listed: -1, want: "12345"},
		"two lengths":                           {raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345", listed: -1},
		"payload for an answer":                 {raw: content + "\r\n\r\n", listed: -1},
		"payload for a header":                  {raw: "HTTP/1.1 200 OK\r\n" + content + "\r\n\r\n", listed: -1},
		"no HTTP":                               {raw: "SSH-2.0-x\r\n\r\n12345", listed: -1},
		"a header of 100 KB":                    {raw: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\nContent-Length: 5\r\n\r\n12345", listed: -1},
		"a length beyond all":                   {raw: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n12345", listed: -1},
		"a large length, and little that comes": {raw: "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n12345", listed: -1},
		"a multipart range nobody asked for":    {raw: "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 5\r\n\r\n12345", listed: -1},
		"a stored file that is coded":           {raw: "HTTP/1.1 200 OK\r\nContent-Encoding: x-gzip\r\nContent-Length: 5\r\n\r\n12345", listed: -1, want: "12345"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(_ int, r *http.Request) reply {
				if r.Method == http.MethodHead {
					return headless(reply{raw: c.raw})
				}
				return reply{raw: c.raw, then: cutOff}
			}, web.Config{Retries: -1}, func(t *testing.T, s *web.Source, _ *fake) {
				o := source.Object{Key: "a", Size: c.listed}
				if strings.HasPrefix(name, "a stored file") {
					o.Key = "a.gz"
				}
				bothWays(t, s, o, func(t *testing.T, got string, err error) {
					if c.want != "" {
						require.NoError(t, err)
						require.Equal(t, c.want, got)
						return
					}
					require.Error(t, err)
					if c.is != nil {
						assert.ErrorIs(t, err, c.is)
					}
					assert.NotContains(t, err.Error(), "12345", "payload")
					assert.NotContains(t, err.Error(), "abc", "payload")
				})
			})
		})
	}
}

// TestAnObjectThatIsNotTheListedOne gives ErrChanged, and Open spares the server
// to send it.
func TestAnObjectThatIsNotTheListedOne(t *testing.T) {
	for name, o := range map[string]source.Object{
		"another size":    {Key: "a", Size: 35},
		"another time":    {Key: "a", Size: -1, ModTime: day},
		"another version": {Key: "a", Size: -1, Version: "v2"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(int, *http.Request) reply { return ok(content, strong...) }, web.Config{}, func(t *testing.T, s *web.Source, f *fake) {
				bothWays(t, s, o, func(t *testing.T, _ string, err error) { assert.ErrorIs(t, err, source.ErrChanged) })
				if !o.ModTime.IsZero() {
					assert.Equal(t, at(o.ModTime), f.last().Header.Get("If-Unmodified-Since"))
				}
			})
		})
	}
}

// TestAChangeWhileAnObjectIsRead in place, which keeps its length, is noticed at
// its end.
func TestAChangeWhileAnObjectIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		now  reply
		want error
	}{
		"the same":    {ok("", strong...), nil},
		"modified":    {ok("", `ETag: "v2"`), source.ErrChanged},
		"gone since":  {answer("404 Not Found", ""), nil},
		"no HEAD":     {answer("405 Method Not Allowed", ""), nil},
		"not allowed": {answer("403 Forbidden", ""), errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(_ int, r *http.Request) reply {
				if r.Method == http.MethodHead {
					return reply{raw: strings.Replace(c.now.raw, "Content-Length: 0", "Content-Length: 36", 1)}
				}
				return ok(content, strong...)
			}, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
				got, err := readAll(t.Context(), s, object("a"), 0, -1)
				assert.Equal(t, content, got)
				switch c.want {
				case nil:
					assert.NoError(t, err)
				case source.ErrChanged:
					assert.ErrorIs(t, err, source.ErrChanged)
				default:
					assert.Error(t, err)
				}
			})
		})
	}
}

// TestWeakAndStrongETagsAreOneVersion: Apache calls that of a fresh file weak.
func TestWeakAndStrongETagsAreOneVersion(t *testing.T) {
	var versions []string
	for _, etag := range []string{`"v1"`, `W/"v1"`, `"v1`, `v1`, `""`, `"a"b"`, ""} {
		over(t, own, func(int, *http.Request) reply { return ok(content, "ETag: "+etag) }, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
			_, found, err := s.ReadObject(t.Context(), object("a"), nil, 100)
			require.NoError(t, err)
			versions = append(versions, found.Version)
		})
	}
	require.Equal(t, []string{"v1", "v1", "", "", "", "", ""}, versions, "what is malformed is none")
}

// TestNoMoreConnectionsThanAllowed read objects at once, a listing that is held
// up aside.
func TestNoMoreConnectionsThanAllowed(t *testing.T) {
	const most = 3
	var mu sync.Mutex
	now, peak := 0, 0
	bubble(t, func(_ int, r *http.Request) reply {
		switch {
		case r.Method == http.MethodHead:
			return headless(ok(content, strong...))
		case strings.HasSuffix(r.URL.Path, "/"):
			return ok(`[{"name":"a","type":"file"},{"name":"b","type":"file"}]`)
		}
		mu.Lock()
		now++
		peak = max(peak, now)
		mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		now--
		mu.Unlock()
		return ok(content, strong...)
	}, web.Config{MaxConns: most, Timeout: 2 * time.Second}, func(t *testing.T, s *web.Source, _ *fake) {
		for range s.Objects(t.Context()) {
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					var err error
					if i%2 == 0 {
						_, _, err = s.ReadObject(t.Context(), object("a"), nil, 100)
					} else {
						_, err = readAll(t.Context(), s, object("a"), 0, -1)
					}
					assert.NoError(t, err, "waiting for a connection is not the server's silence")
				})
			}
			wg.Wait()
		}
		require.Equal(t, most, peak)
	})
}

// TestCredentialsGoToTheHostAndNowhereElse, and into no error.
func TestCredentialsGoToTheHostAndNowhereElse(t *testing.T) {
	for name, c := range map[string]struct {
		url  string
		cfg  web.Config
		want string
	}{
		"basic":      {"http://files.example/", web.Config{Username: "ada", Password: "hunter2"}, "Basic YWRhOmh1bnRlcjI="},
		"in the URL": {"http://ada:hunter2@files.example/", web.Config{}, "Basic YWRhOmh1bnRlcjI="},
		"bearer":     {"http://files.example/", web.Config{Token: "hunter2"}, "Bearer hunter2"},
		"header":     {"http://files.example/", web.Config{Header: http.Header{"x-key": {"hunter2"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []*http.Request
			c.cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				seen = append(seen, r)
				rec := answerOf("302 Found", "Location: http://elsewhere.example/")
				return rec, nil
			})
			s := open(t, c.url, c.cfg)
			_, _, err := s.ReadObject(t.Context(), object("a"), nil, 100)
			require.Error(t, err)
			_, listErr := listAll(t, s)
			require.Error(t, listErr)
			for _, text := range []string{err.Error(), listErr.Error(), s.URL()} {
				assert.NotContains(t, text, "hunter2")
				assert.NotContains(t, text, "ada")
			}
			require.Len(t, seen, 2)
			for _, r := range seen {
				assert.Equal(t, "files.example", r.URL.Host)
				assert.Equal(t, c.want, r.Header.Get("Authorization"))
				assert.Nil(t, r.URL.User)
				if c.cfg.Header != nil {
					assert.Equal(t, "hunter2", r.Header.Get("X-Key"))
				}
				assert.Equal(t, "identity", r.Header.Get("Accept-Encoding"))
			}
		})
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answerOf is an answer without a body.
func answerOf(status string, headers ...string) *http.Response {
	resp := &http.Response{Status: status, Header: http.Header{}, Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1}
	resp.StatusCode = int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0')
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		resp.Header.Set(name, value)
	}
	return resp
}

// TestKeysOutsideAreNotAskedFor, whoever asks.
func TestKeysOutsideAreNotAskedFor(t *testing.T) {
	bubble(t, func(_ int, r *http.Request) reply {
		if r.Method == http.MethodHead {
			return headless(ok(content))
		}
		return ok(content)
	}, web.Config{}, func(t *testing.T, s *web.Source, f *fake) {
		for _, key := range []string{"", ".", "..", "/", "/a", "a/", "../a", "a/../b", "a/./b", "a//b", "a\x00b", `..\a`, `a\..\..\b`, `.\a`, strings.Repeat("x", 5000)} {
			bothWays(t, s, object(key), func(t *testing.T, _ string, err error) { assert.ErrorContains(t, err, "not a path below", "%q", key) })
		}
		require.Empty(t, f.paths())
		bothWays(t, s, object("%2e%2e/a?b#c"), func(t *testing.T, _ string, err error) { require.NoError(t, err) })
		require.Contains(t, f.paths(), "GET /feed/%252e%252e/a%3Fb%23c")
	})
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := web.New("ftp://ada:hunter2@files.example/", web.Config{
		Format: "yaml", Ignore: []string{"["}, MinAge: -1, MaxDepth: -1, MaxPages: -1, MaxEntries: -1, Timeout: -1, MaxConns: -1,
		Token: "hunter2\n", Username: "a:b", Header: http.Header{"range": {"x"}, "a b": {"x"}, "X": {"hunter2\n"}},
	})
	require.Error(t, err)
	assert.Equal(t, fault.ClassFatal, fault.Of(err))
	for _, want := range []string{"URL", "Format", "Ignore[0]", "MinAge", "MaxDepth", "MaxPages", "MaxEntries", "Timeout", "MaxConns", "Token", "Username", "range", `"a b"`, "of X"} {
		assert.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "hunter2")
	for _, url := range []string{"", "files.example/feed", "http:///feed", "http://files.example/a/../b", "http://files.example//a", "http://files.example/?q", "http://files.example/#f", "http://files.example/?", "http:opaque", "http://files.example/%2e%2e/", "http://a:hunter2@files.example:port/", "file:///tmp"} {
		_, err := web.New(url, web.Config{})
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	for given, want := range map[string]string{
		"http://files.example":               "http://files.example/",
		"https://ada:pw@files.example/a%20b": "https://files.example/a%20b/",
		"http://[::1]:80/a%2Fb/":             "http://[::1]:80/a%2Fb/",
	} {
		s, err := web.New(given, web.Config{})
		require.NoError(t, err)
		assert.Equal(t, want, s.URL())
	}
}
