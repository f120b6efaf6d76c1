package testtool

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// body is a request's body that is closed as the SDK's is.
type body struct {
	io.Reader
	closed chan struct{}
	once   *sync.Once
}

func (b body) Read(p []byte) (int, error) {
	select {
	case <-b.closed:
		return 0, io.EOF
	default:
		return b.Reader.Read(p)
	}
}

func (b body) WriteTo(w io.Writer) (int64, error) {
	select {
	case <-b.closed:
		return 0, io.EOF
	default:
		return io.Copy(w, b.Reader)
	}
}

func (b body) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// held is a connection of which a write returns when the body is closed, once all
// of the body was written.
type held struct {
	net.Conn
	written *atomic.Int64
	all     int64
	closed  <-chan struct{}
}

func (h held) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if h.written.Add(int64(n)) >= h.all {
		<-h.closed
	}
	return n, err
}

func TestABodyThatIsClosedDoesNotCutTheAnswerOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = http.NewResponseController(w).Flush()
		select { // time for the client to cut it off
		case <-r.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
		_, _ = io.WriteString(w, "all of it")
	}))
	defer server.Close()
	content := strings.Repeat("x", 64<<10)
	b := body{strings.NewReader(content), make(chan struct{}), new(sync.Once)}
	dialer := new(net.Dialer)
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		return held{conn, new(atomic.Int64), int64(len(content)), b.closed}, err
	}}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, b)
	require.NoError(t, err)
	r.ContentLength = int64(len(content))
	resp, err := (&http.Client{Transport: Transport(tr)}).Do(r)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "all of it", string(answer))
}
