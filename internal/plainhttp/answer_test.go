package plainhttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/plainhttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a connection on which a server says what it says whatever it is asked,
// and hangs up.
type script struct {
	net.Conn // of which nothing else is called
	answer   io.Reader
	piece    int // bytes that come at once; 0 for all
	asked    chan struct{}
	once     sync.Once
}

func (s *script) Read(p []byte) (int, error) {
	<-s.asked
	if s.piece > 0 {
		p = p[:min(len(p), s.piece)]
	}
	return s.answer.Read(p)
}

func (s *script) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.asked) })
	return len(p), nil
}

func (s *script) SetDeadline(time.Time) error { return nil }

func (s *script) Close() error {
	s.once.Do(func() { close(s.asked) })
	return nil
}

func says(answer string, piece int) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		return &script{answer: strings.NewReader(answer), piece: piece, asked: make(chan struct{})}, nil
	}
}

// got is what a client makes of an answer.
type got struct {
	Status  string
	Header  http.Header
	Length  int64
	Chunked bool
	Body    string
	err     error
}

func ask(t testing.TB, rt http.RoundTripper, method string) got {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://files.example/a", nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return got{resp.Status, resp.Header, resp.ContentLength, len(resp.TransferEncoding) > 0, string(body), err}
}

func plain(answer string, piece int) *plainhttp.Transport {
	return plainhttp.New(plainhttp.Config{Host: "files.example", DialContext: says(answer, piece)})
}

// stdlib is what net/http makes of an answer, which it gives the provisional ones
// apart.
func stdlib(answer, method string) got {
	in := bufio.NewReader(strings.NewReader(answer))
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		switch {
		case err != nil:
			return got{err: err}
		case resp.StatusCode < 200:
			continue
		}
		body, err := io.ReadAll(resp.Body)
		return got{resp.Status, resp.Header, resp.ContentLength, len(resp.TransferEncoding) > 0, string(body), err}
	}
}

const okay = "HTTP/1.1 200 OK\r\n"

// What is taken is taken as net/http takes it: the same status, header, length,
// body, and cuts.
func TestAnswersAreReadAsNetHTTPReadsThem(t *testing.T) {
	for name, answer := range map[string]string{
		"a length":                        okay + "Content-Length: 3\r\nETag: \"x\"\r\n\r\nabc",
		"nothing":                         okay + "Content-Length: 0\r\n\r\n",
		"chunks":                          okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",
		"Chunks, a trailer":               okay + "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"the end of the connection":       okay + "\r\nabc",
		"HTTP/1.0":                        "HTTP/1.0 200 OK\r\n\r\nabc",
		"HTTP/1.0 and a length":           "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
		"no reason":                       "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
		"not even a space":                "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
		"lines without a carriage return": "HTTP/1.1 200 OK\nContent-Length: 3\nA:b\n\nabc",
		"header fields of one name":       okay + "a: 1\r\nA:  2 \r\nB:\r\nContent-Length: 0\r\n\r\n",
		"no content":                      "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
		"not modified, of so many bytes":  "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
		"a part":                          "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/5\r\nContent-Length: 3\r\n\r\nabc",
		"provisional answers":             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okay + "Content-Length: 3\r\n\r\nabc",
		"a body that is cut":              okay + "Content-Length: 5\r\n\r\nabc",
		"a body that never comes":         okay + "Content-Length: 5\r\n\r\n",
		"no last chunk":                   okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"a chunk that is cut":             okay + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"no trailer":                      okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
		"a trailer that is cut":           okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n",
		"a header that is cut":            okay + "Content-Le",
		"a status that is cut":            "HTTP/1.1 20",
		"silence":                         "",
		"more than its length":            okay + "Content-Length: 3\r\n\r\nabcdef",
		"more behind the chunks":          okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nmore",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			t.Run(method+" "+name, func(t *testing.T) {
				if method == http.MethodHead { // what such answers are
					head, _, _ := strings.Cut(answer, "\r\n\r\n")
					if !strings.Contains(answer, "\r\n\r\n") || strings.Contains(name, "provisional") {
						t.Skip()
					}
					answer = head + "\r\n\r\n"
				}
				for _, piece := range []int{0, 1, 7} {
					want, have := stdlib(answer, method), ask(t, plain(answer, piece), method)
					assert.Equal(t, want.err == nil, have.err == nil, "%v, %v", want.err, have.err)
					if have.err != nil {
						assert.ErrorIs(t, have.err, io.ErrUnexpectedEOF)
					}
					want.err, have.err = nil, nil
					assert.Equal(t, want, have)
				}
			})
		}
	}
}

