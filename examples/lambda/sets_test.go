package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/examples/lambda/template"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/dynamodb"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// yard is what the template makes for sets, in small: its queues with their times and dead
// letters, a table, and monitor and observer in processes of their own, with the settings
// and the rights that it gives them. Queues and tables are called as the template calls
// them, with .fifo where it belongs.
type yard struct {
	stack
	parameters map[string]string
	server     *sqstest.Server
	queues     *sqs.Client
	gate       *gate
	endpoint   string
	running    map[string]*lambdatest.Function
	gone       map[string]string // logs of functions that were killed
	// told is called, once, when Completions has taken a message, before the observer
	// is answered.
	told atomic.Pointer[func()]
}

// mappings are those of the functions of sets.
var mappings = map[string]string{"Monitor": "MonitorMapping", "Observer": "ObserverMapping"}

func newYard(t *testing.T, tables string, parameters map[string]string) *yard {
	t.Helper()
	y := &yard{stack: newStack(t), parameters: parameters, running: map[string]*lambdatest.Function{}, gone: map[string]string{}}
	y.server = sqstest.Start(t, sqstest.Config{OnMessage: func(queue string, _ sqstest.Message) {
		if queue == y.name("Completions") {
			if f := y.told.Swap(nil); f != nil {
				(*f)()
			}
		}
	}})
	y.queues = sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(y.server.URL()), Credentials: credentials.NewStaticCredentialsProvider("Lambda", "secret", ""),
	})
	y.gate, y.endpoint = newGate(t, y.stack, y.server.URL(), tables)
	for _, q := range []string{"Arrivals", "Observers", "Completions"} {
		dead := y.name(q + "DeadLetters")
		_, err := y.server.AddQueue(dead, sqstest.QueueConfig{})
		require.NoError(t, err)
		_, err = y.server.AddQueue(y.name(q), sqstest.QueueConfig{
			VisibilityTimeout: time.Duration(y.number(q, "VisibilityTimeout")) * time.Second,
			DeadLetter:        dead, MaxReceives: y.number(q, "RedrivePolicy", "maxReceiveCount"),
		})
		require.NoError(t, err)
	}
	for function := range mappings {
		y.start(t, function)
	}
	return y
}

// name is what a queue is called.
func (y *yard) name(queue string) string {
	if y.At(queue, "FifoQueue") == true {
		return queue + ".fifo"
	}
	return queue
}

func (y *yard) url(queue string) string {
	return "https://sqs.us-east-1.amazonaws.com/123456789012/" + y.name(queue)
}

// start starts a function with the environment that the template gives it.
func (y *yard) start(t *testing.T, function string) {
	t.Helper()
	env := []string{
		"AWS_ACCESS_KEY_ID=" + function, // which the gate knows it by
		"AWS_ENDPOINT_URL_SQS=" + y.endpoint, "AWS_ENDPOINT_URL_DYNAMODB=" + y.endpoint,
	}
	for _, name := range y.Variables(function) {
		to := template.Target(y.At(function, "Environment", "Variables", name))
		value := to // of a table
		switch parameter, ok := y.Parameters[to]; {
		case ok:
			value = fmt.Sprint(parameter.Default)
			if given, ok := y.parameters[to]; ok {
				value = given
			}
		case y.Resources[to].Type == "AWS::SQS::Queue":
			value = y.url(to)
		}
		env = append(env, name+"="+value)
	}
	y.running[function] = lambdatest.StartRuntime(t, program(t, y.folderOf(function)), env)
}

// log is all that a function has written, and those before it that were killed.
func (y *yard) log(function string) string { return y.gone[function] + y.running[function].Log() }

