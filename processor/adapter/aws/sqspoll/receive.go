package sqspoll

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/unspool-go/unspool/internal/sleep"
)

// maxPause is the longest pause between requests to a queue that is away.
const maxPause = 20 * time.Second

// receiveAll receives messages and has them handled, until ctx ends, or until an
// error that no repetition mends.
func (r *run) receiveAll(ctx context.Context) error {
	pause := 100 * time.Millisecond
	for {
		n := r.takeSlots(ctx)
		if n == 0 {
			return nil
		}
		got, expires, err := r.receive(ctx, n)
		for range n - len(got) {
			<-r.slots
		}
		if err == nil {
			pause = 100 * time.Millisecond
			r.start(got, expires)
			continue
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that is why it failed
		}
		err = fmt.Errorf("sqspoll: receive messages: %w", err)
		if isHopeless(err) {
			return err
		}
		r.cfg.OnError(err)
		if sleep.For(ctx, pause/2+rand.N(pause/2)) != nil {
			return nil //nolint:nilerr // it is to end
		}
		pause = min(2*pause, maxPause)
	}
}

// takeSlots waits until a message may be held, and takes the slots of as many as
// may and one request can get. It returns 0 when ctx ends.
func (r *run) takeSlots(ctx context.Context) (n int) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n = 1; n < batchSize; n++ {
		select {
		case r.slots <- struct{}{}:
		default:
			return n
		}
	}
	return n
}

// receive makes one request for up to n messages, which are hidden until expires.
func (r *run) receive(ctx context.Context, n int) (got []types.Message, expires time.Time, err error) {
	// The visibility of what comes counts from some time during the poll: from its
	// beginning, to be safe.
	wait := min(maxWait, r.cfg.Visibility/3).Truncate(time.Second)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	out, err := r.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &r.url, MaxNumberOfMessages: int32(n), WaitTimeSeconds: int32(wait / time.Second), VisibilityTimeout: int32(r.cfg.Visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return out.Messages[:min(n, len(out.Messages))], began.Add(r.cfg.Visibility), nil
}

// start has messages handled: on a FIFO queue those of a group after each other.
func (r *run) start(got []types.Message, expires time.Time) {
	var lanes [][]*held
	of := map[string]int{}
	for i := range got {
		h := r.hold(&got[i], expires)
		group := h.event.Attributes["MessageGroupId"]
		at, known := of[group]
		if !known || !r.fifo {
			at = len(lanes)
			lanes = append(lanes, nil)
			of[group] = at
		}
		lanes[at] = append(lanes[at], h)
	}
	for _, lane := range lanes {
		r.workers.Go(func() { r.follow(lane) })
	}
}
