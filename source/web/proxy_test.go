package web_test

import (
	"crypto/rand"
	"io"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/faultproxy"
)

// behind puts a proxy in front of a server.
func behind(t *testing.T, server string) (*faultproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	proxy, err := faultproxy.Start(u.Host, nil)
	require.NoError(t, err)
	t.Cleanup(proxy.Close)
	u.Host = proxy.Addr()
	return proxy, u.String()
}

// TestConnectionsToRealServersAreCut in the middle of an object: it is whole in
// the end.
func TestConnectionsToRealServersAreCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second for each server")
	}
	on(t, func(s server) bool { return s.one }, func(t *testing.T, s server, url, root string) {
		t.Parallel()
		// More than the buffers of the connections hold.
		content := make([]byte, 12<<20)
		_, err := rand.Read(content)
		require.NoError(t, err)
		write(t, root, "large", string(content))
		proxy, url := behind(t, url)
		src := open(t, url, s.cfg)

		r, _, err := src.Open(t.Context(), object("large"), 0, -1)
		require.NoError(t, err)
		defer r.Close()
		got := make([]byte, len(content))
		_, err = io.ReadFull(r, got[:1<<20])
		require.NoError(t, err)
		made := proxy.Made()
		require.Positive(t, proxy.Cut())
		_, err = io.ReadFull(r, got[1<<20:])
		require.NoError(t, err)
		require.Equal(t, content, got)
		_, err = r.Read(got)
		require.Equal(t, io.EOF, err)
		assert.Greater(t, proxy.Made(), made)
	})
}
