package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	claims "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/examples/lambda/env"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/dir"
)

// scene is a loader of 100 files, the first of which somebody else holds.
func scene(t *testing.T, hook func(context.Context) error) (loader, *claims.Store, *memory.Sink) {
	t.Helper()
	folder := t.TempDir()
	for i := range 100 {
		name := filepath.Join(folder, fmt.Sprintf("%d.json", i))
		require.NoError(t, os.WriteFile(name, fmt.Appendf(nil, "# a comment\n{\"id\":%d}", i), 0o600))
	}
	source, err := dir.Open(folder, dir.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { source.Close() })
	store := claims.New()
	_, err = store.Claim(t.Context(), "other", "n", []string{"0.json"}, time.Hour)
	require.NoError(t, err)
	fields, err := project("id")
	require.NoError(t, err)
	out := memory.New(memory.Config{Hook: func(ctx context.Context, _ []sink.Message) error { return hook(ctx) }})
	aside := t.TempDir()
	service, err := processor.New(processor.Config{
		Source: source, Claimer: store, Transform: fields, Sink: out,
		RetryURL: aside + "/r", FailedURL: aside + "/f", CorruptionURL: aside + "/c",
	})
	require.NoError(t, err)
	return loader{service}, store, out
}

// It ends by itself when all that is left is held by others, and answers with the
// numbers.
func TestItEndsByItself(t *testing.T) {
	l, _, out := scene(t, func(context.Context) error { return nil })
	answer, err := lambda.NewHandler(l.Handle).Invoke(t.Context(), []byte(`{"source":"aws.events"}`))
	require.NoError(t, err)
	var r processor.Response
	require.NoError(t, json.Unmarshal(answer, &r))
	assert.Equal(t, processor.StatusOK, r.Status)
	assert.Equal(t, []int64{99, 99, 1}, []int64{r.Finished, r.Delivered, r.Held})
	assert.NotEmpty(t, out.Messages())
}

// It stops before its time is up, without an error, and holds nothing then.
func TestItStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store, _ := scene(t, func(ctx context.Context) error {
			<-ctx.Done() // the queue does not answer
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		answer, err := lambda.NewHandler(l.Handle).Invoke(ctx, []byte(`{}`))
		require.NoError(t, err)
		var r processor.Response
		require.NoError(t, json.Unmarshal(answer, &r))
		assert.Equal(t, processor.StatusStopped, r.Status)
		assert.Zero(t, r.Finished)
		counts, err := store.Count(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, counts.Processing, "what the other one holds")
		entries, err := store.Inspect(t.Context(), []string{"1.json"})
		require.NoError(t, err)
		assert.Equal(t, claim.Free, entries[0].State)
	})
}

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	values := map[string]string{}
	environment := func() *env.Env {
		return env.New(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	}
	_, err := configure(t.Context(), environment())
	for _, name := range []string{"SOURCE", "QUEUE", "CLAIMS", "ASIDE"} {
		require.ErrorContains(t, err, name+": not set")
		values[name] = t.TempDir()
	}
	values["QUEUE"], values["CLAIMS"], values["SELECT"] = "feeds", "claims", "id,user=user.screen_name"
	cfg, err := configure(t.Context(), environment())
	require.NoError(t, err)
	_, err = processor.New(cfg)
	require.NoError(t, err)
	values["SELECT"] = "a,,b"
	_, err = configure(t.Context(), environment())
	require.Error(t, err)
}
