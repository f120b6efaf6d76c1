package sqsstore_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// queue is a client of queues that take everything, and note it.
type queue struct {
	most     string // MaximumMessageSize, 1 MiB if it is empty
	mu       sync.Mutex
	calls    [][]types.SendMessageBatchRequestEntry
	asked    int                                                   // for URLs and limits
	accepted []types.SendMessageBatchRequestEntry                  // and acknowledged
	fail     func(call int, entries int) (failed []int, err error) // called with mu held
}

func (q *queue) GetQueueUrl(_ context.Context, in *awssqs.GetQueueUrlInput, _ ...func(*awssqs.Options)) (*awssqs.GetQueueUrlOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked++
	return &awssqs.GetQueueUrlOutput{QueueUrl: awssdk.String("https://sqs/1/" + *in.QueueName)}, nil
}

func (q *queue) GetQueueAttributes(context.Context, *awssqs.GetQueueAttributesInput, ...func(*awssqs.Options)) (*awssqs.GetQueueAttributesOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked++
	return &awssqs.GetQueueAttributesOutput{Attributes: map[string]string{"MaximumMessageSize": cmp.Or(q.most, "1048576")}}, nil
}

func (q *queue) SendMessageBatch(_ context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, in.Entries)
	var failed []int
	if q.fail != nil {
		var err error
		if failed, err = q.fail(len(q.calls), len(in.Entries)); err != nil {
			return nil, err
		}
	}
	out := &awssqs.SendMessageBatchOutput{}
	for i, e := range in.Entries {
		if len(failed) > 0 && failed[0] == i {
			failed = failed[1:]
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: awssdk.String("InternalError")})
			continue
		}
		q.accepted = append(q.accepted, e)
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// bodies are those that were acknowledged.
func (q *queue) bodies() (all []string) {
	for _, e := range q.accepted {
		all = append(all, *e.MessageBody)
	}
	return all
}

// numbered are the bodies of the records of lines.
func numbered(from, to int) (all []string) {
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf(`{"id":%d}`, n))
	}
	return all
}

// begin starts a part with lines.
func begin(t require.TestingT, store *destination.Store, attempt int, lines []byte) *destination.Part {
	part, err := store.Create(context.Background(), "in/a.csv", attempt)
	require.NoError(t, err)
	_, err = part.Write(lines)
	require.NoError(t, err)
	return part
}

func TestCommitSendsEachRecord(t *testing.T) {
	server, client := newServer(t, "retry")
	register(t, client, sqsstore.Config{})
	part := begin(t, open(t, "sqs://retry"), 2, lines(0, 25))
	assert.Empty(t, server.Messages("retry"), "nothing before the commit")
	_, err := part.Commit(t.Context())
	require.NoError(t, err)
	got := server.Messages("retry")
	require.Len(t, got, 25)
	assert.Equal(t, 3, server.Calls("SendMessageBatch"))
	slices.SortFunc(got, func(a, b sqstest.Message) int {
		return cmp.Or(cmp.Compare(len(a.Body), len(b.Body)), strings.Compare(a.Body, b.Body))
	})
	for n, m := range got {
		assert.Equal(t, fmt.Sprintf(`{"id":%d}`, n), m.Body)
		assert.Equal(t, map[string]sqstest.Attribute{
			"object": {Type: "String", Value: "in/a.csv"}, "version": {Type: "String", Value: "v1"}, "offset": {Type: "Number", Value: fmt.Sprint(100 * n)},
			"attempt": {Type: "Number", Value: "2"}, "class": {Type: "String", Value: "retryable"}, "reason": {Type: "String", Value: "no"},
		}, m.Attributes)
	}
}

func TestAnAbortedPartSendsNothing(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{})
	part := begin(t, open(t, "sqs://retry"), 2, lines(0, 25))
	part.Abort()
	_, err := part.Commit(t.Context())
	require.Error(t, err)
	assert.Empty(t, q.calls)
}