// What RFC 9112 calls malformed is refused, also where net/http guesses, and with
// nothing of it in the error.
func TestMalformedAnswersAreRefused(t *testing.T) {
	for name, answer := range map[string]string{
		"another version":                  okay[:5] + "2.0 200 OK\r\n\r\n",
		"another protocol":                 "SSH-2.0-secret\r\n\r\n",
		"a version in small letters":       "http/1.1 200 OK\r\n\r\n",
		"no status":                        "HTTP/1.1 OK\r\n\r\n",
		"a status of four digits":          "HTTP/1.1 2000 secret\r\n\r\n",
		"a status below 100":               "HTTP/1.1 099 secret\r\n\r\n",
		"a control character in it":        "HTTP/1.1 200 sec\x01ret\r\n\r\n",
		"a blank line first":               "\r\n" + okay + "\r\n",
		"a folded line":                    okay + "X: a\r\n secret\r\n\r\n",
		"a folded first line":              okay + " secret: a\r\n\r\n",
		"a space before the colon":         okay + "Content-Length : 3\r\n\r\nabc",
		"a line without a colon":           okay + "secret\r\n\r\n",
		"a field without a name":           okay + ": secret\r\n\r\n",
		"a carriage return in a value":     okay + "X: a\rsecret: b\r\n\r\n",
		"a zero byte in a value":           okay + "X: secret\x00\r\n\r\n",
		"a negative length":                okay + "Content-Length: -3\r\n\r\nabc",
		"a length with a sign":             okay + "Content-Length: +3\r\n\r\nabc",
		"an empty length":                  okay + "Content-Length:\r\n\r\nabc",
		"a length in hex":                  okay + "Content-Length: 0x3\r\n\r\nabc",
		"a length that is too large":       okay + "Content-Length: 99999999999999999999\r\n\r\nabc",
		"a length, sent twice":             okay + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"two lengths":                      okay + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"two lengths in one line":          okay + "Content-Length: 3, 3\r\n\r\nabc",
		"a length and chunks":              okay + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"another coding":                   okay + "Transfer-Encoding: gzip\r\n\r\nabc",
		"two codings":                      okay + "Transfer-Encoding: gzip, chunked\r\n\r\nabc",
		"chunks, twice":                    okay + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks in HTTP/1.0":               "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks of nothing":                "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a length of nothing":              "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
		"switching protocols":              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"provisional answers for ever":     strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10_000),
		"a provisional answer with a body": "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc" + okay + "\r\n",
		"a header for ever":                okay + strings.Repeat("X: secret\r\n", 10_000),
		"a line for ever":                  okay + "X: " + strings.Repeat("secret", 20_000),
		"a status line for ever":           "HTTP/1.1 200 " + strings.Repeat("secret", 20_000),
		"chunks of a size that is none":    okay + "Transfer-Encoding: chunked\r\n\r\nsecret\r\n",
		"chunks of a negative size":        okay + "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
		"chunks of a size too large":       okay + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
		"a chunk longer than its size":     okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
		"a trailer that is no field":       okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nsecret\r\n\r\n",
		"a trailer for ever":               okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n" + strings.Repeat("X: secret\r\n", 10_000),
		"a trailer line for ever":          okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: " + strings.Repeat("secret", 20_000),
		"a trailer with bare line feeds":   okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			have := ask(t, plain(answer, 0), http.MethodGet)
			require.Error(t, have.err)
			assert.NotErrorIs(t, have.err, io.EOF)
			assert.NotContains(t, have.err.Error(), "secret")
		})
	}
}

// FuzzAnswer: what is taken for an answer is one for net/http, and the same.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		okay + "Content-Length: 3\r\nETag: \"x\"\r\n\r\nabc", okay + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 200 OK\n\nabc", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nA: b\r\nA: c\r\n\r\n",
		"HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", okay + " a: b\r\n\r\n", okay + "a : b\r\n\r\n",
	} {
		f.Add(answer, false)
		f.Add(answer, true)
	}
	f.Fuzz(func(t *testing.T, answer string, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		have := ask(t, plain(answer, 0), method)
		if have.err != nil && have.Status == "" {
			return
		}
		want := stdlib(answer, method)
		require.NotEmpty(t, want.Status, "net/http refuses it: %v", want.err)
		if have.err != nil { // in the body, where net/http may have taken more
			require.True(t, strings.HasPrefix(want.Body, have.Body))
			return
		}
		require.Equal(t, want, have)
	})
}
