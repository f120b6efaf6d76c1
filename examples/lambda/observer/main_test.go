package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/processor/completion"
)

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"DELAY": "soon", "MAXAGE": "-1h", "WINDOW": "five"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"TABLE", "OBSERVERS", "NEXT", "DELAY", "MAXAGE", "WINDOW"} {
		require.ErrorContains(t, err, name+": ")
	}
	assert.Equal(t, []string{"DELAY", "LATE", "MAXAGE", "NEXT", "OBSERVERS", "TABLE", "WINDOW"}, env.Asked())

	env.Values = map[string]string{
		"TABLE": "sets", "OBSERVERS": "https://sqs.us-east-1.amazonaws.com/1/observers", "NEXT": "https://sqs.us-east-1.amazonaws.com/1/next", "WINDOW": "-1",
	}
	_, err = configure(t.Context(), env.Settings())
	require.ErrorContains(t, err, "Window")
	env.Values["WINDOW"] = "3"
	_, err = configure(t.Context(), env.Settings())
	require.NoError(t, err)
}

// The next step is told of one completion by one id.
func TestMessage(t *testing.T) {
	c := completion.Completion{Set: completion.Set{Bucket: "b", Prefix: "out/7/"}, Attempt: 1}
	first, err := message("https://sqs/1/next.fifo", c)
	require.NoError(t, err)
	c.Attempt = 2
	second, err := message("https://sqs/1/next.fifo", c)
	require.NoError(t, err)
	assert.Equal(t, *first.MessageDeduplicationId, *second.MessageDeduplicationId)
	c.Reopened = 1
	third, err := message("https://sqs/1/next.fifo", c)
	require.NoError(t, err)
	assert.NotEqual(t, *first.MessageDeduplicationId, *third.MessageDeduplicationId)

	plain, err := message("https://sqs/1/next", c)
	require.NoError(t, err)
	assert.Nil(t, plain.MessageDeduplicationId)
	var told completion.Completion
	require.NoError(t, json.Unmarshal([]byte(*plain.MessageBody), &told))
	assert.Equal(t, c, told)
}
