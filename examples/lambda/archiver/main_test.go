package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
	"github.com/unspool-go/unspool/source/dir"
)

// What is finished is moved and forgotten, the rest stays, and the answer says so.
func TestHandle(t *testing.T) {
	folder, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"done.json", "new.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("{}"), 0o600))
	}
	source, err := dir.Open(folder, dir.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { source.Close() })
	store := memory.New()
	results, err := store.Claim(t.Context(), "worker", "n", []string{"done.json"}, time.Minute)
	require.NoError(t, err)
	require.NoError(t, store.Complete(t.Context(), []claim.Lease{results[0].Lease}))

	metrics, err := emf.New(io.Discard, emf.Config{})
	require.NoError(t, err)
	a := archiver{processor.ArchiveConfig{Source: source, Claims: store, To: to}, metrics}
	answer, err := lambdatest.Serve(t, a.Handle).Invoke([]byte(`{}`), time.Now().Add(15*time.Minute))
	r := lambdatest.Returned[processor.ArchiveReport](t, answer, err)
	assert.Equal(t, []int64{1, 1}, []int64{r.Archived, r.Unfinished})
	assert.FileExists(t, filepath.Join(to, "done.json"))
	assert.FileExists(t, filepath.Join(folder, "new.json"))
}

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"AFTER": "-1h", "FORGET": "soon", "DELETE": "no"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"SOURCE", "CLAIMS", "ARCHIVE", "AFTER", "FORGET", "DELETE"} {
		require.ErrorContains(t, err, name+": ")
	}
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	assert.Equal(t, stack.Variables("Archiver"), env.Asked(), "the template sets what is read, and nothing else")

	env.Values = map[string]string{"SOURCE": t.TempDir(), "CLAIMS": "dynamodb:claims", "DELETE": "true", "PROCESSOR": "{claimVersion: true}"}
	a, err := configure(t.Context(), env.Settings())
	require.NoError(t, err)
	assert.True(t, a.cfg.Delete)
	assert.True(t, a.cfg.ClaimVersion, "as the loader")
	assert.Equal(t, []time.Duration{24 * time.Hour, 720 * time.Hour}, []time.Duration{a.cfg.After, a.cfg.ForgetAfter})
	assert.Empty(t, a.cfg.RetryURL)

	env.Values["AFTER"], env.Values["FORGET"], env.Values["ASIDE"] = "0s", "0s", "/aside"
	a, err = configure(t.Context(), env.Settings())
	require.NoError(t, err)
	assert.Zero(t, a.cfg.After, "at once")
	assert.Zero(t, a.cfg.ForgetAfter, "never")
	assert.Equal(t, "/aside/retry", a.cfg.RetryURL)
}
