package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// runHere runs the command in the test process.
func runHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// Show 2: a folder of files of 2 to 3 KB goes into SQS. Every record arrives
// once, with the values that gjson gives, no request is over a limit, and the
// messages are full. Then it is drained again, and nothing is sent twice.
func TestDrainIntoSQS(t *testing.T) {
	waits(t)
	all := newSpool(t, spooltest.Config{Files: scale(1_200, 100_000), Seed: 1, CorruptEvery: 200, OddEvery: 20})
	for _, c := range []struct {
		name   string
		target int
		args   []string
	}{
		{"largest message", sqstest.MaxMessageBytes, nil},
		{"256 KB", 256 << 10, []string{"--target-bytes", "262144"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := all.anew(t)
			q := startQueue(t, "feeds", sqstest.QueueConfig{})
			const workers = 2
			args := s.args(q, append(c.args, "--concurrency", fmt.Sprint(workers), "--select", selectFlag()+",all=@this")...)
			first := startChild(t, q.env(), args...)
			require.Equal(t, exitOK, first.wait(), first.stderr.String())

			r := summaryOf(t, first.stdout.Bytes())
			assert.Equal(t, processor.StatusOK, r.Status)
			assert.EqualValues(t, len(s.want.Delivered), r.Delivered)
			assert.EqualValues(t, s.want.CorruptRecords(), r.CorruptionErrors)
			assert.EqualValues(t, s.want.Files, r.Finished)
			assert.Equal(t, s.want.Bytes, r.ReadBytes)
			q.requireAll(t, s.want.Delivered, 1)
			q.requireValues(t, s.cfg)
			q.requireFull(t, c.target, workers)
			assert.EqualValues(t, len(q.sizes), r.Messages)
			assert.EqualValues(t, q.Calls("SendMessageBatch")+q.Calls("SendMessage"), r.Batched)
			assert.Equal(t, s.want.Corrupt, byObject(envelopes(t, s.state+"-corruption")))
			t.Logf("%d files in %d ms, peak memory %d MiB", s.want.Files, r.RuntimeMs, first.peakMemory(t)>>20)

			again := startChild(t, q.env(), args...)
			require.Equal(t, exitOK, again.wait(), again.stderr.String())
			r = summaryOf(t, again.stdout.Bytes())
			assert.Zero(t, r.Loaded)
			assert.EqualValues(t, s.want.Files, r.Skipped)
			q.requireAll(t, s.want.Delivered, 1)
		})
	}
}

// A queue that takes less than SQS's most is found out and obeyed.
func TestDrainObeysTheQueuesOwnLimit(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 300})
	q := startQueue(t, "feeds", sqstest.QueueConfig{MaximumMessageSize: 64 << 10})
	q.setenv(t)
	code, out, errs := runHere(t, s.args(q, "--claims", "memory:", "--concurrency", "1")...)
	require.Equal(t, exitOK, code, errs)
	summaryOf(t, []byte(out))
	q.requireAll(t, s.want.Delivered, 1)
	q.requireFull(t, 64<<10, 1)
}

// A queue may be named by its URL.
func TestQueueURL(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 10})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	code, _, errs := runHere(t, "run", "--source", "file://"+s.folder, "--sink", "sqs:"+q.URL()+"/123456789012/feeds", "--claims", "memory:")
	require.Equal(t, exitOK, code, errs)
	q.requireAll(t, s.want.Delivered, 1)
}

// stdout has the records, whole and one a line, and then the summary; all else
// is on stderr.
func TestStdoutSink(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 400, OddEvery: 10, CorruptEvery: 40})
	code, out, errs := runHere(t, "run", "--source", s.folder, "--sink", "stdout:", "--summary", "json")
	require.Equal(t, exitOK, code, errs)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	summaryOf(t, []byte(lines[len(lines)-1]))
	ids := map[int64]bool{}
	for _, line := range lines[:len(lines)-1] {
		require.True(t, gjson.Valid(line), "%.300s", line)
		ids[gjson.Get(line, "id").Int()] = true
	}
	assert.Len(t, lines, len(s.want.Delivered)+1)
	for _, id := range s.want.Delivered {
		require.True(t, ids[id])
	}
	assert.Contains(t, errs, s.state+"-retry", "it says where it writes")
}

// Nobody reading stdout is an error of the run, not the end of the process, and
// nothing counts as delivered: the next run sends all.
func TestStdoutGone(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 50})
	var errs bytes.Buffer
	code := run(t.Context(), []string{"run", "--source", s.folder, "--sink", "stdout:"}, brokenWriter{}, &errs)
	require.Equal(t, exitFailed, code)
	assert.Contains(t, errs.String(), os.ErrClosed.Error())
	code, out, _ := runHere(t, "run", "--source", s.folder, "--sink", "stdout:")
	require.Equal(t, exitOK, code)
	assert.Contains(t, out, "50 loaded: 50 delivered")
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestFileSink(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 100})
	out := filepath.Join(t.TempDir(), "out")
	code, stdout, errs := runHere(t, "run", "--source", s.folder, "--sink", "file://"+out, "--summary", "json")
	require.Equal(t, exitOK, code, errs)
	summaryOf(t, []byte(stdout))
	n := 0
	files, err := filepath.Glob(filepath.Join(out, "*"))
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		n += bytes.Count(text, []byte("\n"))
	}
	assert.Equal(t, 100, n)
}

