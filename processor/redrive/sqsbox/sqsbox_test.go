package sqsbox_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/processor/redrive/sqsbox"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is a queue of work and one of dead letters, of a stand-in.
type scene struct {
	*testing.T
	server *sqstest.Server
	client *awssqs.Client
	dead   string // URL
	work   string // name
}

func newScene(t *testing.T, suffix string) *scene {
	t.Helper()
	s := &scene{T: t, server: sqstest.Start(t, sqstest.Config{}), work: "work" + suffix}
	s.client = awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.server.URL()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: inProcess{s.server}},
	})
	_, err := s.server.AddQueue(s.work, sqstest.QueueConfig{})
	require.NoError(t, err)
	s.dead, err = s.server.AddQueue("dead"+suffix, sqstest.QueueConfig{})
	require.NoError(t, err)
	return s
}

// inProcess takes requests to a handler without a network: what a test of ours does
// not break does not break.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &cuttable{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, r)
	if w.cut {
		return nil, io.ErrUnexpectedEOF
	}
	return w.Result(), nil
}

// cuttable is an answer that the handler may cut off by taking the connection.
type cuttable struct {
	*httptest.ResponseRecorder
	cut bool
}

func (w *cuttable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.cut = true
	return nil, nil, net.ErrClosed
}

// put makes a dead letter.
func (s *scene) put(body, reason, group string) {
	s.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &s.dead, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{
		"reason": {DataType: aws.String("String"), StringValue: &reason},
	}}
	if group != "" {
		in.MessageGroupId, in.MessageDeduplicationId = &group, &body
	}
	_, err := s.client.SendMessage(s.Context(), in)
	require.NoError(s, err)
}

func (s *scene) box() *sqsbox.Box {
	s.Helper()
	b, err := sqsbox.New(s.client, s.dead, sqsbox.Config{Wait: -1})
	require.NoError(s, err)
	return b
}

func (s *scene) target() redrive.Target {
	s.Helper()
	queue, err := sqs.New(s.client, s.work, sqs.Config{})
	require.NoError(s, err)
	to, err := redrive.ToSink(queue, redrive.PackArray)
	require.NoError(s, err)
	return to
}

// bodies are those of messages that are in a queue, sorted.
func (s *scene) bodies(queue string) []string {
	all := []string{}
	for _, m := range s.server.Messages(queue) {
		if !m.Deleted {
			all = append(all, m.Body)
		}
	}
	slices.Sort(all)
	return all
}

// visible receives what can be received.
func (s *scene) visible() (n int) {
	for {
		out, err := s.client.ReceiveMessage(s.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &s.dead, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		require.NoError(s, err)
		if len(out.Messages) == 0 {
			return n
		}
		n += len(out.Messages)
	}
}

// Messages that match go to the queue as they were, and are deleted; the others stay,
// and are visible at once.
func TestDeadLettersAreReplayed(t *testing.T) {
	s := newScene(t, "")
	var want, left []string
	for n := range 57 {
		body := fmt.Sprintf(`[{"id":%d},{"id":%d}]`, n, n+100)
		s.put(body, []string{"throttled", "no such table"}[n%2], "")
		if n%2 == 0 {
			want = append(want, body)
		} else {
			left = append(left, body)
		}
	}
	slices.Sort(want)
	slices.Sort(left)
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), Where: redrive.Filter{Reason: "throttled"}, DryRun: true})
	require.NoError(t, err)
	assert.EqualValues(t, 57, report.Seen)
	assert.Equal(t, map[string]int64{"throttled": 29}, report.Reasons)
	assert.Len(t, s.bodies("dead"), 57)
	require.NotEmpty(t, report.Examples)
	assert.Equal(t, "[{", report.Examples[0].Data[:2])

	report, err = redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target(), Where: redrive.Filter{Reason: "throttled"}})
	require.NoError(t, err)
	assert.EqualValues(t, 57, report.Seen, "what a dry run looked at is visible again")
	assert.EqualValues(t, 29, report.Replayed)
	assert.Equal(t, want, s.bodies("work"))
	assert.Equal(t, left, s.bodies("dead"))
	assert.Equal(t, "throttled", s.server.Messages("work")[0].Attributes["reason"].Value)
	assert.Equal(t, 28, s.visible())
}

