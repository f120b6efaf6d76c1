package sqspoll

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/unspool-go/unspool/internal/usercode"
)

// held is a message that was received and is neither deleted nor given back. Its
// fields are guarded by run.mu, but for those that do not change.
type held struct {
	id      string
	receipt string
	event   events.SQSMessage
	attempt int // how often it was received before

	expires   time.Time // when it is visible again, at the earliest
	handling  bool
	settled   bool
	abandoned bool        // the run is over
	stop      *time.Timer // ends the context of the handler
}

// errExpiring is the cause of the end of a handler's context when the visibility
// of its message could not be extended.
var errExpiring = errors.New("the visibility of the message could not be extended")

// hold takes a message on that is hidden until expires.
func (r *run) hold(m *types.Message, expires time.Time) *held {
	h := &held{
		id: awssdk.ToString(m.MessageId), receipt: awssdk.ToString(m.ReceiptHandle), expires: expires,
		event: events.SQSMessage{
			MessageId: awssdk.ToString(m.MessageId), ReceiptHandle: awssdk.ToString(m.ReceiptHandle),
			Body: awssdk.ToString(m.Body), Md5OfBody: awssdk.ToString(m.MD5OfBody), Md5OfMessageAttributes: awssdk.ToString(m.MD5OfMessageAttributes),
			Attributes: m.Attributes, EventSource: "aws:sqs", EventSourceARN: r.arn,
		},
	}
	if len(m.MessageAttributes) > 0 {
		h.event.MessageAttributes = make(map[string]events.SQSMessageAttribute, len(m.MessageAttributes))
		for name, a := range m.MessageAttributes {
			h.event.MessageAttributes[name] = events.SQSMessageAttribute{StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: awssdk.ToString(a.DataType)}
		}
	}
	if n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil {
		h.attempt = max(0, n-1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[h] = struct{}{}
	r.stats.Received++
	return h
}

// drop lets go of a message. The caller holds mu.
func (r *run) drop(h *held) {
	if _, ok := r.held[h]; ok {
		delete(r.held, h)
		<-r.slots
	}
}

// follow handles the messages of a lane, one after the other, until one is not
// settled. The others are given back.
func (r *run) follow(lane []*held) {
	for i, h := range lane {
		begun, err := r.handle(h)
		if !begun || err != nil {
			if begun {
				r.giveBack(lane[i:i+1], r.retryDelay(h))
				i++
			}
			r.count(func(s *Stats) { s.Returned += int64(len(lane) - i) })
			r.giveBack(lane[i:], 0)
			return
		}
	}
}

// handle handles a message, unless it is too late for that.
func (r *run) handle(h *held) (begun bool, err error) {
	ctx, cancel := context.WithCancelCause(r.work)
	defer cancel(nil)
	r.mu.Lock()
	left := time.Until(r.stopAt(h))
	if r.stopping || left <= 0 {
		r.mu.Unlock()
		return false, nil
	}
	h.handling = true
	h.stop = time.AfterFunc(left, func() {
		r.count(func(s *Stats) { s.Stopped++ })
		cancel(errExpiring)
	})
	r.mu.Unlock()

	if err = usercode.Call(func() error { return r.handler.HandleMessage(ctx, h.event) }); err != nil {
		err = fmt.Errorf("sqspoll: message %s: %w", h.id, err)
	}
	if r.handled(h, err) && err != nil {
		r.cfg.OnError(err)
	}
	return true, err
}

// handled notes the end of a handler, and reports false if nobody waits for it any
// more: then its message stays hidden until its visibility ends.
func (r *run) handled(h *held, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.stop.Stop()
	h.handling = false
	if h.abandoned {
		return false
	}
	if err != nil {
		r.stats.Failed++
		return true
	}
	r.stats.Settled++
	h.settled = true
	r.settled = append(r.settled, h)
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return true
}

// stopAt is when work on a message has to stop: a quarter of its visibility before
// the end of that is for putting aside what is left of it, and for its deletion.
// The caller holds mu.
func (r *run) stopAt(h *held) time.Time { return h.expires.Add(-r.cfg.Visibility / 4) }

// retryDelay is how long a message stays hidden that was not settled.
func (r *run) retryDelay(h *held) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cfg.RetryDelay < 0 || r.stopping {
		return 0
	}
	d := r.cfg.RetryDelay
	for n := 0; n < h.attempt && d < maxRetryDelay; n++ {
		d *= 2
	}
	return min(d, maxRetryDelay)
}
