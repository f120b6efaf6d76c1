package plainhttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/plainhttp"
)

// server serves connections by a script: the n-th says what it is told to. It
// counts them, and keeps the requests.
type server struct {
	net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	conns int
	asked []string
}

// serve starts a server on a loopback port. handle is called for each connection,
// with its number from 1 on; it is closed when that returns.
func serve(t *testing.T, handle func(s *server, n int, c net.Conn, in *bufio.Reader)) (*server, *plainhttp.Transport) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{Listener: l}
	var dialer net.Dialer
	rt := plainhttp.New(plainhttp.Config{Host: l.Addr().String(), DialContext: dialer.DialContext})
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			n := s.conns
			s.mu.Unlock()
			s.serving.Go(func() {
				defer c.Close()
				handle(s, n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		rt.CloseIdleConnections()
		require.NoError(t, l.Close())
		s.serving.Wait()
	})
	return s, rt
}

// next reads a request.
func (s *server) next(in *bufio.Reader) bool {
	req, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	var b strings.Builder
	_ = req.Header.Write(&b)
	s.mu.Lock()
	s.asked = append(s.asked, req.Method+" "+req.RequestURI+" "+req.Host+"\n"+b.String())
	s.mu.Unlock()
	return true
}

func (s *server) made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// get asks for a path, and reads the body.
func (s *server) get(ctx context.Context, rt http.RoundTripper, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr().String()+path, nil)
	if err != nil {
		return "", err
	}
	req.Header["X-Twice"] = []string{"a", "b"}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

const abc = okay + "Content-Length: 3\r\n\r\nabc"

// echo answers every request.
func echo(s *server, _ int, c net.Conn, in *bufio.Reader) {
	for s.next(in) {
		_, _ = io.WriteString(c, abc)
	}
}

func TestAConnectionServesOneRequestAfterTheOther(t *testing.T) {
	s, rt := serve(t, echo)
	for range 3 {
		body, err := s.get(t.Context(), rt, "/a%20b?c")
		require.NoError(t, err)
		require.Equal(t, "abc", body)
	}
	assert.Equal(t, 1, s.made())
	assert.Equal(t, "GET /a%20b?c "+s.Addr().String()+"\nX-Twice: a\r\nX-Twice: b\r\n", s.asked[0])
}

// A connection that the server closed between two requests, or before it says
// anything, is replaced, once.
func TestAConnectionThatEndedIsReplaced(t *testing.T) {
	hangUp := make(chan struct{})
	s, rt := serve(t, func(s *server, n int, c net.Conn, in *bufio.Reader) {
		if s.next(in) {
			_, _ = io.WriteString(c, abc)
		}
		if n == 1 {
			<-hangUp // once it is idle
			return
		}
		s.next(in) // and hangs up instead of an answer
	})
	for i := range 3 {
		body, err := s.get(t.Context(), rt, "/")
		require.NoError(t, err)
		require.Equal(t, "abc", body)
		if i == 0 {
			close(hangUp)
		}
	}
	assert.Equal(t, 3, s.made())
}

func TestANewConnectionThatEndsIsAnError(t *testing.T) {
	s, rt := serve(t, func(s *server, _ int, _ net.Conn, in *bufio.Reader) { s.next(in) })
	_, err := s.get(t.Context(), rt, "/")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, 1, s.made())
}

// What comes with an answer, behind its end, is no answer to the next request.
func TestWhatComesBehindAnAnswerIsNone(t *testing.T) {
	s, rt := serve(t, func(s *server, _ int, c net.Conn, in *bufio.Reader) {
		s.next(in)
		_, _ = io.WriteString(c, abc+okay+"Content-Length: 6\r\n\r\nsecret")
		s.next(in)
	})
	for range 2 {
		body, err := s.get(t.Context(), rt, "/")
		require.NoError(t, err)
		require.Equal(t, "abc", body)
	}
	assert.Equal(t, 2, s.made())
}