// A field may be in any record of a message.
func TestFieldsOfMessages(t *testing.T) {
	s := newScene(t, "")
	for _, body := range []string{`[{"id":1,"ok":true},{"id":2}]`, "{\"id\":3}\n{\"id\":2}\n", "[\n{\"id\": 2}\n]", `[{"id":1},{"ok":true}]`, "no JSON"} {
		s.put(body, "x", "")
	}
	for path, want := range map[string]int64{"id": 3, "ok": 0} {
		report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), DryRun: true, Where: redrive.Filter{Fields: []redrive.Field{{Path: path, Value: "2"}}}})
		require.NoError(t, err)
		assert.Equal(t, want, report.Matched, path)
	}
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), DryRun: true, Where: redrive.Filter{Fields: []redrive.Field{{Path: "id", Value: "1"}, {Path: "ok", Value: "true"}}}})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Matched, "one record has to have them all")
}

// The id of a record is found as a whole, in whatever member it is.
func TestRecordInMessages(t *testing.T) {
	s := newScene(t, "")
	for _, id := range []string{"abc.2", "abc.20", "abc.2.1"} {
		s.put(`[{"rid":"`+id+`"}]`, "x", "")
	}
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), DryRun: true, Where: redrive.Filter{Record: "abc.2"}})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Matched)
}

// A message is deleted only after the queue has taken it: whatever is refused, cut off
// or loses its answer, nothing is lost.
func TestFaultsLoseNothing(t *testing.T) {
	s := newScene(t, "")
	var want []string
	for n := range 30 {
		want = append(want, fmt.Sprintf(`{"id":%03d}`, n))
		s.put(want[n], "x", "")
	}
	faults := sqstest.Faults{Seed: 1, Throttle: 0.1, Cut: 0.1, LoseResponse: 0.2, FailEntries: 0.3}.Injector()
	var deletes atomic.Int64
	s.server.Inject(func(c *sqstest.Call) sqstest.Fault {
		switch {
		case c.Operation == "SendMessageBatch":
			return faults(c)
		case c.Operation == "DeleteMessageBatch" && deletes.Add(1)%3 == 1:
			return sqstest.Fault{Entries: map[int]string{0: "InternalError"}}
		}
		return sqstest.Fault{}
	})
	_, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target()})
	require.NoError(t, err)
	s.server.Inject(nil)
	// What the service refused for reasons of its own stays for the next time.
	assert.Equal(t, want, slices.Compact(merge(s.bodies("work"), s.bodies("dead"))))
	_, err = redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target()})
	require.NoError(t, err)
	assert.Empty(t, s.bodies("dead"))
	assert.Equal(t, want, slices.Compact(s.bodies("work")))
}

func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return all
}

// A process that dies between replay and deletion leaves the message: it comes again
// when the queue shows it again, and is replayed twice.
func TestDeathBeforeDeletion(t *testing.T) {
	s := newScene(t, "")
	s.put(`{"id":1}`, "x", "")
	dying, die := context.WithCancel(t.Context())
	defer die()
	s.server.Inject(func(c *sqstest.Call) sqstest.Fault {
		if strings.HasPrefix(c.Operation, "Delete") || strings.HasPrefix(c.Operation, "Change") {
			return sqstest.Fault{Code: "AccessDenied"}
		}
		return sqstest.Fault{}
	})
	_, err := redrive.Run(dying, redrive.Config{From: s.box(), To: s.target()})
	require.ErrorContains(t, err, "remove what was replayed")
	s.server.Inject(nil)
	s.server.Advance(5 * time.Minute)
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target()})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Replayed)
	assert.Equal(t, []string{`{"id":1}`, `{"id":1}`}, s.bodies("work"))
	assert.Empty(t, s.bodies("dead"))
}