// However a part is written, and whatever fails, each record is acknowledged once, if
// Commit is called until it succeeds.
func TestWhatWasAcknowledgedIsNotSentAgain(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) { acknowledgedOnce(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func acknowledgedOnce(t *testing.T, r *rand.Rand) {
	q := &queue{fail: func(int, int) ([]int, error) { return nil, nil }}
	m, err := sqsstore.New(q, sqsstore.Config{})
	require.NoError(t, err)
	n, disturbed := 1+r.IntN(40), r.IntN(12)
	q.fail = func(call, entries int) (failed []int, err error) {
		if call > disturbed {
			return nil, nil
		}
		switch r.IntN(5) {
		case 1: // the first half
			for i := range entries / 2 {
				failed = append(failed, i)
			}
		case 2: // the last one
			failed = []int{entries - 1}
		case 3:
			return nil, errors.New("connection reset")
		case 4:
			return nil, &types.RequestThrottled{}
		}
		return failed, nil
	}
	p, err := m.Begin(context.Background(), "sqs://q/in/a.csv-retry02~0123456789abcdef.ndjson")
	require.NoError(t, err)
	for rest := lines(0, n); len(rest) > 0; {
		k := 1 + r.IntN(len(rest))
		written, err := p.Write(rest[:k])
		require.NoError(t, err)
		require.Equal(t, k, written)
		rest = rest[k:]
	}
	for err = p.Commit(context.Background()); err != nil; err = p.Commit(context.Background()) {
		require.ErrorIs(t, err, sqsstore.ErrUndecided)
		require.Equal(t, fault.ClassInterrupted, onlyClass(err), "%v", err)
	}
	require.ElementsMatch(t, numbered(0, n), q.bodies())
	require.NoError(t, p.Commit(context.Background()), "it is over")
	require.Len(t, q.accepted, n)
}

// onlyClass is the class of an error of a Commit: of an entry that failed by itself
// among others it is retryable.
func onlyClass(err error) fault.Class {
	if fault.Is(err, fault.ClassRetryable) {
		return fault.ClassInterrupted
	}
	return fault.Of(err)
}

// While a queue is away it is asked once a try, and not once for each batch.
func TestAQueueThatIsAwayIsNotAskedForEachBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{fail: func(int, int) ([]int, error) { return nil, errors.New("connection refused") }}
		register(t, q, sqsstore.Config{Parallel: 1})
		_, err := begin(t, open(t, "sqs://retry"), 1, lines(0, 120)).Commit(t.Context())
		require.ErrorIs(t, err, sqsstore.ErrUndecided)
		assert.Len(t, q.calls, 4)
	})
}

// What may be mended is undecided: Commit can be called again. What nobody can mend
// is not.
func TestErrorsAreClassified(t *testing.T) {
	for _, c := range []struct {
		err  error
		want fault.Class
	}{
		{&types.RequestThrottled{}, fault.ClassInterrupted},
		{errors.New("connection reset"), fault.ClassInterrupted},
		{&types.QueueDoesNotExist{}, fault.ClassFatal},
		{&types.InvalidMessageContents{}, fault.ClassCorrupt},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := &queue{fail: func(int, int) ([]int, error) { return nil, c.err }}
			m, err := sqsstore.New(q, sqsstore.Config{})
			require.NoError(t, err)
			p, err := m.Begin(t.Context(), "sqs://q/a~0123456789abcdef.ndjson")
			require.NoError(t, err)
			_, err = p.Write(lines(0, 3))
			require.NoError(t, err)
			err = p.Commit(t.Context())
			assert.Equal(t, c.want, fault.Of(err), "%v", err)
			assert.Equal(t, c.want != fault.ClassCorrupt, errors.Is(err, sqsstore.ErrUndecided), "%v", err)
		})
	}
}

