package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	claims "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
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
	out := memory.New(memory.Config{Hook: func(ctx context.Context, _ []sink.Message) error { return hook(ctx) }})
	aside := t.TempDir()
	service, err := processor.New(processor.Config{
		Source: source, Claimer: store, Sink: out,
		Transform: transform.Chain(transform.StripPreamble{}, transform.MustProject("id")),
		RetryURL:  aside + "/r", FailedURL: aside + "/f", CorruptionURL: aside + "/c",
	})
	require.NoError(t, err)
	metrics, err := emf.New(io.Discard, emf.Config{})
	require.NoError(t, err)
	return loader{service, metrics}, store, out
}

// It ends by itself when all that is left is held by others, and answers with the
// numbers.
func TestItEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, out := scene(t, func(context.Context) error { return nil })
		answer, err := lambdatest.Serve(t, l.Handle).Invoke([]byte(`{"source":"aws.events"}`), time.Now().Add(15*time.Minute))
		r := lambdatest.Returned[processor.Response](t, answer, err)
		assert.Equal(t, processor.StatusOK, r.Status)
		assert.Equal(t, []int64{99, 99, 1}, []int64{r.Finished, r.Delivered, r.Held})
		assert.NotEmpty(t, out.Messages())
	})
}

// It stops before its time is up, without an error, and holds nothing then.
func TestItStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store, _ := scene(t, func(ctx context.Context) error {
			<-ctx.Done() // the queue does not answer
			return ctx.Err()
		})
		answer, err := lambdatest.Serve(t, l.Handle).Invoke([]byte(`{}`), time.Now().Add(15*time.Minute))
		r := lambdatest.Returned[processor.Response](t, answer, err)
		assert.True(t, answer.InTime())
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
	env := &setuptest.Environment{Values: map[string]string{}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"SOURCE", "QUEUE", "CLAIMS", "ASIDE"} {
		require.ErrorContains(t, err, name+": not set")
		env.Values[name] = t.TempDir()
	}
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	assert.Equal(t, stack.Variables("Loader"), env.Asked(), "the template sets what is read, and nothing else")

	env.Values["QUEUE"], env.Values["CLAIMS"], env.Values["SELECT"] = "feeds", "dynamodb:claims", "id,user=user.screen_name"
	for _, source := range []string{env.Values["SOURCE"], "http://127.0.0.1/feeds/", "https://feeds.example/", "s3://feeds/in", "s3://feeds"} {
		env.Values["SOURCE"] = source
		_, err = configure(t.Context(), env.Settings())
		require.NoError(t, err, source)
	}
	for _, claims := range []string{"s3://bucket/claims", "redis://:word@127.0.0.1:6379/0?prefix=feeds"} {
		env.Values["CLAIMS"] = claims
		_, err = configure(t.Context(), env.Settings())
		require.NoError(t, err, claims)
	}
	for name, value := range map[string]string{
		"SOURCE": "ftp://feeds", "CLAIMS": "redis://:word@nowhere:x", "SELECT": "a,,b", "QUEUE": "no queue", "PROCESSOR": "{lease: 1ms}",
	} {
		before := env.Values[name]
		env.Values[name] = value
		_, err = configure(t.Context(), env.Settings())
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), "word")
		if name != "PROCESSOR" { // the library names the value
			require.ErrorContains(t, err, name+": ")
		}
		env.Values[name] = before
	}
}
