package s3store_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor/s3store"
)

// killedChild holds the endpoint that a child of the test writes to.
const killedChild = "UNSPOOL_TEST_S3_ENDPOINT"

const (
	killedFolder = "s3://bucket/killed"
	killedPieces = 3 // that have arrived for sure
)

// TestKilledChild is the child: it writes an object without an end, and says so
// when the first pieces are there.
func TestKilledChild(t *testing.T) {
	endpoint := os.Getenv(killedChild)
	if endpoint == "" {
		t.Skip("run by aKilledUploadIsInvisible")
	}
	m, err := s3store.New(s3fake.ClientOf(endpoint, http.DefaultTransport), s3store.Config{PartBytes: pieceLen, Parallel: 1})
	require.NoError(t, err)
	u, err := m.Begin(t.Context(), killedFolder+"/object")
	require.NoError(t, err)
	piece := make([]byte, pieceLen)
	for n := 0; ; n++ {
		_, err := u.Write(piece)
		require.NoError(t, err)
		if n == killedPieces+1 { // one is being filled, one is on its way
			fmt.Fprintln(os.Stderr, "ready")
		}
	}
}

func aKilledUploadIsInvisible(t *testing.T, endpoint string, client s3store.Client) {
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestKilledChild$")
	child.Env = append(os.Environ(), killedChild+"="+endpoint)
	output, err := child.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())

	m := manager(t, client)
	for o, err := range m.All(t.Context(), killedFolder) {
		require.NoError(t, err)
		t.Errorf("%s is visible", o.URL())
	}
	there, err := m.Exists(t.Context(), killedFolder+"/object")
	require.NoError(t, err)
	assert.False(t, there)
	upload(t, m, killedFolder+"/object", "the name is free")
	assert.Equal(t, "the name is free", read(t, m, killedFolder+"/object"))
}

func TestAKilledUploadIsInvisible(t *testing.T) {
	server := &s3fake.Server{Forget: true}
	web := httptest.NewServer(server)
	defer web.Close()
	aKilledUploadIsInvisible(t, web.URL, server.Client())
	assert.Equal(t, 1, server.Uploads(), "left to the lifecycle rule")
}
