package doctest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// queue is one queue of an SQS of our own.
type queue struct {
	*sqstest.Server
	name string
}

func startQueue(t *testing.T, name string) queue {
	t.Helper()
	server := sqstest.Start(t, sqstest.Config{})
	_, err := server.AddQueue(name, sqstest.QueueConfig{})
	require.NoError(t, err)
	return queue{server, name}
}

// environment points programs at the queue, as AWS's tools have it.
func (q queue) environment() []string {
	return []string{
		"AWS_ENDPOINT_URL_SQS=" + q.URL(), "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=not-a-secret", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// queueAt is the real sink with the real SDK client.
func queueAt(endpoint, name string) (*sqs.Sink, error) {
	return sqs.New(sqs.NewClient(aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "not-a-secret", ""),
		BaseEndpoint: aws.String(endpoint),
	}), name, sqs.Config{})
}

// ids returns the member id of every record in the queue, ascending.
func (q queue) ids(t *testing.T) []int64 {
	t.Helper()
	var bodies []string
	for _, m := range q.Messages(q.name) {
		bodies = append(bodies, m.Body)
	}
	return idsIn(t, bodies)
}

// idsOf does so for messages that are in memory.
func idsOf(t *testing.T, messages []sink.Message) []int64 {
	t.Helper()
	var bodies []string
	for _, m := range messages {
		bodies = append(bodies, string(m.Body))
	}
	return idsIn(t, bodies)
}

func idsIn(t *testing.T, bodies []string) []int64 {
	t.Helper()
	var ids []int64
	for _, body := range bodies {
		var records []struct{ ID int64 }
		require.NoError(t, json.Unmarshal([]byte(body), &records))
		for _, r := range records {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