// poll does what Lambda does for an event source mapping, once: it receives a batch, in
// the role of the function, invokes that, and deletes what it has settled. It reports
// whether there was anything.
func (y *yard) poll(t *testing.T, function string) bool {
	t.Helper()
	queue := template.Target(y.At(mappings[function], "EventSourceArn"))
	for _, action := range receives {
		require.True(t, y.gate.allow(function, permission{action, queue}), action)
	}
	size := y.number(mappings[function], "BatchSize")
	var batch events.SQSEvent
	handles := map[string]string{}
	for len(batch.Records) < size {
		out, err := y.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(y.url(queue)), MaxNumberOfMessages: int32(min(10, size-len(batch.Records))),
		})
		require.NoError(t, err)
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			batch.Records = append(batch.Records, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body, EventSource: "aws:sqs"})
			handles[*m.MessageId] = *m.ReceiptHandle
		}
	}
	if len(batch.Records) == 0 {
		return false
	}
	event, err := json.Marshal(batch)
	require.NoError(t, err)
	answer, err := y.running[function].Invoke(event, time.Now().Add(time.Duration(y.number(function, "Timeout"))*time.Second))
	if err != nil { // it was killed: Lambda starts another
		y.gone[function] += y.running[function].Log()
		y.start(t, function)
		return true
	}
	for id := range failures(t, answer) {
		delete(handles, id)
	}
	for _, handle := range handles {
		_, err := y.queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(y.url(queue)), ReceiptHandle: &handle})
		require.NoError(t, err)
	}
	return true
}

// step is how far the clock of the queues is moved at once.
const step = 5 * time.Second

// pass lets time pass, on the clock of the queues.
func (y *yard) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for ; d > 0; d -= step {
		y.server.Advance(step)
		for _, function := range slices.Sorted(maps.Keys(mappings)) {
			for y.poll(t, function) {
			}
		}
	}
}

// passUntil lets it pass until so many completions have been told of, and nobody looks at
// anything any more.
func (y *yard) passUntil(t *testing.T, completions int) []completion.Completion {
	t.Helper()
	idle := func() bool {
		for _, q := range []string{"Arrivals", "Observers"} {
			for _, m := range y.server.Messages(q) {
				if !m.Deleted {
					return false
				}
			}
		}
		return len(y.completions(t)) >= completions
	}
	for end := time.Hour; !idle(); end -= step {
		require.Positive(t, end, "an hour has passed: %d completions\n%s%s", len(y.completions(t)), y.log("Monitor"), y.log("Observer"))
		y.pass(t, step)
	}
	return y.completions(t)
}

// completions are those that the queue of that name has taken.
func (y *yard) completions(t *testing.T) []completion.Completion {
	t.Helper()
	var all []completion.Completion
	for _, m := range y.server.Messages(y.name("Completions")) {
		all = append(all, unmarshal[completion.Completion](t, m.Body))
	}
	return all
}

// tell sends events, as S3 does.
func (y *yard) tell(t *testing.T, events ...string) {
	t.Helper()
	for _, event := range events {
		_, err := y.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(y.url("Arrivals")), MessageBody: &event})
		require.NoError(t, err)
	}
}

// parts are the events of so many objects of a set, from first on.
func parts(set completion.Set, first, n int) []string {
	var all []string
	for i := range n {
		all = append(all, string(eventOf(set.Prefix+"part-"+strconv.Itoa(first+i))))
	}
	return all
}

// requireFiltered waits until the log of a function has a line of which a metric filter of
// the template makes a metric.
func (y *yard) requireFiltered(t *testing.T, function, metric string) {
	t.Helper()
	filters := y.filters(function)
	i := slices.IndexFunc(filters, func(f filter) bool { return f.metric == metric })
	require.GreaterOrEqual(t, i, 0, metric)
	require.Eventually(t, func() bool { // the log is on its way
		for line := range strings.Lines(y.log(function)) {
			if gjson.Valid(line) && gjson.Get(line, "msg").String() == filters[i].message {
				return gjson.Get(line, "FunctionName").String() == "function"
			}
		}
		return false
	}, patience, time.Millisecond, "%s: %s", metric, y.log(function))
}

// requireNoDeadLetters fails where something was given up.
func (y *yard) requireNoDeadLetters(t *testing.T) {
	t.Helper()
	for _, q := range []string{"Arrivals", "Observers", "Completions"} {
		assert.Empty(t, y.server.Messages(y.name(q+"DeadLetters")), q)
	}
}

