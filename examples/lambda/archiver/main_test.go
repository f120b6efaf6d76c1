package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/examples/lambda/env"
	"github.com/unspool-go/unspool/processor"
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

	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	a := archiver{processor.ArchiveConfig{Source: source, Claims: store, To: to}}
	answer, err := lambda.NewHandler(a.Handle).Invoke(ctx, []byte(`{}`))
	require.NoError(t, err)
	var r processor.ArchiveReport
	require.NoError(t, json.Unmarshal(answer, &r))
	assert.Equal(t, []int64{1, 1}, []int64{r.Archived, r.Unfinished})
	assert.FileExists(t, filepath.Join(to, "done.json"))
	assert.FileExists(t, filepath.Join(folder, "new.json"))
}

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	values := map[string]string{"AFTER": "-1h", "FORGET": "soon"}
	environment := func() *env.Env {
		return env.New(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	}
	_, err := configure(t.Context(), environment())
	for _, name := range []string{"SOURCE", "CLAIMS", "ARCHIVE", "AFTER", "FORGET"} {
		require.ErrorContains(t, err, name+": ")
	}
	values = map[string]string{"SOURCE": t.TempDir(), "CLAIMS": "claims", "DELETE": "true"}
	cfg, err := configure(t.Context(), environment())
	require.NoError(t, err)
	assert.True(t, cfg.Delete)
	assert.Equal(t, []time.Duration{24 * time.Hour, 720 * time.Hour}, []time.Duration{cfg.After, cfg.ForgetAfter})
	assert.Empty(t, cfg.RetryURL)

	values["AFTER"], values["FORGET"], values["ASIDE"] = "0s", "0s", "/aside"
	cfg, err = configure(t.Context(), environment())
	require.NoError(t, err)
	assert.Zero(t, cfg.After, "at once")
	assert.Zero(t, cfg.ForgetAfter, "never")
	assert.Equal(t, "/aside/retry", cfg.RetryURL)
}
