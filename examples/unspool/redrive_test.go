package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// failing is a spool that was drained with a transform that failed for odd ids, until
// they were in the failed destination.
func failing(t *testing.T) (f feed, state string) {
	t.Helper()
	f = newFeed(t, map[string]string{
		"a/x.json": `[{"id":1},{"id":2},{"id":3}]`, "b/y.json": `{"id":4}{"id":5}{`,
	})
	state = f.folder + ".unspool"
	files, err := dir.Open(f.folder, dir.Config{})
	require.NoError(t, err)
	defer files.Close()
	claims, err := disk.Open(state, disk.Config{})
	require.NoError(t, err)
	defer claims.Close()
	service, err := processor.New(processor.Config{
		Source: files, Claimer: claims, Sink: memory.New(memory.Config{}), MaxRetries: -1,
		Transform: transform.Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
			if n := rec.Data[len(rec.Data)-2]; n%2 == 1 {
				return nil, fmt.Errorf("table %c is not there", n)
			}
			return append(dst, rec.Data...), nil
		}),
		RetryURL: state + "-retry", FailedURL: state + "-failed", CorruptionURL: state + "-corruption",
	})
	require.NoError(t, err)
	_, err = service.Run(t.Context())
	require.NoError(t, err)
	require.Len(t, envelopes(t, state+"-failed"), 3)
	return f, state
}

// Failed records are looked through, chosen, and brought back for the next run, which
// delivers them; nothing else comes again.
func TestRedriveFailedRecords(t *testing.T) {
	waits(t)
	f, state := failing(t)
	code, out, errs := runHere(t, "redrive", "--source", f.folder, "--from", "failed", "--where", "id=5", "--dry-run")
	require.Equal(t, exitOK, code, errs)
	for _, want := range []string{"seen        3, of which 1 match\n", "1 of: ", "table 5 is not there", "b/y.json at offset 8", `{"id":5}`} {
		assert.Contains(t, out, want)
	}
	code, out, errs = runHere(t, "redrive", "--source", f.folder, "--from", "failed", "--object", "a/", "--json")
	require.Equal(t, exitOK, code, errs)
	assert.EqualValues(t, 2, unmarshal[redrive.Report](t, out).Replayed)
	assert.Len(t, envelopes(t, state+"-failed"), 1)
	assert.Len(t, envelopes(t, state+"-retry"), 2)

	var got []string
	require.Eventually(t, func() bool { // a retry is due a second after it was put there
		code, out, errs := runHere(t, "run", "--source", f.folder, "--sink", "stdout:")
		require.Equal(t, exitOK, code, errs)
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "{") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		return len(envelopes(t, state+"-retry")) == 0
	}, time.Minute, 100*time.Millisecond)
	slices.Sort(got)
	assert.Equal(t, []string{`{"id":1}`, `{"id":3}`}, got)

	code, out, errs = runHere(t, "redrive", "--claims", "disk:"+state, "--from", "failed", "--sink", "stdout:", "--pack", "array")
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, `[{"id":5}]`)
	assert.Empty(t, envelopes(t, state+"-failed"))
}

// Dead letters go back to their queue as they were, chosen by their attributes, and
// those of a record are found by its id.
func TestRedriveDeadLetters(t *testing.T) {
	q := startQueueWithBodies(t)
	client, dead := q.client, q.dead
	for n, reason := range []string{"throttled", "no table", "throttled"} {
		_, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: &dead, MessageBody: aws.String(fmt.Sprintf(`[{"rid":"jz1cJ8tSCJFEmPD01nKBDg.%d"}]`, n)),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"reason": {DataType: aws.String("String"), StringValue: &reason},
				"object": {DataType: aws.String("String"), StringValue: aws.String("day.csv")},
			},
		})
		require.NoError(t, err)
	}
	// An answer that is lost leaves its messages hidden for a while.
	require.Eventually(t, func() bool {
		code, out, errs := runHere(t, "redrive", "--from", "sqs:dead", "--sink", "sqs:jobs", "--reason", "throttled", "--object", "day", "--rate", "100", "--since", "1h")
		require.Equal(t, exitOK, code, errs)
		require.Contains(t, out, "replayed    ")
		q.server.Advance(10 * time.Minute)
		left := 0
		for _, m := range q.server.Messages("dead") {
			if !m.Deleted {
				left++
			}
		}
		return left == 1
	}, time.Minute, time.Millisecond)
	bodies := map[string]bool{}
	for _, m := range q.server.Messages("jobs") {
		bodies[m.Body] = true
	}
	assert.Len(t, bodies, 2)

	f := newFeed(t, map[string]string{"a.json": "{}"})
	places := []string{"--source", f.folder, "--claims", "disk:" + drained(t, f)}
	require.Eventually(t, func() bool {
		_, out, errs := runHere(t, append([]string{"explain", "--record", "jz1cJ8tSCJFEmPD01nKBDg.1", "--from", "sqs:dead"}, places...)...)
		q.server.Advance(10 * time.Minute)
		return errs == "" && strings.Contains(out, "fate        in a queue of dead letters\n") && strings.Contains(out, "no table")
	}, time.Minute, time.Millisecond)
}

// drained drains a feed with claims on disk, and returns where those are.
func drained(t *testing.T, f feed) string {
	t.Helper()
	state := f.folder + ".unspool"
	code, _, errs := runHere(t, "run", "--source", f.folder, "--sink", "stdout:")
	require.Equal(t, exitOK, code, errs)
	return state
}

