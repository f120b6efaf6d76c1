package main

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/examples/lambda/env"
	"github.com/unspool-go/unspool/processor"
)

// What a dead loader held is free again, and the answer says so.
func TestHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		_, err := store.Claim(t.Context(), "dead", "n", []string{"a.json"}, time.Minute)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		c := checker{processor.CheckConfig{Claims: store, FailedURL: t.TempDir()}}
		answer, err := lambda.NewHandler(c.Handle).Invoke(ctx, []byte(`{}`))
		require.NoError(t, err)
		var r processor.CheckReport
		require.NoError(t, json.Unmarshal(answer, &r))
		assert.Equal(t, []int64{1, 1}, []int64{r.Expired, r.Released})
		assert.EqualValues(t, 1, r.Counts.Waiting)
	})
}

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	values := map[string]string{"GRACE": "soon"}
	environment := func() *env.Env {
		return env.New(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	}
	_, err := configure(t.Context(), environment())
	for _, name := range []string{"CLAIMS", "ASIDE", "GRACE"} {
		require.ErrorContains(t, err, name+": ")
	}
	values = map[string]string{"CLAIMS": "claims", "ASIDE": t.TempDir()}
	for text, want := range map[string]time.Duration{"": time.Minute, "90s": 90 * time.Second, "0s": -1} {
		values["GRACE"] = text
		cfg, err := configure(t.Context(), environment())
		require.NoError(t, err)
		assert.Equal(t, want, cfg.Grace, text)
	}
}
