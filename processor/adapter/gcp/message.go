package gcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/gs/gsevent"
)

// Message is a message of Pub/Sub.
type Message struct {
	// ID is the service's own, the same in each delivery. A function of the first
	// generation is told it in the metadata of its context only; without it the
	// message is named by a hash of its data.
	ID string
	// Subscription is the full name of the subscription that delivered it,
	// "projects/p/subscriptions/s", or empty where that is not known.
	Subscription string
	Data         []byte
	Attributes   map[string]string
	OrderingKey  string
	// Published is when the service took it, or zero where that is not known.
	Published time.Time
	// Delivery counts deliveries from 1, where the subscription has a dead-letter
	// topic. Otherwise it is 0.
	Delivery int
}

// attempts is how often the message was delivered before.
func (m *Message) attempts() int { return max(0, m.Delivery-1) }

// url names the message by its subscription and id.
func (m *Message) url() string {
	at, id := "-", m.ID
	if id == "" {
		sum := sha256.Sum256(m.Data)
		id = hex.EncodeToString(sum[:16])
	}
	if part := strings.Split(m.Subscription, "/"); len(part) == 4 { // projects/p/subscriptions/s
		at = url.PathEscape(part[1]) + "/" + url.PathEscape(part[3])
	} else if m.Subscription != "" {
		at = url.PathEscape(m.Subscription)
	}
	return "pubsub://" + at + "/" + url.PathEscape(id)
}

// UnmarshalJSON implements [json.Unmarshaler]: it reads the envelope of a push
// subscription or a CloudEvent, and the bare message that a function of the first
// generation is handed. What is neither is an error marked fault.Corrupt.
func (m *Message) UnmarshalJSON(data []byte) error {
	type message struct {
		ID          string            `json:"messageId"`
		Data        []byte            `json:"data"`
		Attributes  map[string]string `json:"attributes"`
		OrderingKey string            `json:"orderingKey"`
		Published   time.Time         `json:"publishTime"`
	}
	var envelope struct {
		Message      *message `json:"message"`
		Subscription string   `json:"subscription"`
		Delivery     int      `json:"deliveryAttempt"`
	}
	// Causes would quote the message.
	if json.Unmarshal(data, &envelope) != nil {
		return fault.Corrupt(errNoMessage)
	}
	in := envelope.Message
	if in == nil { // bare
		in = new(message)
		if json.Unmarshal(data, in) != nil || in.Data == nil && in.Attributes == nil {
			return fault.Corrupt(errNoMessage)
		}
	} else if in.ID == "" {
		return fault.Corrupt(fmt.Errorf("%w: it has no id", errNoMessage))
	}
	*m = Message{
		ID: in.ID, Subscription: envelope.Subscription, Data: in.Data, Attributes: in.Attributes,
		OrderingKey: in.OrderingKey, Published: in.Published, Delivery: max(0, envelope.Delivery),
	}
	return nil
}

var (
	errNoMessage = errors.New("gcp: it is no message of Pub/Sub")
	errNoEvent   = fault.Corrupt(errors.New("gcp: it is no event of Cloud Storage"))
)

// MessagesConfig configures [NewMessages].
type MessagesConfig struct {
	Config
	// Objects handles messages that are notifications of Cloud Storage: its
	// Source and ObjectOf are used, and otherwise this Config. Defaults to none:
	// such a message is data as any other.
	Objects *Objects
}

// Messages handles messages of Pub/Sub: the data of each is the input of a
// request, cut into records as the service is configured, be it a record, an array
// or lines of them. The request is named "pubsub://project/subscription/id", and
// has as many attempts behind it as the message was delivered before.
//
// With ordering keys Pub/Sub itself delivers what follows only after what came
// before was settled.
//
// It is safe for concurrent use.
type Messages struct {
	cfg     Config
	objects *Objects
}

// NewMessages returns a handler of messages, or every mistake in cfg.
func NewMessages(cfg MessagesConfig) (*Messages, error) {
	h := &Messages{cfg: cfg.withDefaults(), objects: cfg.Objects}
	if err := h.cfg.validate(); err != nil {
		return nil, err
	}
	return h, nil
}

// HandleMessage handles one message. The message is settled if the error is nil.
func (h *Messages) HandleMessage(ctx context.Context, m Message) error {
	return h.cfg.handle(ctx, func(ctx context.Context, d *delivery) error { return h.message(ctx, d, &m) })
}

func (h *Messages) message(ctx context.Context, d *delivery, m *Message) error {
	if h.objects != nil && gsevent.IsType(m.Attributes["eventType"]) {
		return h.objects.message(ctx, d, m)
	}
	req := processor.NewRequest(bytes.NewReader(m.Data), nil, m.url())
	req.StartTime, req.Attempt = m.Published, m.attempts()
	if err := d.request(ctx, req); err != nil {
		return fmt.Errorf("message %s: %w", m.ID, err)
	}
	return nil
}
