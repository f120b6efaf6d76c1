package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/redrive"
)

// What is invalid, or failed too often, may go to a queue of dead letters, record by record;
// redrive looks into it, status passes it over, and who would have to tell what is in it
// says that nobody can.
func TestAQueueOfDeadLetters(t *testing.T) {
	q := startQueueWithBodies(t)
	f := newFeed(t, map[string]string{"a/x.json": `[{"id":1},{"id":2},3}`, "b/y.json": `{"id":4}`})
	set := func(command string, more ...string) []string {
		return append([]string{command, "--source", f.folder, "--failed", "sqs://dead", "--corruption", "sqs://dead"}, more...)
	}
	for option, want := range map[string]string{"--retry": "RetryURL: ", "--mirror": "--mirror: "} {
		code, _, errs := runHere(t, set("run", "--sink", "sqs:jobs", option, "sqs://dead")...)
		assert.Equal(t, exitUsage, code, option)
		assert.Contains(t, errs, want)
	}

	code, out, errs := runHere(t, set("run", "--sink", "sqs:jobs")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "corruption sqs://dead\n")
	letters := q.server.Messages("dead")
	require.Len(t, letters, 1)
	assert.Equal(t, "a/x.json", letters[0].Attributes["object"].Value)
	assert.Equal(t, "corrupt", letters[0].Attributes["class"].Value)

	code, out, errs = runHere(t, set("status")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "2 finished\n")
	code, _, errs = runHere(t, set("explain", "a/x.json")...)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, `"sqs://dead": it takes records and shows none`)

	code, out, errs = runHere(t, "redrive", "--from", "sqs:dead", "--dry-run", "--json")
	require.Equal(t, exitOK, code, errs)
	assert.EqualValues(t, 1, unmarshal[redrive.Report](t, out).Matched)
}