// A record too large for the queue goes to S3, and a pointer to it to the queue.
func TestOffload(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 3})
	large := `{"id":1,"text":"` + strings.Repeat("x", 3<<19) + `"}`
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "large.json"), []byte(large), 0o644))
	type object struct{ key, body string }
	put := make(chan object, 1)
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPut {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		put <- object{r.URL.Path, string(body)}
	}))
	t.Cleanup(bucket.Close)
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", bucket.URL)
	code, out, errs := runHere(t, s.args(q, "--offload", "s3://bucket/large/")...)
	require.Equal(t, exitOK, code, errs)
	r := summaryOf(t, []byte(out))
	assert.EqualValues(t, 4, r.Delivered)
	assert.Zero(t, r.CorruptionErrors)
	require.Len(t, put, 1)
	stored := <-put
	assert.Contains(t, stored.body, large)
	assert.Regexp(t, "^/bucket/large/.+", stored.key)
}

// Without a region there is no queue, and nothing is written.
func TestNoRegion(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 1})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	t.Setenv("AWS_REGION", "")
	code, _, errs := runHere(t, s.args(q)...)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "AWS_REGION")
	assert.NoDirExists(t, s.state)
}

// Where stderr is no terminal it has a few plain lines, and a log only with
// --verbose.
func TestQuietStderr(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 20, CorruptEvery: 5})
	_, _, errs := runHere(t, "run", "--source", s.folder, "--sink", "stdout:")
	for line := range strings.Lines(errs) {
		assert.True(t, strings.HasPrefix(line, "unspool: "), line)
	}
	_, _, verbose := runHere(t, "run", "--source", s.anew(t).folder, "--sink", "stdout:", "--claims", "memory:", "--verbose")
	assert.Greater(t, len(verbose), len(errs))
}

// A deadline stops with status 3 before it comes; the next run does the rest, and
// nothing twice but what may have been in a call that was cut.
func TestStatusOfADeadline(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 300})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	machine := watchStalls(t)
	code, out, errs := runHere(t, s.args(q, "--rate", "50", "--pack", "single", "--max-time", "2s", "--deadline-reduction", "1s")...)
	require.Equal(t, exitStopped, code, errs)
	r := summaryOf(t, []byte(out))
	assert.Equal(t, processor.StatusStopped, r.Status)
	assert.Less(t, time.Duration(r.RuntimeMs)*time.Millisecond, 2*time.Second+machine.allow())
	if machine.allow() < time.Second { // else it may have had no time to send anything
		assert.NotZero(t, r.Delivered)
	}

	code, _, errs = runHere(t, s.args(q, "--pack", "single")...)
	require.Equal(t, exitOK, code, errs)
	q.requireAll(t, s.want.Delivered, 2)
	assert.LessOrEqual(t, q.duplicates(), 10)
}

func TestStatusOfARunThatFails(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 20})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	code, out, errs := runHere(t, "run", "--source", s.folder, "--sink", "sqs:no-such-queue")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs+out, "no-such-queue")

	q.Inject(func(*sqstest.Call) sqstest.Fault { return sqstest.Fault{Code: "AccessDenied"} })
	code, _, errs = runHere(t, s.args(q)...)
	assert.Equal(t, exitFailed, code, errs)
	q.Inject(nil)
	code, _, errs = runHere(t, s.args(q)...)
	require.Equal(t, exitOK, code, errs)
	q.requireAll(t, s.want.Delivered, 1)
}

// Configuration that can only be checked against the machine is a mistake too,
// and all are told at once, before anything is written.
func TestMistakesOfPlaces(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 1})
	code, out, errs := runHere(t, "run", "--source", s.folder, "--sink", "carrier-pigeon:", "--select", "id,,x", "--records", "a.#.b",
		"--claims", "disk:"+filepath.Join(s.folder, "claims"), "--retry", "gopher://x/y", "--failed", filepath.Join(s.folder, "failed"))
	assert.Equal(t, exitUsage, code)
	assert.Empty(t, out)
	for _, want := range []string{"--sink", "--select", "--records", "--claims", "--retry", "--failed"} {
		assert.Contains(t, errs, "unspool: "+want+": ")
	}
	code, _, errs = runHere(t, "run", "--source", filepath.Join(s.folder, "gone"), "--sink", "stdout:")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "--source")
	entries, err := os.ReadDir(filepath.Dir(s.folder))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing was written")
}

// A second worker on the same machine is told that the claims are in use.
func TestClaimsInUse(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 100})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	first := startChild(t, q.env(), s.args(q, "--watch")...)
	<-q.arrived
	second := startChild(t, q.env(), s.args(q)...)
	assert.Equal(t, exitFailed, second.wait())
	assert.Contains(t, second.stderr.String(), "--claims")
	first.signal(t, os.Interrupt)
	first.wait()
}

// --watch goes on with files that come later, until a signal.
func TestWatch(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 50})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	c := startChild(t, q.env(), s.args(q, "--watch", "--linger", "10ms")...)
	<-q.arrived
	later := s.cfg
	later.Files = 60
	for n := 50; n < 60; n++ {
		f := spooltest.Make(later, n)
		require.NoError(t, os.WriteFile(filepath.Join(s.folder, f.Name), f.Data, 0o644))
		s.want.Delivered = append(s.want.Delivered, f.Records[0].ID)
	}
	require.Eventually(t, func() bool { return len(q.got()) == 60 }, time.Minute, 20*time.Millisecond)
	c.signal(t, os.Interrupt)
	c.wait()
	summaryOf(t, c.stdout.Bytes())
	q.requireAll(t, s.want.Delivered, 1)
}