// What is to be tried again waits, twice as long after each attempt; what is not does
// not wait.
func TestTheDelayDoublesWithTheAttempts(t *testing.T) {
	delays := func(cfg sqsstore.Config, base string) (got []int) {
		for _, attempt := range []int{0, 1, 2, 3, 10, 11, 5000} {
			q := &queue{}
			register(t, q, cfg)
			_, err := begin(t, open(t, base), attempt, lines(0, 1)).Commit(t.Context())
			require.NoError(t, err)
			got = append(got, int(q.accepted[0].DelaySeconds))
		}
		return got
	}
	assert.Equal(t, []int{0, 1, 2, 4, 512, 900, 900}, delays(sqsstore.Config{}, "sqs://retry"))
	assert.Equal(t, []int{0, 20, 40, 80, 900, 900, 900}, delays(sqsstore.Config{Delay: 20 * time.Second}, "sqs://retry"))
	assert.Equal(t, []int{0, 0, 0, 0, 0, 0, 0}, delays(sqsstore.Config{Delay: -1}, "sqs://retry"))
	assert.Equal(t, []int{0, 0, 0, 0, 0, 0, 0}, delays(sqsstore.Config{}, "sqs://retry.fifo"), "FIFO queues delay no single message")
}

// So many calls are under way at a time as Parallel says, and one to a FIFO queue, in
// the order of the records.
func TestCallsOfACommit(t *testing.T) {
	for base, want := range map[string]int64{"sqs://retry": 3, "sqs://retry.fifo": 1} {
		synctest.Test(t, func(t *testing.T) {
			q := &slowQueue{}
			register(t, q, sqsstore.Config{Parallel: 3})
			start := time.Now()
			_, err := begin(t, open(t, base), 1, lines(0, 120)).Commit(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, q.most.Load())
			assert.Equal(t, 12*time.Second/time.Duration(want), time.Since(start))
			if want == 1 {
				assert.Equal(t, numbered(0, 120), q.bodies())
			} else {
				assert.ElementsMatch(t, numbered(0, 120), q.bodies())
			}
		})
	}
}

// slowQueue takes a second for each call, and counts those under way.
type slowQueue struct {
	queue
	now, most atomic.Int64
}

func (q *slowQueue) SendMessageBatch(ctx context.Context, in *awssqs.SendMessageBatchInput, options ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	n := q.now.Add(1)
	defer q.now.Add(-1)
	for most := q.most.Load(); n > most && !q.most.CompareAndSwap(most, n); most = q.most.Load() {
	}
	time.Sleep(time.Second)
	return q.queue.SendMessageBatch(ctx, in, options...)
}

// Batches are within what SQS takes, attributes included.
func TestBatchesFit(t *testing.T) {
	server, client := newServer(t, "retry")
	register(t, client, sqsstore.Config{})
	var text []byte
	for _, size := range []int{500_000, 500_000, 100_000, 1_000_000, 10} {
		text = (&destination.Envelope{Object: "a", Class: "retryable", Data: bytes.Repeat([]byte("x"), size)}).Append(text)
	}
	_, err := begin(t, open(t, "sqs://retry"), 1, text).Commit(t.Context())
	require.NoError(t, err)
	assert.Len(t, server.Messages("retry"), 5)
	assert.Equal(t, 3, server.Calls("SendMessageBatch"))
}

// A queue of another make may take less in a call than SQS: as much as it takes is sent, in
// order and whatever fails meanwhile, and what it never takes is an error that says so.
func TestDefectABatchTooLargeForTheQueueWasNeverSent(t *testing.T) {
	for bad := range 12 { // the call that fails
		synctest.Test(t, func(t *testing.T) {
			q := &queue{}
			q.fail = func(call, entries int) ([]int, error) {
				switch {
				case entries > 3:
					return nil, &types.BatchRequestTooLong{}
				case call == bad:
					return nil, errors.New("connection reset")
				}
				return nil, nil
			}
			register(t, q, sqsstore.Config{})
			_, err := begin(t, open(t, "sqs://retry.fifo"), 1, lines(0, 25)).Commit(t.Context())
			require.NoError(t, err)
			assert.ElementsMatch(t, numbered(0, 25), q.bodies())
			if bad == 0 {
				assert.Equal(t, numbered(0, 25), q.bodies())
			}
		})
	}
	q := &queue{fail: func(int, int) ([]int, error) { return nil, &types.BatchRequestTooLong{} }}
	register(t, q, sqsstore.Config{})
	_, err := begin(t, open(t, "sqs://retry"), 1, lines(0, 2)).Commit(t.Context())
	require.ErrorIs(t, err, sink.ErrTooLarge)
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
}

