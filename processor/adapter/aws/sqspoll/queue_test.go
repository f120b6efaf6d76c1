package sqspoll_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queue is a queue that lives in the test, and so in its fake time: package
// sqstest has one that speaks the real protocol, in real time.
type queue struct {
	mu       sync.Mutex
	fifo     bool
	messages []*stored
	fault    func(op string, entry int) error // of a call (entry -1) or an entry of a batch
	calls    map[string]int
	longest  time.Duration // of a visibility that was asked for
	smallest int32         // wait of a long poll
}

type stored struct {
	id, group, body string
	visible         time.Time
	receives        int
	receipt         string
	deleted         bool
	history         []time.Time // when it was received
}

var errAway = errors.New("the queue is away")

func newQueue(fifo bool) *queue { return &queue{fifo: fifo, calls: map[string]int{}} }

func (q *queue) add(group string, bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		q.messages = append(q.messages, &stored{id: fmt.Sprint("m", len(q.messages)), group: group, body: body})
	}
}

// failing has calls fail while f says so.
func (q *queue) failing(f func(op string, entry int) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fault = f
}

// called notes a call. The caller holds mu.
func (q *queue) called(op string) error {
	q.calls[op]++
	return q.fails(op, -1)
}

func (q *queue) fails(op string, entry int) error {
	if q.fault == nil {
		return nil
	}
	return q.fault(op, entry)
}

// state returns a copy of a message.
func (q *queue) state(i int) stored {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *q.messages[i]
}

// left is how many messages are not deleted.
func (q *queue) left() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if !m.deleted {
			n++
		}
	}
	return n
}

func (q *queue) count(op string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls[op]
}

func (q *queue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	until := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		q.mu.Lock()
		if q.smallest == 0 || in.WaitTimeSeconds < q.smallest {
			q.smallest = in.WaitTimeSeconds
		}
		if err := q.called("Receive"); err != nil {
			q.mu.Unlock()
			return nil, err
		}
		got := q.pick(int(in.MaxNumberOfMessages), time.Duration(in.VisibilityTimeout)*time.Second)
		q.mu.Unlock()
		if len(got) > 0 || !time.Now().Before(until) {
			return &sqs.ReceiveMessageOutput{Messages: got}, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *queue) pick(limit int, hidden time.Duration) (got []types.Message) {
	q.longest = max(q.longest, hidden)
	now, blocked := time.Now(), map[string]bool{}
	for _, m := range q.messages {
		if q.fifo && !m.deleted && now.Before(m.visible) {
			blocked[m.group] = true
		}
	}
	for _, m := range q.messages {
		if len(got) == limit {
			break
		}
		if m.deleted || now.Before(m.visible) || blocked[m.group] {
			continue
		}
		m.receives++
		m.visible, m.receipt = now.Add(hidden), fmt.Sprint(m.id, " ", m.receives)
		m.history = append(m.history, now)
		attributes := map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives)}
		if m.group != "" {
			attributes["MessageGroupId"] = m.group
		}
		got = append(got, types.Message{
			MessageId: &m.id, Body: &m.body, ReceiptHandle: awssdk.String(m.receipt), Attributes: attributes,
			MessageAttributes: map[string]types.MessageAttributeValue{"kind": {DataType: awssdk.String("String"), StringValue: awssdk.String("test")}},
		})
	}
	return got
}

// find returns the message in flight that a receipt is of.
func (q *queue) find(receipt *string) *stored {
	for _, m := range q.messages {
		if m.receipt == *receipt && !m.deleted && time.Now().Before(m.visible) {
			return m
		}
	}
	return nil
}

func (q *queue) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.called("Delete"); err != nil {
		return nil, err
	}
	out := &sqs.DeleteMessageBatchOutput{}
	for i, e := range in.Entries {
		m := q.find(e.ReceiptHandle)
		if m == nil || q.fails("Delete", i) != nil {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: awssdk.String("InternalError")})
			continue
		}
		m.deleted = true
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (q *queue) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.called("Change"); err != nil {
		return nil, err
	}
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	for i, e := range in.Entries {
		m, d := q.find(e.ReceiptHandle), time.Duration(e.VisibilityTimeout)*time.Second
		if m == nil || q.fails("Change", i) != nil {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: awssdk.String("MessageNotInflight")})
			continue
		}
		q.longest = max(q.longest, d)
		m.visible = time.Now().Add(d)
		out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
	}
	return out, nil
}