// A connection is used once more only if the answer was read to its end, and the
// server lets it.
func TestConnectionsThatAreNotUsedAgain(t *testing.T) {
	for name, answer := range map[string]string{
		"the server closes": okay + "Content-Length: 3\r\nConnection: x, Close\r\n\r\nabc",
		"HTTP/1.0":          "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"no end":            okay + "\r\nabc",
		"a body left":       okay + "Content-Length: 100\r\n\r\nabc",
		"bad chunks":        okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcx",
	} {
		t.Run(name, func(t *testing.T) {
			s, rt := serve(t, func(s *server, _ int, c net.Conn, in *bufio.Reader) {
				if s.next(in) {
					_, _ = io.WriteString(c, answer)
				}
			})
			for range 2 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String(), nil)
				require.NoError(t, err)
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				var three [3]byte
				_, err = io.ReadFull(resp.Body, three[:])
				require.NoError(t, err)
				_, _ = resp.Body.Read(three[:1])
				require.NoError(t, resp.Body.Close())
				require.NoError(t, resp.Body.Close())
				_, err = resp.Body.Read(three[:])
				require.Error(t, err)
				require.NotErrorIs(t, err, io.EOF)
			}
			assert.Equal(t, 2, s.made())
		})
	}
}

// The end of the context ends whatever goes on, with its cause.
func TestTheEndOfTheContext(t *testing.T) {
	cause := errors.New("enough")
	for name, answer := range map[string]string{"no answer": "", "a header": okay, "a body": okay + "Content-Length: 5\r\n\r\nabc"} {
		t.Run(name, func(t *testing.T) {
			s, rt := serve(t, func(s *server, _ int, c net.Conn, in *bufio.Reader) {
				s.next(in)
				_, _ = io.WriteString(c, answer)
				_, _ = in.ReadByte() // until the client hangs up
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var asked sync.WaitGroup
			asked.Go(func() {
				for { // until there is a request
					s.mu.Lock()
					n := len(s.asked)
					s.mu.Unlock()
					if n > 0 {
						cancel(cause)
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
			_, err := s.get(ctx, rt, "/")
			asked.Wait()
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
			require.ErrorIs(t, context.Cause(ctx), cause)
			if !strings.Contains(answer, "abc") {
				require.ErrorIs(t, err, cause)
			}
			_, err = s.get(ctx, rt, "/")
			require.ErrorIs(t, err, cause, "nothing is asked any more")
			assert.Equal(t, 1, s.made())
		})
	}
}

// An answer that was read to its end leaves nothing behind that its context could
// end: the connection belongs to another request.
func TestAContextThatEndsAfterwards(t *testing.T) {
	s, rt := serve(t, echo)
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		body, err := s.get(ctx, rt, "/")
		require.NoError(t, err)
		require.Equal(t, "abc", body)
		var ending sync.WaitGroup
		ending.Go(cancel)
		body, err = s.get(t.Context(), rt, "/")
		require.NoError(t, err)
		require.Equal(t, "abc", body)
		ending.Wait()
	}
	assert.Equal(t, 1, s.made())
}

// A connection whose context ended before the body did is not used again: what ends
// the reading may come when another request is on it.
func TestAContextThatEndsBeforeTheBody(t *testing.T) {
	s, rt := serve(t, echo)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr().String(), nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	cancel()
	_, err = io.ReadAll(resp.Body) // what has come already is there
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	body, err := s.get(t.Context(), rt, "/")
	require.NoError(t, err)
	require.Equal(t, "abc", body)
	assert.Equal(t, 2, s.made())
}

// Connections that nobody uses are closed after a while, or at once.
func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var serving sync.WaitGroup
		var made, open atomic.Int32
		rt := plainhttp.New(plainhttp.Config{
			Host: "files.example", MaxIdle: 2, IdleTimeout: time.Minute,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				client, c := net.Pipe()
				made.Add(1)
				open.Add(1)
				serving.Go(func() {
					defer open.Add(-1)
					defer c.Close()
					for in := bufio.NewReader(c); ; {
						if _, err := http.ReadRequest(in); err != nil {
							return
						}
						_, _ = io.WriteString(c, abc)
					}
				})
				return client, nil
			},
		})
		get := func() io.ReadCloser {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://files.example/", nil)
			require.NoError(t, err)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			return resp.Body
		}
		together := func(n int) {
			var bodies []io.ReadCloser
			for range n {
				bodies = append(bodies, get())
			}
			for _, b := range bodies {
				_, err := io.ReadAll(b)
				require.NoError(t, err)
				require.NoError(t, b.Close())
			}
			synctest.Wait()
		}
		together(3)
		assert.EqualValues(t, 2, open.Load(), "no more than MaxIdle")
		time.Sleep(40 * time.Second)
		together(1)
		assert.EqualValues(t, 3, made.Load())
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 1, open.Load(), "the other was not used for a minute")
		time.Sleep(31 * time.Second)
		synctest.Wait()
		assert.Zero(t, open.Load())
		together(1)
		late := get()
		rt.CloseIdleConnections()
		_, err := io.ReadAll(late)
		require.NoError(t, err)
		synctest.Wait()
		assert.Zero(t, open.Load(), "it came back when nobody wanted it")
		serving.Wait()
	})
}