// What a queue takes is for the queue to say: once it was a quarter of what it is now.
func TestDefectAMessageOverTheUsualLimitWasNeverSent(t *testing.T) {
	q := &queue{most: "4194304"}
	register(t, q, sqsstore.Config{})
	large := bytes.Repeat([]byte("x"), 2<<20)
	text := (&destination.Envelope{Object: "a", Class: "retryable", Data: large}).Append(lines(0, 2))
	_, err := begin(t, open(t, "sqs://retry"), 1, append(text, lines(2, 3)...)).Commit(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, append(numbered(0, 3), string(large)), q.bodies())
	assert.Len(t, q.calls, 3)
}

// A record that no message holds is an error before any is sent.
func TestARecordTooLargeIsAClearError(t *testing.T) {
	for name, size := range map[string]int{"just": 64<<10 - 60, "far": 512 << 10} {
		t.Run(name, func(t *testing.T) {
			q := &queue{}
			register(t, q, sqsstore.Config{MessageBytes: 64 << 10})
			text := lines(0, 3)
			text = (&destination.Envelope{Object: "in/b.csv", Offset: 7, Class: "retryable", Data: bytes.Repeat([]byte("x"), size)}).Append(text)
			part, err := open(t, "sqs://retry").Create(t.Context(), "in/b.csv", 1)
			require.NoError(t, err)
			_, err = part.Write(text)
			require.ErrorIs(t, err, sink.ErrTooLarge)
			assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
			assert.ErrorContains(t, err, "in/b.csv")
			assert.NotContains(t, err.Error(), "xxx")
			_, err = part.Commit(t.Context())
			require.ErrorIs(t, err, sink.ErrTooLarge)
			assert.Empty(t, q.calls)
		})
	}
}

// A FIFO queue takes a record once though its acknowledgement was lost, and what
// fails again later is another message.
func TestAFIFOQueueTakesEachOnce(t *testing.T) {
	server, client := newServer(t, "retry.fifo")
	register(t, client, sqsstore.Config{})
	var calls callCount
	server.Inject(func(c *sqstest.Call) sqstest.Fault {
		return sqstest.Fault{LoseResponse: c.Operation == "SendMessageBatch" && calls.next() == 1}
	})
	store := open(t, "sqs://retry.fifo")
	for range 2 { // the same records, with the same attempts: they were interrupted
		_, err := begin(t, store, 2, lines(0, 10)).Commit(t.Context())
		require.NoError(t, err)
	}
	got := server.Messages("retry.fifo")
	assert.Len(t, got, 20)
	for _, m := range got {
		assert.Equal(t, "in/a.csv", m.Group)
	}
	assert.Equal(t, 3, server.Calls("SendMessageBatch"))
}

// callCount counts calls.
type callCount struct {
	mu sync.Mutex
	n  int
}

func (c *callCount) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

func TestGroupsOfFIFOQueues(t *testing.T) {
	group := func(object string, f func([]byte) string) string {
		q := &queue{}
		register(t, q, sqsstore.Config{Group: f})
		text := (&destination.Envelope{Object: object, Class: "retryable", Data: []byte(`{"id":1}`)}).Append(nil)
		_, err := begin(t, open(t, "sqs://retry.fifo"), 1, text).Commit(t.Context())
		require.NoError(t, err)
		return *q.accepted[0].MessageGroupId
	}
	assert.Equal(t, "in/a.csv", group("in/a.csv", nil))
	assert.Regexp(t, `^[0-9a-f]{32}$`, group("in/a b.csv", nil))
	assert.Regexp(t, `^[0-9a-f]{32}$`, group(strings.Repeat("a", 129), nil))
	assert.Equal(t, "8", group("a", func(data []byte) string { return fmt.Sprint(len(data)) }))
	assert.Equal(t, "a", group("a", func([]byte) string { panic("secret") }))
}