// Soon after the first time a FIFO queue would take a replay for the same message, and
// drop it: the replay has an id of its own, and the group that it had.
func TestFIFO(t *testing.T) {
	s := newScene(t, ".fifo")
	for n := range 4 {
		body := fmt.Sprintf(`{"id":%d}`, n)
		_, err := s.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: aws.String(strings.Replace(s.dead, "dead", "work", 1)), MessageBody: &body, MessageGroupId: aws.String("g"), MessageDeduplicationId: &body,
		})
		require.NoError(t, err)
		s.put(body, "x", "g")
	}
	_, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target()})
	require.NoError(t, err)
	assert.Len(t, s.bodies("work.fifo"), 8)
	assert.Empty(t, s.bodies("dead.fifo"))
	for _, m := range s.server.Messages("work.fifo") {
		assert.Equal(t, "g", m.Group)
	}
}

// What cannot be sent as it was stays where it is.
func TestBinaryAttributes(t *testing.T) {
	s := newScene(t, "")
	_, err := s.client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &s.dead, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{
		"raw": {DataType: aws.String("Binary"), BinaryValue: []byte{1}},
	}})
	require.NoError(t, err)
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: s.target()})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Refused)
	assert.Len(t, s.bodies("dead"), 1)
	assert.Equal(t, 1, s.visible())
}

// Messages that are shown again while the queue is looked through are not counted
// twice, do not stand before the others, and are given back like them.
func TestMessagesThatComeAgain(t *testing.T) {
	s := newScene(t, "")
	for n := range 70 {
		s.put(fmt.Sprint(n), "x", "")
	}
	s.server.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Operation == "ReceiveMessage" {
			s.server.Advance(time.Minute) // visibility ends after five requests
		}
		return sqstest.Fault{}
	})
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), DryRun: true})
	require.NoError(t, err)
	assert.EqualValues(t, 70, report.Seen)
	s.server.Inject(nil)
	assert.Equal(t, 70, s.visible())
}

// What fails again at once, and is a dead letter anew, does not keep a replay from
// ending: it is left for the next one. Copies that were there before are replayed.
func TestDefectAReplayOfWhatFailsAgainNeverEnded(t *testing.T) {
	s := newScene(t, "")
	const copies = 25
	for range copies {
		s.put(`{"id":"same"}`, "x", "")
	}
	s.putAside(records()...)
	var replays atomic.Int64
	failing := failAgain{Target: s.target(), again: func(letters []redrive.Letter) {
		replays.Add(int64(len(letters)))
		s.server.Advance(time.Millisecond) // later than what was received before
		for _, l := range letters {
			if l.Stage == redrive.StageMessage {
				s.put(string(l.Data), "y", "")
				continue
			}
			s.putAside(destination.Envelope{
				Object: l.Object, Version: l.Version, Offset: l.Offset, Index: l.Index, Stage: l.Stage, Data: l.Data,
				Attempt: 3, Class: "retryable", Reason: "another",
			})
		}
	}}
	report, err := redrive.Run(t.Context(), redrive.Config{From: s.box(), To: failing})
	require.NoError(t, err)
	assert.EqualValues(t, copies+3, report.Replayed, "each of those that were there, once")
	assert.Equal(t, report.Replayed, replays.Load())
	assert.Equal(t, copies+4, s.visible(), "what came back is there, and visible, and so is the ticket")
}

// failAgain is a target whose letters fail again before it has answered.
type failAgain struct {
	redrive.Target
	again func(letters []redrive.Letter)
}

func (f failAgain) Replay(ctx context.Context, letters []redrive.Letter) []error {
	errs := f.Target.Replay(ctx, letters)
	f.again(letters)
	return errs
}

// A queue that is not there, or that may not be read, is an error that names it.
func TestQueueThatIsNotThere(t *testing.T) {
	s := newScene(t, "")
	for _, queue := range []string{"none", s.dead + "x"} {
		b, err := sqsbox.New(s.client, queue, sqsbox.Config{})
		require.NoError(t, err)
		_, err = redrive.Run(t.Context(), redrive.Config{From: b, DryRun: true})
		require.ErrorContains(t, err, queue)
	}
}

func TestMistakes(t *testing.T) {
	_, err := sqsbox.New(nil, "a b", sqsbox.Config{Visibility: time.Millisecond, AtOnce: 11, Wait: time.Minute})
	for _, want := range []string{"no client", `queue "a b"`, "Visibility", "AtOnce", "Wait"} {
		require.ErrorContains(t, err, want)
	}
	assert.True(t, fault.Is(err, fault.ClassFatal))
}
