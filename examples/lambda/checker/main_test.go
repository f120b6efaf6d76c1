package main

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws/emf"
)

// What a dead loader held is free again, and the answer says so.
func TestHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		_, err := store.Claim(t.Context(), "dead", "n", []string{"a.json"}, time.Minute)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		metrics, err := emf.New(io.Discard, emf.Config{})
		require.NoError(t, err)
		c := checker{processor.CheckConfig{Claims: store, FailedURL: t.TempDir()}, metrics}
		answer, err := lambdatest.Serve(t, c.Handle).Invoke([]byte(`{}`), time.Now().Add(15*time.Minute))
		r := lambdatest.Returned[processor.CheckReport](t, answer, err)
		assert.Equal(t, []int64{1, 1}, []int64{r.Expired, r.Released})
		assert.EqualValues(t, 1, r.Counts.Waiting)
	})
}

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"GRACE": "soon"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"CLAIMS", "ASIDE", "GRACE"} {
		require.ErrorContains(t, err, name+": ")
	}
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	assert.Equal(t, stack.Variables("Checker"), env.Asked(), "the template sets what is read, and nothing else")

	env.Values = map[string]string{"CLAIMS": "dynamodb:claims", "ASIDE": t.TempDir(), "PROCESSOR": "{maxRetries: 3, lease: 30s}"}
	for text, want := range map[string]time.Duration{"": time.Minute, "90s": 90 * time.Second, "0s": -1} {
		env.Values["GRACE"] = text
		c, err := configure(t.Context(), env.Settings())
		require.NoError(t, err)
		assert.Equal(t, want, c.cfg.Grace, text)
		assert.Equal(t, 3, c.cfg.MaxRetries, "as the loader")
		assert.Equal(t, 30*time.Second, c.cfg.Lease)
	}
}
