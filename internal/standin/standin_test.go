package standin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen starts a Front that is closed at the end of the test.
func listen(t *testing.T, h Handler) *Front {
	t.Helper()
	f := new(Front)
	require.NoError(t, f.Listen("", h))
	t.Cleanup(f.Close)
	return f
}

// dial connects to it.
func dial(t *testing.T, f *Front) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.URL(), "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// http.Server.Close does not wait for handlers: Front.Close does, and hands no
// request on after it.
func TestCloseWaits(t *testing.T) {
	begun := make(chan struct{})
	var calls, done atomic.Int64
	f := listen(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
		calls.Add(1)
		close(begun)
		<-r.Context().Done()
		for range 1000 {
			runtime.Gosched()
		}
		done.Add(1)
	})
	_, err := io.WriteString(dial(t, f), request)
	require.NoError(t, err)
	<-begun
	f.Close()
	require.EqualValues(t, 1, done.Load())

	f.ServeHTTP(httptest.NewRecorder(), nil) // as by a connection that had read its request already
	require.EqualValues(t, 1, calls.Load())
	require.Equal(t, 1, f.Requests())
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		require.True(t, g.enter())
		require.True(t, g.enter())
		var shut atomic.Bool
		go func() {
			g.shut()
			shut.Store(true)
		}()
		synctest.Wait()
		require.False(t, g.enter(), "it is shut while those inside are waited for")
		g.leave()
		synctest.Wait()
		require.False(t, shut.Load(), "one is inside")
		g.leave()
		synctest.Wait()
		require.True(t, shut.Load())
		g.shut()
	})
}

func TestConnectionsAreCountedUntilTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c connections
		for range 3 {
			c.state(nil, http.StateNew)
			c.state(nil, http.StateActive)
		}
		var ended atomic.Int64
		for range 2 {
			go func() {
				if c.wait(t.Context()) == nil {
					ended.Add(1)
				}
			}()
		}
		for _, s := range []http.ConnState{http.StateIdle, http.StateClosed, http.StateHijacked} {
			c.state(nil, s)
			synctest.Wait()
			require.Zero(t, ended.Load())
		}
		c.state(nil, http.StateClosed)
		synctest.Wait()
		require.EqualValues(t, 2, ended.Load())
		require.NoError(t, c.wait(t.Context()), "none is left")
	})
}

// A client that went away without waiting for an answer is waited for until its
// request was dealt with, and one that stays for as long as it does.
func TestWaitHangup(t *testing.T) {
	var dealt atomic.Int64
	f := listen(t, func(w http.ResponseWriter, _ *http.Request, number int) {
		dealt.Add(1)
		if number%2 == 0 {
			Cut(w)
		}
	})
	require.NoError(t, f.WaitHangup(t.Context()), "nobody is there")
	dealt.Store(0)
	const clients = 20
	for range clients {
		conn := dial(t, f)
		_, err := io.WriteString(conn, request)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, f.WaitHangup(t.Context()))
	require.EqualValues(t, clients+1, dealt.Load(), "those, and the one by which it knows")

	stays := dial(t, f)
	limited, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := f.WaitHangup(limited)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "wait for clients to hang up")
	require.NoError(t, stays.Close())
	require.NoError(t, f.WaitHangup(t.Context()))
}

func TestOutageIsByTheClock(t *testing.T) {
	f := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int) {})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reached := func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL(), nil) // no POST is tried again
		require.NoError(t, err)
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	}
	require.True(t, reached())
	f.Outage(time.Hour)
	require.False(t, reached())
	f.Advance(time.Hour)
	require.True(t, reached())
	f.Outage(time.Hour)
	f.Outage(0)
	require.True(t, reached())
	require.Equal(t, 4, f.Requests())
}

func TestCallsAreCounted(t *testing.T) {
	f := listen(t, nil)
	f.Count("Put")
	f.Count("Put")
	require.Equal(t, 2, f.Calls("Put"))
	require.Zero(t, f.Calls("Get"))
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		start := time.Now()
		require.Equal(t, start, c.Now())
		c.Advance(time.Hour) // nobody waits
		moved := c.Moved()
		require.Equal(t, start.Add(time.Hour), c.Now())
		select {
		case <-moved:
			t.Error("it was moved before, not since")
		default:
		}
		woken := make(chan time.Time)
		for range 2 {
			go func() { // as one that waits for a time does
				moved := c.Moved()
				for now := c.Now(); now.Before(start.Add(3 * time.Hour)); now = c.Now() {
					<-moved
					moved = c.Moved()
				}
				woken <- c.Now()
			}()
		}
		synctest.Wait()
		c.Advance(time.Hour)
		synctest.Wait()
		<-moved
		time.Sleep(time.Minute)
		c.Advance(time.Hour)
		for range 2 {
			require.Equal(t, start.Add(3*time.Hour+time.Minute), <-woken)
		}
	})
}

func TestUnescape(t *testing.T) {
	for s, want := range map[string]struct {
		r    rune
		size int
	}{
		`\"x`: {'"', 2}, `\\x`: {'\\', 2}, `\/x`: {'/', 2}, `\bx`: {'\b', 2}, `\fx`: {'\f', 2}, `\nx`: {'\n', 2}, `\rx`: {'\r', 2}, `\tx`: {'\t', 2},
		`\u00e9x`: {'é', 6}, `\u00E9x`: {'é', 6}, `\ud83d\ude00x`: {'😀', 12}, `\uFFFD`: {'\uFFFD', 6},
		`\ud83dx`: {0xD83D, 6}, `\ud83d`: {0xD83D, 6}, `\ude00\ud83d`: {0xDE00, 6}, `\ud83d\ud83d`: {0xD83D, 6}, `\ud83d\n`: {0xD83D, 6}, // half a pair
		`\`: {}, `\x`: {}, `\u00e`: {}, `\u00eg`: {}, `\u+0e9`: {}, `\U00e9`: {},
	} {
		r, size := Unescape(s)
		require.Equal(t, want.r, r, s)
		require.Equal(t, want.size, size, s)
		again, size := Unescape([]byte(s))
		require.Equal(t, want.r, again, s)
		require.Equal(t, want.size, size, s)
		if size == 0 || utf16.IsSurrogate(r) {
			continue
		}
		var whole string
		require.NoError(t, json.Unmarshal([]byte(`"`+s+`"`), &whole))
		require.Equal(t, string(r)+s[size:], whole)
	}
}
