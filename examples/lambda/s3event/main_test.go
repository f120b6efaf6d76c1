package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/examples/lambda/template"
)

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"SELECT": "a,,b", "PROCESSOR": "x"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"SOURCE", "QUEUE", "CLAIMS", "ASIDE", "SELECT", "PROCESSOR"} {
		require.ErrorContains(t, err, name+": ")
	}
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	assert.Equal(t, stack.Variables("S3Event"), env.Asked(), "the template sets what is read, and nothing else")

	env.Values = map[string]string{"SOURCE": "s3://feeds/in", "QUEUE": "feeds", "CLAIMS": "dynamodb:claims", "ASIDE": "s3://feeds/aside"}
	_, err = configure(t.Context(), env.Settings())
	require.NoError(t, err)
	env.Values["SOURCE"] = t.TempDir()
	_, err = configure(t.Context(), env.Settings())
	require.Error(t, err, "no event tells of a folder")
}
