package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/examples/lambda/template"
)

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"FOLDERS": "out/*", "LATE": "never"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"TABLE", "OBSERVERS", "FOLDERS", "LATE"} {
		require.ErrorContains(t, err, name+": ")
	}
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	assert.Equal(t, stack.Variables("Monitor"), env.Asked(), "the template sets what is read, and nothing else")

	env.Values = map[string]string{"TABLE": "sets", "OBSERVERS": "https://sqs.us-east-1.amazonaws.com/1/observers", "FOLDERS": "out/*/", "LATE": "reopen"}
	_, err = configure(t.Context(), env.Settings())
	require.NoError(t, err)

	env.Values["OBSERVERS"] += ".fifo"
	_, err = configure(t.Context(), env.Settings())
	require.ErrorContains(t, err, "OBSERVERS: ")
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

// What the template takes for FOLDERS, the function does, and it is below the folder of
// which S3 tells.
func TestFoldersOfTheTemplate(t *testing.T) {
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	allowed := regexp.MustCompile(stack.Parameters["Folders"].AllowedPattern)
	usual, ok := stack.Parameters["Folders"].Default.(string)
	require.True(t, ok)
	for _, pattern := range []string{usual, "out/", "out/*/", "out/*/*/", "out/daily/", "out/a/b/*/"} {
		assert.True(t, allowed.MatchString(pattern), pattern)
		_, _, err := folders(pattern)
		assert.NoError(t, err, pattern)
	}
	for _, pattern := range []string{"", "*/", "in/", "out", "out/*", "out/*/x", "out/run-*/", "out/*/x/*/"} {
		assert.False(t, allowed.MatchString(pattern), pattern)
	}
}
