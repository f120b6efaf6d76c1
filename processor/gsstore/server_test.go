package gsstore_test

import (
	"context"
	"net"
	"net/http"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/internal/testtool"
)

// The same rules through a server of others, and the network.
func TestRulesOnFakeGCSServer(t *testing.T) {
	tool, addr := testtool.Find(t, "fake-gcs-server"), testtool.Addr(t)
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cmd := exec.CommandContext(context.Background(), tool, "-scheme", "http", "-host", host, "-port", port,
		"-public-host", addr, "-external-url", "http://"+addr, "-backend", "memory", "-log-level", "error")
	testtool.Start(t, cmd, testtool.Listening(addr))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	client, err := gcsfake.ClientOf("http://"+addr, transport)
	require.NoError(t, err)
	require.NoError(t, client.Bucket("bucket").Create(t.Context(), "project", nil))
	followRules(t, manager(t, client))
}