func TestTheOriginIsWhatTheRecordSays(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{Origin: func(data []byte) (sqsstore.Origin, bool) {
		switch {
		case bytes.Contains(data, []byte("panic")):
			panic("secret")
		case bytes.Contains(data, []byte("unknown")):
			return sqsstore.Origin{}, false
		}
		return sqsstore.Origin{Object: "first.csv", Offset: 42}, true
	}})
	var text []byte
	for _, data := range []string{"known", "unknown", "panic"} {
		text = (&destination.Envelope{Object: "account/queue/id", Version: "v", Offset: 7, Class: "retryable", Data: []byte(data)}).Append(text)
	}
	text = (&destination.Envelope{Object: "account/queue/id", Version: "v", Offset: 7, Class: "corrupt", Stage: "ticket"}).Append(text)
	_, err := begin(t, open(t, "sqs://dead"), 0, text).Commit(t.Context())
	require.NoError(t, err)
	var got []string
	for _, e := range q.accepted {
		version := "-"
		if v, ok := e.MessageAttributes["version"]; ok {
			version = *v.StringValue
		}
		got = append(got, *e.MessageAttributes["object"].StringValue+" "+version+" "+*e.MessageAttributes["offset"].StringValue)
	}
	own := "account/queue/id v 7"
	assert.Equal(t, []string{"first.csv - 42", own, own, own}, got)
}

// What is written of a line is not kept beyond what could fit.
func TestALineWithoutAnEndIsRefusedInTime(t *testing.T) {
	m := register(t, &queue{}, sqsstore.Config{MessageBytes: 1 << 10})
	p, err := m.Begin(t.Context(), "sqs://retry/a~0123456789abcdef.ndjson")
	require.NoError(t, err)
	piece := bytes.Repeat([]byte("x"), 16<<10)
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = p.Write(piece)
	}
	require.ErrorIs(t, err, sink.ErrTooLarge)
	assert.Less(t, n, 6)
}

// Close is a commit, and the end in any case.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		q := &queue{fail: func(int, int) ([]int, error) {
			if away {
				return nil, errors.New("connection refused")
			}
			return nil, nil
		}}
		m := register(t, q, sqsstore.Config{})
		for _, want := range []int{0, 2} {
			p, err := m.Begin(t.Context(), "sqs://retry/a~0123456789abcdef.ndjson")
			require.NoError(t, err)
			_, err = p.Write(lines(0, 2))
			require.NoError(t, err)
			err = p.Close()
			assert.Equal(t, away, err != nil)
			away = false
			assert.Equal(t, want == 0, p.Commit(t.Context()) != nil, "it is over")
			assert.Len(t, q.accepted, want)
		}
	})
}

// Of the errors of a batch the worst counts: where one record will never be taken, or
// none, another try mends nothing.
func TestTheWorstErrorOfABatchCounts(t *testing.T) {
	for code, want := range map[string]fault.Class{"InvalidMessageContents": fault.ClassCorrupt, "KmsAccessDenied": fault.ClassFatal, "InternalError": fault.ClassRetryable} {
		synctest.Test(t, func(t *testing.T) {
			q := &picky{codes: []string{"InternalError", code, "InternalError"}}
			p, err := register(t, q, sqsstore.Config{}).Begin(t.Context(), "sqs://retry/a~0123456789abcdef.ndjson")
			require.NoError(t, err)
			_, err = p.Write(lines(0, 3))
			require.NoError(t, err)
			err = p.Commit(t.Context())
			assert.True(t, fault.Is(err, want), "%v", err)
			assert.Equal(t, want != fault.ClassCorrupt, errors.Is(err, sqsstore.ErrUndecided), "%v", err)
		})
	}
}

// picky is a queue that refuses each message with a code of its own.
type picky struct {
	queue
	codes []string
}

func (q *picky) SendMessageBatch(_ context.Context, in *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	out := &awssqs.SendMessageBatchOutput{}
	for i, e := range in.Entries {
		out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: &q.codes[i]})
	}
	return out, nil
}

// A line that is no envelope, of a part of a folder that somebody else wrote, is a
// record as well.
func TestAPlainLineIsARecord(t *testing.T) {
	q := &queue{}
	register(t, q, sqsstore.Config{})
	_, err := begin(t, open(t, "sqs://dead"), 0, []byte("plain\nlast")).Commit(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"plain", "last"}, q.bodies())
	assert.Equal(t, "in/a.csv", *q.accepted[1].MessageAttributes["object"].StringValue)
}
