package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/unspool-go/unspool/internal/sqsletter"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source/s3"
)

// MessagesConfig configures [NewMessages].
type MessagesConfig struct {
	Config
	// Objects handles messages that hold an S3 event: its Source and ObjectOf are
	// used, and otherwise this Config. Defaults to none: such a message is data as
	// any other.
	Objects *Objects
	// Offloaded reads the bodies that were too large for the queue. Defaults to
	// none: a message that points to one is not settled.
	Offloaded *Offloaded
}

// Messages handles messages of SQS: the body of each is the input of a request,
// cut into records as the service is configured, be it a record, an array or lines
// of them. The request is named "sqs://region/account/queue/id", and has as many
// attempts behind it as the message was received before, and as a number in its
// attribute "attempt" says.
//
// A message that holds a record which was put aside in a queue (see package sqsstore)
// is taken as that: the record goes on where it was left, with the attempts behind it,
// and is still known by the place that it comes from.
//
// On a FIFO queue the messages of a group are done one after the other. After one
// that is not settled none of its group is begun, and all of them are delivered
// again, in their order; the other groups go on.
//
// It is safe for concurrent use.
type Messages struct {
	cfg       Config
	objects   *Objects
	offloaded *Offloaded
}

// NewMessages returns a handler of messages, or every mistake in cfg.
func NewMessages(cfg MessagesConfig) (*Messages, error) {
	h := &Messages{cfg: cfg.withDefaults(), objects: cfg.Objects, offloaded: cfg.Offloaded}
	if err := h.cfg.validate(); err != nil {
		return nil, err
	}
	return h, nil
}

// Handle handles a batch of messages, as Lambda's event source mapping of a queue
// delivers it.
func (h *Messages) Handle(ctx context.Context, batch events.SQSEvent) (Answer, error) {
	return handleSQS(ctx, &h.cfg, batch, h.plan)
}

// HandleMessage handles one message, for a consumer of its own such as package
// sqspoll. The message is settled if the error is nil.
func (h *Messages) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	_, err := h.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{m}})
	return err
}

// HandleMessage is that of [Messages], for messages that each hold an S3 event.
func (h *Objects) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	_, err := h.HandleSQS(ctx, events.SQSEvent{Records: []events.SQSMessage{m}})
	return err
}

// bodies makes requests of messages.
type bodies struct {
	*plan
	of *Messages
}

func (h *Messages) plan(inv *invocation) *bodies {
	return &bodies{newPlan(inv, h.objects), h}
}

// message adds a message.
func (b *bodies) message(i int, lane string, m *events.SQSMessage) {
	_, aside := m.MessageAttributes[sqsletter.Class]
	if b.of.objects != nil && !aside {
		if found, err := s3.ParseEvents([]byte(m.Body)); err == nil {
			b.add(i, lane, attemptsOf(m), found)
			return
		}
	}
	b.append(i, lane, func(ctx context.Context) error {
		if err := b.of.do(ctx, b.inv, m); err != nil {
			return fmt.Errorf("message %s: %w", m.MessageId, err)
		}
		return nil
	})
}

// do works on one message.
func (h *Messages) do(ctx context.Context, inv *invocation, m *events.SQSMessage) error {
	req, aside, err := asideOf(m)
	if err != nil {
		return err
	}
	if !aside {
		req = processor.NewRequest(strings.NewReader(m.Body), nil, urlOf(m))
	}
	req.Attempt, req.StartTime = attemptsOf(m), sentAt(m)
	if p, ok := parsePointer(m.Body); ok && !aside {
		if h.offloaded == nil {
			return errors.New("its body is in S3, and Config.Offloaded is not set")
		}
		body, err := h.offloaded.open(ctx, p)
		if err != nil {
			return err
		}
		req.Reader = body // Do closes it
	}
	return inv.request(ctx, req)
}

// urlOf names a message by its queue and id.
func urlOf(m *events.SQSMessage) string {
	queue := url.PathEscape(m.EventSourceARN)
	if part := strings.Split(m.EventSourceARN, ":"); len(part) == 6 { // arn:aws:sqs:region:account:name
		queue = url.PathEscape(part[3]) + "/" + url.PathEscape(part[4]) + "/" + url.PathEscape(part[5])
	}
	return "sqs://" + queue + "/" + url.PathEscape(m.MessageId)
}

// sentAt is when a message was sent, zero where that is not known.
func sentAt(m *events.SQSMessage) time.Time {
	ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
