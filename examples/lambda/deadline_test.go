package lambda

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// The drain that functions are given here, of which they need a few milliseconds: so
// that an answer which comes after the deadline is never one of a busy machine.
const drain = 15 * time.Second

// The queue takes that long for a call, of which a function makes one after the other,
// each of ten records: what makes deadlines strike in the middle.
const (
	delay = 20 * time.Millisecond
	pace  = 500 // records a second
)

// soon is a deadline that leaves a random time for work.
func soon(rnd *rand.Rand) time.Duration {
	return drain + 20*time.Millisecond + time.Duration(rnd.Int64N(int64(300*time.Millisecond)))
}

// late is a deadline that leaves time for all there is.
const late = 5 * time.Minute

// A deadline that strikes in the middle of work: the function has answered before it,
// every record is accounted for, what was not sent is given back or in the retry
// destination, and later invocations send it, once. In both modes of the runtime.
func TestDeadlineStrikes(t *testing.T) {
	t.Parallel()
	places, count := 1, 4
	switch {
	case !testtool.Brief():
		places, count = 5, 34 // 5 × 34 × 3 functions × 2 modes = 1,020 runs
	case testing.Short():
		count = 2
	}
	w := newWorld(t)
	w.queue.Inject(func(*sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: delay} })
	for number := range places {
		for _, m := range modes {
			for _, function := range []string{"loader", "s3event", "sqsconsumer"} {
				if !runs(function) {
					continue
				}
				name := fmt.Sprintf("%s-%s-%d", function, m.name, number)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					p := w.place(t, name)
					p.settings["PROCESSOR"] = fmt.Sprintf("{deadlineReduction: %v, pack: {mode: single}, concurrency: 1, senders: 1, lease: 2m}", drain)
					rnd := rand.New(rand.NewPCG(uint64(number), uint64(len(name)))) //nolint:gosec // repeatable
					strike[function](t, p, m, rnd, count)
				})
			}
		}
	}
}

var strike = map[string]func(*testing.T, *place, mode, *rand.Rand, int){
	"loader": strikeLoader, "s3event": strikeS3Event, "sqsconsumer": strikeConsumer,
}

// strikeLoader drains a folder, which takes longer than any of the runs.
func strikeLoader(t *testing.T, p *place, m mode, rnd *rand.Rand, runs int) {
	const perObject = 50
	objects := 5 + runs*pace/perObject/5 // a fifth of a second for each run, which has less on average, and half a second more
	for i := range objects {
		p.put(t, strconv.Itoa(i)+".json", i*perObject, perObject)
	}
	f := &meter{Function: p.start(t, m, "loader")}
	var sent, stopped int64
	for range runs {
		_, line := f.invoke(t, []byte(`{}`), soon(rnd))
		sent += line.Get("Delivered").Int()
		if line.Get("Status").String() == "stopped" {
			stopped++
		}
		assert.Zero(t, line.Get("RetryErrors").Int()+line.Get("Lost").Int()+line.Get("Abandoned").Int(), line.Raw)
	}
	assert.Positive(t, stopped, "no deadline struck in the middle")
	_, line := f.invoke(t, []byte(`{}`), late)
	assert.Equal(t, "ok", line.Get("Status").String(), line.Raw)
	require.EqualValues(t, objects*perObject, sent+line.Get("Delivered").Int(), "what the runs say they have sent")
	p.requireOnce(t, objects*perObject)
}