// Monitor and observer as they are deployed, with the settings and the rights of the
// template, against a queue and a table that are real but for their clock.
func TestSets(t *testing.T) {
	if testtool.Brief() {
		t.Skip("at full scale only: it takes seconds to link")
	}
	endpoint := "http://" + testtool.DynamoDBLocal(t)
	client := awsdynamodb.New(awsdynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	require.NoError(t, dynamodb.CreateTable(t.Context(), client, "Sets"))
	store, err := dynamodb.New(client, dynamodb.Config{Table: "Sets"})
	require.NoError(t, err)

	// Events come doubled and out of order, and again as the table is away; the queue that
	// is to be told refuses it; an observer dies as it has told it; and something comes
	// late.
	t.Run("once", func(t *testing.T) {
		y := newYard(t, endpoint, nil)
		folder := completion.Set{Bucket: bucket, Prefix: "out/once/"}
		var sends atomic.Int64
		y.server.Inject(func(c *sqstest.Call) sqstest.Fault {
			if c.Operation == "SendMessage" && c.Queue == y.name("Completions") && sends.Add(1) == 1 {
				return sqstest.Fault{Code: "AccessDenied"}
			}
			return sqstest.Fault{}
		})
		kill := y.running["Observer"].Kill
		y.told.Store(&kill)

		y.tell(t, `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"}`)
		told := append(parts(folder, 0, 7), parts(folder, 2, 3)...)
		rand.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		y.tell(t, told...)
		y.gate.away.Store(true)
		y.pass(t, step)
		require.Eventually(t, func() bool { return strings.Contains(y.log("Monitor"), `"msg":"not counted"`) }, patience, time.Millisecond)
		y.gate.away.Store(false)
		y.pass(t, 200*time.Second) // they come again after 125, and two looks are taken
		rec, err := store.Look(t.Context(), folder)
		require.NoError(t, err)
		require.EqualValues(t, 7, rec.Count.Objects)
		y.tell(t, append(parts(folder, 7, 5), parts(folder, 0, 1)...)...)
		y.pass(t, 200*time.Second)
		require.Empty(t, y.completions(t), "it is not quiet yet")
		all := y.passUntil(t, 1)
		require.Len(t, all, 1)
		assert.Equal(t, folder, all[0].Set)
		assert.Equal(t, completion.Complete, all[0].Outcome)
		assert.Equal(t, completion.Quiet, all[0].Reason)
		assert.EqualValues(t, 12, all[0].Count.Objects)
		assert.NotEmpty(t, y.gone["Observer"], "one was killed")
		assert.GreaterOrEqual(t, sends.Load(), int64(3), "refused, taken, and known again")

		y.tell(t, append(parts(folder, 12, 1), parts(folder, 3, 4)...)...)
		y.pass(t, 10*time.Minute)
		require.Len(t, y.completions(t), 1)
		y.requireFiltered(t, "Monitor", "Late")
		y.requireFiltered(t, "Observer", "LooksFailed")
		assert.Equal(t, 1, strings.Count(y.log("Monitor"), `"msg":"late"`), "told of once")
		y.requireNoDeadLetters(t)
		for function := range mappings {
			y.gate.requireLeast(t, function)
		}
	})

	// By another policy what comes late reopens its folder, which completes again.
	t.Run("reopened", func(t *testing.T) {
		y := newYard(t, endpoint, map[string]string{"Late": "reopen", "Folders": "out/"})
		folder := completion.Set{Bucket: bucket, Prefix: "out/"}
		y.tell(t, parts(folder, 0, 3)...)
		require.Len(t, y.passUntil(t, 1), 1)
		y.tell(t, parts(folder, 2, 2)...)
		all := y.passUntil(t, 2)
		require.Len(t, all, 2)
		assert.EqualValues(t, 4, all[1].Count.Objects)
		assert.NotEqual(t, all[0].ID(), all[1].ID())
		y.requireNoDeadLetters(t)
	})

	// A folder that takes too long is given up; what comes while that is told is late.
	t.Run("given up", func(t *testing.T) {
		y := newYard(t, endpoint, map[string]string{"MaxAge": "1ns"})
		folder := completion.Set{Bucket: bucket, Prefix: "out/given-up/"}
		counted := make(chan error, 1)
		arrive := func() {
			_, err := store.Arrive(context.WithoutCancel(t.Context()), folder, []completion.Arrival{completion.Object("one more", 0)})
			counted <- err
		}
		y.told.Store(&arrive)
		y.tell(t, parts(folder, 0, 1)...)
		all := y.passUntil(t, 1)
		require.NoError(t, <-counted)
		require.Len(t, all, 1)
		assert.Equal(t, completion.Incomplete, all[0].Outcome)
		assert.EqualValues(t, 1, all[0].Count.Objects)
		y.requireFiltered(t, "Observer", "Incomplete")
		y.requireFiltered(t, "Observer", "Late")
		y.requireNoDeadLetters(t)
	})
}
