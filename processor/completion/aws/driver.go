package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// API is what is used of the SDK's client, *sqs.Client.
type API interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

var _ API = (*sqs.Client)(nil)

// MaxDelay is the longest that SQS delays a message. Longer waits take several.
const MaxDelay = 900 * time.Second

// Queue sends observers the messages that they look by. It is safe for concurrent use.
type Queue struct {
	api API
	url string
}

// NewQueue returns the queue with a URL, which must not be a FIFO queue: those delay no
// single message. It sends nothing.
func NewQueue(api API, url string) (*Queue, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	switch {
	case url == "":
		errs = append(errs, errors.New("url is empty"))
	case strings.HasSuffix(url, ".fifo"):
		errs = append(errs, errors.New("url is that of a FIFO queue, which delays no single message"))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure queue of observers: %w", errors.Join(errs...)))
	}
	return &Queue{api, url}, nil
}

// Start has a set observed from now on. It may be called again about the same set: it is
// then observed more than once, which does no harm.
func (q *Queue) Start(ctx context.Context, set completion.Set) error {
	if err := set.Check(); err != nil {
		return fault.Fatal(fmt.Errorf("observe: %w", err))
	}
	return q.send(ctx, message{State: completion.State{Set: set}})
}

// message is what an observer sends to itself.
type message struct {
	completion.State
	// Wait is what is left to wait for once it arrives, in seconds.
	Wait int64 `json:"wait,omitempty"`
}

// untaken escapes what JSON may hold and SQS does not take.
var untaken = strings.NewReplacer("\ufffe", `\ufffe`, "\uffff", `\uffff`)

// send sends a message that arrives after its wait, or after as much of it as there may
// be at once.
func (q *Queue) send(ctx context.Context, m message) error {
	delay := min(m.Wait, int64(MaxDelay/time.Second))
	m.Wait -= delay
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("observe %s: %w", m.Set, err)
	}
	_, err = q.api.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: awssdk.String(untaken.Replace(string(body))), DelaySeconds: int32(delay),
	})
	if err != nil {
		return fault.Interrupted(fmt.Errorf("observe %s: %w", m.Set, err))
	}
	return nil
}

// DriverConfig configures a [Driver].
type DriverConfig struct {
	// Observer looks. Required.
	Observer *completion.Observer
	// Queue is that whose messages the driver is handed. Required.
	Queue *Queue
	// OnError, when not nil, is called with what went wrong in a look, which is
	// repeated, and with what keeps a message from being settled, from several
	// goroutines at once.
	OnError func(error)
}

// Driver has an observer look as messages arrive, each of which is the state that the
// last look left, and was delayed by what that look wanted to wait. It is safe for
// concurrent use.
//
// A message that comes twice makes two lines of looks of one: each waits and decides by
// itself, and both end with the set. While the store is away looks go on by new
// messages, so that none is received too often; a store that does not exist, or denies
// access, fails the message, which ends in the dead-letter queue and can be redriven. A
// set whose message is lost, or lies there, is looked at by nobody: watch the dead-letter
// queue, and have the set observed again by [Queue.Start], which does no harm.
type Driver struct{ cfg DriverConfig }

// NewDriver returns a driver, or what is wrong with cfg.
func NewDriver(cfg DriverConfig) (*Driver, error) {
	var errs []error
	if cfg.Observer == nil {
		errs = append(errs, errors.New("Observer: required"))
	}
	if cfg.Queue == nil {
		errs = append(errs, errors.New("Queue: required"))
	}
	if len(errs) > 0 {
		return nil, fault.Fatal(fmt.Errorf("configure driver of observers: %w", errors.Join(errs...)))
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	return &Driver{cfg}, nil
}

// Handle handles a batch of messages, as Lambda's event source mapping of the queue
// delivers it: with ReportBatchItemFailures. Callbacks are made one after the other: let
// batches be small, and the function's timeout be longer than [completion.Config.Lease].
func (d *Driver) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if len(event.Records) == 0 {
		return events.SQSEventResponse{}, errors.New("the event holds no messages of SQS")
	}
	errs := make([]error, len(event.Records))
	for i := range event.Records {
		if errs[i] = ctx.Err(); errs[i] == nil {
			errs[i] = d.handle(ctx, event.Records[i].Body)
		}
	}
	return answer(event.Records, errs, d.cfg.OnError)
}

// HandleMessage handles one message. A nil error means that it is settled: the next one is
// sent, or none is needed.
func (d *Driver) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	if err := d.handle(ctx, m.Body); err != nil {
		return fmt.Errorf("message %s: %w", m.MessageId, err)
	}
	return nil
}

func (d *Driver) handle(ctx context.Context, body string) error {
	var m message
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Set.Check() != nil || m.Wait < 0 {
		return fault.Corrupt(errors.New("it is no state of an observer")) // what err says would quote it
	}
	if m.Wait > 0 {
		return d.cfg.Queue.send(ctx, m)
	}
	step, err := d.look(ctx, m.State)
	if fault.Is(err, fault.ClassFatal) {
		return err
	}
	if err != nil {
		d.cfg.OnError(err)
	}
	if step.Over {
		return nil
	}
	seconds := int64((step.Wait + time.Second - 1) / time.Second)
	return d.cfg.Queue.send(ctx, message{step.State, seconds})
}

// maxReserve bounds what is kept back of the time there is for the next message.
const maxReserve = 5 * time.Second

// look looks, and leaves time for the next message to be sent.
func (d *Driver) look(ctx context.Context, st completion.State) (completion.Step, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(maxReserve, time.Until(deadline)/4)))
		defer cancel()
	}
	return d.cfg.Observer.Look(ctx, st)
}
