//go:build gs

package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/gcsfake"
)

// Files, what cannot be delivered, and the archive may be in Google Cloud.
func TestAllInGoogleCloud(t *testing.T) {
	store := new(gcsfake.Server)
	server := httptest.NewServer(store)
	defer server.Close()
	t.Setenv("STORAGE_EMULATOR_HOST", server.URL)
	store.Put("bucket", "in/a.json", `{"id":1}`, "")
	store.Put("bucket", "in/b.json", `{"id":2}{`, "")
	places := []string{
		"--source", "gs://bucket/in", "--claims", "disk:" + t.TempDir() + "/claims",
		"--retry", "gs://bucket/retry", "--failed", "gs://bucket/failed", "--corruption", "gs://bucket/corruption",
	}
	code, out, errs := runHere(t, append([]string{"run", "--sink", "stdout:"}, places...)...)
	require.Equal(t, exitOK, code, errs)
	assert.Equal(t, 2, strings.Count(out, `{"id":`), out)
	code, out, errs = runHere(t, append([]string{"explain", "b.json"}, places...)...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "state       finished\n")
	assert.Contains(t, out, "corruption  b.json")

	code, _, errs = runHere(t, "run", "--source", "gs://", "--sink", "stdout:", "--claims", "memory:",
		"--retry", "gs://bucket/retry", "--failed", "gs://bucket/failed", "--corruption", "gs://bucket/corruption")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, `--source: "gs://" is no gs://BUCKET/PREFIX`)
}
