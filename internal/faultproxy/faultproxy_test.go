package faultproxy

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that answers with what it was sent, and tells what came.
type echo struct {
	net.Listener
	came chan []byte
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e := &echo{Listener: l, came: make(chan []byte, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				buf := make([]byte, 1<<10)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					e.came <- bytes.Clone(buf[:n])
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return e
}

func startProxy(t *testing.T, e *echo, plan func(int) Fault) *Proxy {
	t.Helper()
	p, err := Start(e.Addr().String(), plan)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// dial connects to the proxy; no read waits for ever.
func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	t.Cleanup(func() { c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// broken says that the connection was reset, and did not just end.
func broken(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	var timeout net.Error
	if assert.ErrorAs(t, err, &timeout) {
		require.False(t, timeout.Timeout())
	}
}

func TestBytesPassBothWays(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the end passes too")
	require.Equal(t, 1, p.Made())
}

// refused says that a connection is reset while it is made, or at once.
func refused(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	broken(t, c)
}

func TestCutResetsWhatIsThere(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	require.Equal(t, 1, p.Cut())
	broken(t, c)
	c = dial(t, p)
	say(t, c, "two")
	hear(t, c, "two")
}

func TestRedirectedToAnotherServer(t *testing.T) {
	one, two := startEcho(t), startEcho(t)
	p := startProxy(t, one, nil)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	<-one.came
	p.Set(Fault{Hole: true})
	say(t, c, "lost")
	p.Redirect(two.Addr().String())
	p.Heal()
	broken(t, c)
	c = dial(t, p)
	say(t, c, "two")
	hear(t, c, "two")
	require.Equal(t, "two", string(<-two.came))
	require.Empty(t, one.came, "what was held is not passed on")
}

func TestRefusedUntilHealed(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	p.Set(Fault{Refuse: true})
	refused(t, p)
	p.Heal()
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
}

func TestAHoleHoldsBackAndThenDelivers(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	<-e.came
	p.Set(Fault{Hole: true})
	require.Zero(t, p.Held())
	say(t, c, "two")
	require.Eventually(t, func() bool { return p.Held() == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err, "nothing comes through")
	require.Empty(t, e.came)
	c.Close() // the client gives up: what it sent arrives all the same
	p.Heal()
	require.Equal(t, "two", string(<-e.came))
	require.Eventually(t, func() bool { return p.Held() == 0 }, 30*time.Second, time.Millisecond)
}

func TestALostAnswerMeansThatTheRequestArrived(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	p.Set(Fault{LoseAnswers: true})
	c := dial(t, p)
	say(t, c, "one")
	require.Equal(t, "one", string(<-e.came))
	broken(t, c)
}

func TestCutAfterSoManyBytes(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, func(int) Fault { return Fault{CutAfter: 6} })
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	<-e.came
	say(t, c, "two")
	broken(t, c)
	require.Empty(t, e.came)
}

func TestSlowConnectionsTakeTheirTime(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, func(int) Fault { return Fault{Delay: 20 * time.Millisecond, BytesPerSecond: 100} })
	c := dial(t, p)
	start := time.Now()
	say(t, c, "12345")
	hear(t, c, "12345")
	assert.GreaterOrEqual(t, time.Since(start), 2*(20+50)*time.Millisecond)
}

func TestAServerThatIsAwayIsAProxyThatIsAway(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	e.Close()
	refused(t, p)
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	e := startEcho(t)
	p := startProxy(t, e, nil)
	p.Set(Fault{Hole: true})
	c := dial(t, p)
	say(t, c, "one")
	require.Eventually(t, func() bool { return p.Made() == 1 }, 30*time.Second, time.Millisecond)
	p.Close()
	broken(t, c)
}

func TestASeedDecidesAboutEachConnection(t *testing.T) {
	odds := Odds{Refuse: 0.2, LoseAnswers: 0.2, Cut: 0.2, Slow: 0.2}
	plan, again, other := Random(1, odds), Random(1, odds), Random(2, odds)
	seen, differ := map[Fault]bool{}, false
	for n := range 1000 {
		f := plan(n)
		require.Equal(t, f, again(n))
		differ = differ || f != other(n)
		seen[Fault{Refuse: f.Refuse, LoseAnswers: f.LoseAnswers, CutAfter: min(f.CutAfter, 1), Delay: min(f.Delay, 1)}] = true
	}
	require.True(t, differ)
	require.Len(t, seen, 5, "every kind of fault, and none")
}