// strikeS3Event processes objects of which S3 tells, each of which takes longer than
// its run. Where S3 tells of it again that run goes on, and where S3 gives up a loader
// does, which finds the object in its listing.
func strikeS3Event(t *testing.T, p *place, m mode, rnd *rand.Rand, runs int) {
	const perObject = pace / 2 // half a second's, of which a run has two thirds at most
	f := &meter{Function: p.start(t, m, "s3event")}
	var more time.Duration // that a busy machine takes until the object is open
	objects := 0
	for struck := false; objects < runs || !struck; objects++ {
		require.Less(t, objects, runs+30, "no deadline struck in the middle")
		key := p.put(t, strconv.Itoa(objects)+".json", objects*perObject, perObject)
		answer, line := f.invoke(t, eventOf(key), soon(rnd)+more)
		require.Zero(t, line.Get("RetryErrors").Int()+line.Get("Lost").Int()+line.Get("Abandoned").Int(), line.Raw)
		if answer.Failure == nil {
			require.EqualValues(t, 1, line.Get("Finished").Int(), line.Raw)
			continue
		}
		require.Contains(t, answer.Failure.Message, "1 of 1 objects are not settled")
		require.NotEqual(t, "error", line.Get("Status").String(), line.Raw)
		if line.Get("Delivered").Int() > 0 {
			struck = true
		} else {
			more += 50 * time.Millisecond
		}
		if objects%2 > 0 {
			answer, line = f.invoke(t, eventOf(key), late)
			require.Nil(t, answer.Failure, line.Raw)
		}
	}
	_, line := (&meter{Function: p.start(t, m, "loader")}).invoke(t, []byte(`{}`), late)
	assert.Equal(t, "ok", line.Get("Status").String(), line.Raw)
	p.requireOnce(t, objects*perObject)
}

// strikeConsumer processes batches of messages, each of which takes longer than its
// run, delivers again what is not settled, and has a loader do what was left.
func strikeConsumer(t *testing.T, p *place, m mode, rnd *rand.Rand, runs int) {
	const messages, perMessage = 10, pace / 6
	f := &meter{Function: p.start(t, m, "sqsconsumer")}
	var again, left int64
	for i := range runs {
		pending := map[string]string{}
		for j := range messages {
			n := i*messages + j
			pending["message-"+strconv.Itoa(n)] = string(lines(n*perMessage, perMessage))
		}
		for within := soon(rnd); len(pending) > 0; within = late { // as SQS delivers them again
			answer, line := f.invoke(t, batchOf(t, pending), within)
			left += line.Get("RetryErrors").Int()
			unsettled := failures(t, answer)
			require.EqualValues(t, len(unsettled), line.Get("Unsettled").Int(), line.Raw)
			again += int64(len(unsettled))
			for id := range pending {
				if !unsettled[id] {
					delete(pending, id)
				}
			}
			require.Len(t, pending, len(unsettled), "it answers with ids that it was given")
		}
	}
	assert.Positive(t, again+left, "no deadline struck in the middle")
	p.retry(t, m)
	p.requireOnce(t, runs*messages*perMessage)
}

// failures are the ids of messages that are to be delivered again. Where all are,
// Lambda is told by an error.
func failures(t *testing.T, answer lambdatest.Answer) map[string]bool {
	t.Helper()
	require.Nil(t, answer.Failure)
	list := gjson.GetBytes(answer.Payload, "batchItemFailures")
	require.True(t, list.IsArray(), "%s: Lambda takes it for success", answer.Payload)
	ids := map[string]bool{}
	for _, item := range list.Array() {
		ids[item.Get("itemIdentifier").String()] = true
	}
	return ids
}

// batchOf is the event of the event source mapping of a queue.
func batchOf(t *testing.T, messages map[string]string) []byte {
	t.Helper()
	var records []string
	for id, body := range messages {
		records = append(records, fmt.Sprintf(`{"messageId":%q,"receiptHandle":"handle","body":%q,"attributes":{"ApproximateReceiveCount":"1"},`+
			`"messageAttributes":{},"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:inbox","awsRegion":"us-east-1"}`, id, body))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// retry has a loader drain the retry destination, as often as its schedule starts it.
func (p *place) retry(t *testing.T, m mode) {
	t.Helper()
	p.settings["PROCESSOR"] = ""
	loader := &meter{Function: p.start(t, m, "loader")}
	for end := time.Now().Add(2 * patience); len(p.keys(t, "aside/retry")) > 0; {
		require.True(t, time.Now().Before(end), "parts stay in the retry destination")
		_, line := loader.invoke(t, []byte(`{}`), late)
		require.NotEqual(t, "error", line.Get("Status").String(), line.Raw)
	}
}
