package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
)

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"FOLDERS": "out/*", "LATE": "never"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"TABLE", "OBSERVERS", "FOLDERS", "LATE"} {
		require.ErrorContains(t, err, name+": ")
	}
	assert.Equal(t, []string{"FOLDERS", "LATE", "OBSERVERS", "TABLE"}, env.Asked())

	env.Values = map[string]string{"TABLE": "sets", "OBSERVERS": "https://sqs.us-east-1.amazonaws.com/1/observers", "FOLDERS": "out/*/", "LATE": "reopen"}
	_, err = configure(t.Context(), env.Settings())
	require.NoError(t, err)
}

func TestFolders(t *testing.T) {
	for pattern, want := range map[string]struct {
		root  string
		depth int
	}{"": {"", 0}, "out/": {"out/", 0}, "out/*/": {"out/", 1}, "*/*/": {"", 2}, "out/run-": {"out/run-", 0}} {
		root, depth, err := folders(pattern)
		require.NoError(t, err, pattern)
		assert.Equal(t, want.root, root, pattern)
		assert.Equal(t, want.depth, depth, pattern)
	}
	for _, pattern := range []string{"*", "out/*/x", "out/run-*/", "*/out/"} {
		_, _, err := folders(pattern)
		assert.Error(t, err, pattern)
	}
}