func TestRequestsThatAreNotTaken(t *testing.T) {
	rt := plain(abc, 0)
	for _, of := range []struct{ method, url, content string }{
		{http.MethodPost, "http://files.example/", ""}, {http.MethodGet, "http://other.example/", ""}, {http.MethodGet, "https://files.example/", ""},
		{http.MethodGet, "http://files.example/", "x"}, {"PROPFIND", "http://files.example/", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), of.method, of.url, strings.NewReader(of.content))
		require.NoError(t, err)
		assert.False(t, rt.Takes(req))
		_, err = rt.RoundTrip(req)
		require.Error(t, err)
	}
	for name, value := range map[string]string{"X": "a\r\nY: b", "X: y": "a", "": "a"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://files.example/", nil)
		require.NoError(t, err)
		req.Header[name] = []string{value}
		_, err = rt.RoundTrip(req)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "Y")
	}
	for _, host := range []string{"", "a:", "ä.example", "[fe80::1%25en0]", "a b", "a/b"} {
		assert.False(t, plainhttp.Reaches(host), host)
	}
	for _, host := range []string{"a", "a:80", "[::1]", "[::1]:8080", "127.0.0.1:80"} {
		assert.True(t, plainhttp.Reaches(host), host)
	}
}

// A server that keeps silent is given up: before its answer, which must be whole in
// the time, and in the body, where each byte gives it time anew. Time in which nobody
// reads is not the server's.
func TestAServerThatKeepsSilent(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		pause  time.Duration // between two bytes
		err    error
		after  time.Duration
	}{
		"no answer":              {"", 0, os.ErrDeadlineExceeded, 30 * time.Second},
		"half a header":          {okay + "X", 0, os.ErrDeadlineExceeded, 30 * time.Second},
		"a header byte by byte":  {okay + "X: yyyyyyyyy\r\n\r\n", time.Second, os.ErrDeadlineExceeded, 30 * time.Second},
		"half a body":            {okay + "Content-Length: 5\r\n\r\nabc", 0, os.ErrDeadlineExceeded, 30 * time.Second},
		"a body in long pauses":  {okay + "Content-Length: 3\r\n\r\n|abc", 29 * time.Second, nil, 3 * 29 * time.Second},
		"a body in longer ones":  {okay + "Content-Length: 3\r\n\r\n|abc", 31 * time.Second, os.ErrDeadlineExceeded, 30 * time.Second},
		"no connection":          {"-", 0, os.ErrDeadlineExceeded, 30 * time.Second},
		"who reads takes a rest": {okay + "Content-Length: 3\r\n\r\nabc", 0, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var serving sync.WaitGroup
				defer serving.Wait()
				rt := plainhttp.New(plainhttp.Config{Host: "files.example", Silence: 30 * time.Second, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					if c.answer == "-" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					client, conn := net.Pipe()
					serving.Go(func() {
						defer conn.Close()
						in := bufio.NewReader(conn)
						if _, err := http.ReadRequest(in); err != nil {
							return
						}
						atOnce, slowly, _ := strings.Cut(c.answer, "|")
						if c.pause > 0 && slowly == "" {
							atOnce, slowly = "", atOnce
						}
						_, _ = io.WriteString(conn, atOnce)
						for _, b := range []byte(slowly) {
							time.Sleep(c.pause)
							_, _ = conn.Write([]byte{b})
						}
						_, _ = in.ReadByte() // until the client hangs up
					})
					return client, nil
				}})
				defer rt.CloseIdleConnections()
				began := time.Now()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://files.example/", nil)
				require.NoError(t, err)
				resp, err := rt.RoundTrip(req)
				if err == nil {
					defer resp.Body.Close()
					if name == "who reads takes a rest" {
						time.Sleep(time.Hour)
						began = time.Now()
					}
					_, err = io.ReadAll(resp.Body)
				}
				require.ErrorIs(t, err, c.err)
				assert.Equal(t, c.after, time.Since(began))
			})
		})
	}
}
