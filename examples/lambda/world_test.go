package lambda

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// bucket is the one bucket of a world.
const bucket = "bucket"

// payload is in every record that a test makes, and must be in no log.
const payload = "the-payload-of-a-record"

// world is an S3 and an SQS on loopback, which functions in processes of their own
// are told of by their environment.
type world struct {
	s3    *s3.Client
	queue *sqstest.Server
	env   []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store := new(s3fake.Server)
	server := httptest.NewServer(store)
	t.Cleanup(server.Close)
	w := &world{s3: store.Client(), queue: sqstest.Start(t, sqstest.Config{})}
	w.env = []string{"AWS_ENDPOINT_URL_S3=" + server.URL, "AWS_ENDPOINT_URL_SQS=" + w.queue.URL()}
	return w
}

// place is a part of the world that one set of functions works in.
type place struct {
	*world
	name     string
	settings map[string]string
}

func (w *world) place(t testing.TB, name string) *place {
	t.Helper()
	_, err := w.queue.AddQueue(name, sqstest.QueueConfig{})
	require.NoError(t, err)
	root := "s3://" + bucket + "/" + name
	return &place{w, name, map[string]string{
		"SOURCE": root + "/in", "ASIDE": root + "/aside", "CLAIMS": root + "/claims", "QUEUE": name,
		"ARCHIVE": root + "/archive", "AFTER": "0s", "GRACE": "0s",
	}}
}

// start starts a function.
func (p *place) start(t testing.TB, mode mode, function string) *lambdatest.Function {
	t.Helper()
	env := slices.Clone(p.env)
	for name, value := range p.settings {
		env = append(env, name+"="+value)
	}
	return mode.start(t, program(t, function), env)
}

// mode is a way that Lambda speaks to functions.
type mode struct {
	name  string
	start func(testing.TB, string, []string) *lambdatest.Function
}

var modes = []mode{{"runtime", lambdatest.StartRuntime}, {"rpc", lambdatest.StartRPC}}

// put writes an object of records, with the ids from first on, and returns its key.
func (p *place) put(t testing.TB, name string, first, n int) string {
	t.Helper()
	key := p.name + "/in/" + name
	_, err := p.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(lines(first, n)),
	})
	require.NoError(t, err)
	return key
}

// lines are records, with the ids from first on.
func lines(first, n int) []byte {
	var text []byte
	for i := range n {
		text = fmt.Appendf(text, "{\"id\":%d,\"text\":%q}\n", first+i, payload)
	}
	return text
}

// eventOf is the event that S3 sends of an object that was created.
func eventOf(key string) []byte {
	return fmt.Appendf(nil, `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":%q,`+
		`"eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","bucket":{"name":%q},"object":{"key":%q,"sequencer":"0055AED6DCD90281E5"}}}]}`,
		time.Now().UTC().Format(time.RFC3339Nano), bucket, key)
}

// keys returns the keys of the place below a folder.
func (p *place) keys(t testing.TB, folder string) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(p.s3, &s3.ListObjectsV2Input{
		Bucket: aws.String(bucket), Prefix: aws.String(p.name + "/" + folder + "/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

// delivered returns how often each record is in the queue.
func (p *place) delivered() map[int]int {
	times := map[int]int{}
	for _, m := range p.queue.Messages(p.name) {
		for _, record := range gjson.Parse(m.Body).Array() {
			times[int(record.Get("id").Int())]++
		}
	}
	return times
}

// requireOnce fails unless the records with the ids below n are in the queue, each
// once, and nothing else.
func (p *place) requireOnce(t testing.TB, n int) {
	t.Helper()
	times := p.delivered()
	require.Len(t, times, n, "records lost")
	ids := slices.Sorted(maps.Keys(times))
	require.Equal(t, []int{0, n - 1}, []int{ids[0], ids[n-1]})
	for id, n := range times {
		require.Equal(t, 1, n, "record %d", id)
	}
}

// meter is a function whose log is read: there must be one line of summary for each
// invocation, and hardly anything beside.
type meter struct {
	*lambdatest.Function
	calls int
}

// patience is how long something may take that is certain to come.
const patience = 30 * time.Second

// invoke invokes the function with the time given, fails the test if the answer came
// late, and returns the answer and the line of the invocation.
func (m *meter) invoke(t testing.TB, event []byte, within time.Duration) (lambdatest.Answer, gjson.Result) {
	t.Helper()
	answer, err := m.Invoke(event, time.Now().Add(within))
	require.NoError(t, err)
	require.True(t, answer.InTime(), "answered %v after the deadline", answer.At.Sub(answer.Deadline))
	m.calls++
	var lines []string
	require.Eventually(t, func() bool { // the log is on its way
		lines = m.lines()
		return len(lines) >= m.calls
	}, patience, time.Millisecond, "%s", m.Log())
	require.Len(t, lines, m.calls)
	log := m.Log()
	assert.NotContains(t, log, payload)
	assert.Less(t, len(log), m.calls*4096, "%s", log)

	line := lines[len(lines)-1]
	require.True(t, gjson.Valid(line), line)
	r := unmarshal[processor.Response](t, line)
	require.Equal(t, r.Loaded, r.Delivered+r.Dropped+r.RetryErrors+r.CorruptionErrors+r.FailedErrors, line)
	return answer, gjson.Parse(line)
}

// lines are the summaries in the log, those that are whole.
func (m *meter) lines() []string {
	var lines []string
	for text := range strings.Lines(m.Log()) {
		if strings.HasPrefix(text, "{") && strings.Contains(text, `"_aws"`) && strings.HasSuffix(text, "\n") {
			lines = append(lines, text)
		}
	}
	return lines
}

func unmarshal[T any](t testing.TB, text string) T {
	t.Helper()
	var value T
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}