// queues is a stand-in with a queue of work and one of dead letters, in the
// environment.
type queues struct {
	server *sqstest.Server
	client *awssqs.Client
	dead   string // URL
}

func startQueueWithBodies(t *testing.T) queues {
	t.Helper()
	server := sqstest.Start(t, sqstest.Config{})
	_, err := server.AddQueue("jobs", sqstest.QueueConfig{})
	require.NoError(t, err)
	dead, err := server.AddQueue("dead", sqstest.QueueConfig{})
	require.NoError(t, err)
	(&queue{Server: server}).setenv(t)
	cfg, err := awsSettings(t.Context())
	require.NoError(t, err)
	return queues{server, awssqs.NewFromConfig(cfg), dead}
}

// The path of a record is told by its id: where it comes from, and what became of it.
func TestExplainRecord(t *testing.T) {
	f, _ := failing(t)
	id := func(key string, offset int64) string {
		info, err := os.Stat(filepath.Join(f.folder, key))
		require.NoError(t, err)
		return processor.RecordID(source.Object{Key: key, Size: info.Size(), ModTime: info.ModTime()}, offset, 0)
	}
	explain := func(status int, id string, more ...string) string {
		t.Helper()
		code, out, errs := runHere(t, append([]string{"explain", "--source", f.folder, "--record", id}, more...)...)
		require.Equal(t, status, code, errs)
		return out
	}
	for _, c := range []struct {
		key    string
		offset int64
		want   string
	}{
		{"a/x.json", 1, "in the failed destination"}, {"a/x.json", 10, "delivered, or dropped by the transform"},
		{"b/y.json", 16, "in the corruption destination"},
	} {
		out := explain(exitOK, id(c.key, c.offset))
		assert.Contains(t, out, "fate        "+c.want+"\n")
		assert.Contains(t, out, "file        "+c.key+"\n")
		assert.Contains(t, explain(exitOK, id(c.key, c.offset), c.key), "fate        "+c.want+"\n", "the file is named")
	}
	assert.Contains(t, explain(exitOK, id("a/x.json", 1)), "table 1 is not there")

	code, _, errs := runHere(t, "redrive", "--source", f.folder, "--from", "failed")
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, explain(exitOK, id("a/x.json", 1)), "fate        in the retry destination\n")

	f.write(map[string]string{"new.json": `{"id":6}`})
	assert.Contains(t, explain(exitOK, id("new.json", 0)), "fate        not settled yet\n")
	fresh := id("new.json", 0)
	require.NoError(t, os.Remove(filepath.Join(f.folder, "new.json")))
	assert.Contains(t, explain(exitFailed, fresh), "fate        unknown\n")

	gone := id("a/x.json", 1)
	require.NoError(t, os.Remove(filepath.Join(f.folder, "a/x.json")))
	assert.Contains(t, explain(exitOK, gone), "file        a/x.json\n", "what lies aside tells where it came from")
}

// Mistakes are told all at once.
func TestMistakesInRedrive(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"redrive"}, []string{"--from: required"}},
		{[]string{"redrive", "--from", "here"}, []string{`--from: "here" is none of failed, corruption, retry, sqs:QUEUE`}},
		{[]string{"redrive", "--from", "sqs:a b"}, []string{"--from: sqsbox: queue"}},
		{[]string{"redrive", "--from", "sqs:dead"}, []string{"--sink: required from sqs:dead, unless with --dry-run"}},
		{[]string{"redrive", "--from", "retry", "--retry", "r"}, []string{"--sink: required from retry"}},
		{[]string{"redrive", "--from", "failed"}, []string{"--from: failed: where is that?", "--sink: required, unless"}},
		{
			[]string{"redrive", "--from", "failed", "--failed", "f", "--retry", "r", "--where", "x", "--since", "soon", "--record", "7", "--class", "bad", "--pack", "array"},
			[]string{`--where: "x" is no PATH=VALUE`, `--since: "soon" is neither`, "--record: redrive: \"7\" is no id", "--class: ", "--pack: only with --sink"},
		},
		{[]string{"redrive", "--from", "sqs:dead", "--dry-run", "--since", "1h", "--until", "2h"}, []string{"--until: is not after --since"}},
		{[]string{"explain", "--source", "in", "x", "--from", "failed"}, []string{"--from: only sqs:QUEUE here"}},
		{[]string{"explain", "--source", "in", "x", "--from", "sqs:dead"}, []string{"--from: only with --record"}},
		{[]string{"explain", "--source", "in"}, []string{"explain: names no file"}},
	} {
		code, out, errs := runHere(t, c.args...)
		assert.Equal(t, exitUsage, code, "%v", c.args)
		assert.Empty(t, out)
		for _, want := range c.want {
			assert.Contains(t, errs, want)
		}
	}
}

// A redrive that is stopped says so, and keeps what it did not replay.
func TestRedriveIsStopped(t *testing.T) {
	f, state := failing(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal"))
	var out, errs strings.Builder
	assert.Equal(t, exitStopped, run(ctx, []string{"redrive", "--source", f.folder, "--from", "failed"}, &out, &errs), errs.String())
	assert.Len(t, envelopes(t, state+"-failed"), 3)
}
