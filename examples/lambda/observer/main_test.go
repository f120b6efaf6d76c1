package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/examples/lambda/setup/setuptest"
	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/processor/completion"
)

func TestConfigure(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	env := &setuptest.Environment{Values: map[string]string{"DELAY": "soon", "LATE": "never", "MAXAGE": "-1h", "WINDOW": "five"}}
	_, err := configure(t.Context(), env.Settings())
	for _, name := range []string{"TABLE", "OBSERVERS", "NEXT", "DELAY", "LATE", "MAXAGE", "WINDOW"} {
		require.ErrorContains(t, err, name+": ")
	}
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	assert.Equal(t, stack.Variables("Observer"), env.Asked(), "the template sets what is read, and nothing else")

	env.Values = map[string]string{
		"TABLE": "sets", "OBSERVERS": "https://sqs.us-east-1.amazonaws.com/1/observers", "NEXT": "https://sqs.us-east-1.amazonaws.com/1/next", "WINDOW": "3",
	}
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
	assert.Equal(t, c.Token(), *first.MessageDeduplicationId)
	assert.Equal(t, *first.MessageDeduplicationId, *second.MessageDeduplicationId)
	c.Reopened = 1
	third, err := message("https://sqs/1/next.fifo", c)
	require.NoError(t, err)
	assert.NotEqual(t, *first.MessageDeduplicationId, *third.MessageDeduplicationId)
	assert.Equal(t, *first.MessageGroupId, *third.MessageGroupId, "one after the other")
	other, err := message("https://sqs/1/next.fifo", completion.Completion{Set: completion.Set{Bucket: "b", Prefix: "out/8/"}})
	require.NoError(t, err)
	assert.NotEqual(t, *first.MessageGroupId, *other.MessageGroupId, "no set waits for another")

	plain, err := message("https://sqs/1/next", c)
	require.NoError(t, err)
	assert.Nil(t, plain.MessageDeduplicationId)
	var told completion.Completion
	require.NoError(t, json.Unmarshal([]byte(*plain.MessageBody), &told))
	assert.Equal(t, c, told)
}

// What a batch may take is within the timeout. An observer that dies once it has told the
// next step is succeeded while the FIFO queue still knows what that was: first the message
// is hidden, then the lease waited for.
func TestTimesOfTheTemplate(t *testing.T) {
	stack, err := template.Read("../template.yaml")
	require.NoError(t, err)
	number := func(resource, property string) int {
		n, ok := stack.At(resource, property).(int)
		require.True(t, ok, "%s: %s", resource, property)
		return n
	}
	const ( // seconds
		lasts = int(lease / time.Second)
		kept  = 5   // that aws.Driver keeps back for the next message
		knows = 300 // the deduplication interval of SQS
		spare = 60  // for Lambda to receive a message, and to start a function
	)
	assert.Greater(t, number("Observer", "Timeout"), number("ObserverMapping", "BatchSize")*lasts+kept)
	assert.Less(t, number("Observers", "VisibilityTimeout")+lasts+spare, knows)
}
