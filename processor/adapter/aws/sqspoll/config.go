package sqspoll

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// API is what a consumer uses of the SDK's client, *sqs.Client.
type API interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

var _ API = (*sqs.Client)(nil)

// Handler works on messages, in the form in which Lambda delivers them. It is
// called from several goroutines at once. A nil error means that the message is
// settled and can be deleted. It has to return soon after the end of ctx; where it
// does not, its message comes again.
type Handler interface {
	HandleMessage(ctx context.Context, m events.SQSMessage) error
}

// Config holds what is optional. The zero value works.
type Config struct {
	// Concurrency is how many messages are held at once: worked on, or waiting
	// behind another of their group. Defaults to 10.
	Concurrency int
	// Receivers is how many requests for messages are under way at once. One gets
	// at most ten messages. Defaults to 1.
	Receivers int
	// Visibility is for how long a message is hidden from other consumers without
	// a heartbeat: how long it takes until it comes again if this one dies. Whole
	// seconds, between 3 seconds and 12 hours. Defaults to 1 minute.
	Visibility time.Duration
	// RetryDelay is how long a message that was not settled stays hidden the first
	// time; each further time it is twice as long, up to 15 minutes. Defaults to
	// 1 second; negative means not at all.
	RetryDelay time.Duration
	// Drain is how long it may take, once ctx has ended, until Run returns. Half
	// of it is for the messages that are worked on to be finished. Then their
	// contexts end, which leaves a service the time to put aside what is left of
	// them: make a quarter of Drain longer than its DeadlineReduction. Where ctx has
	// a deadline it is taken off before that, and is at most a quarter of the
	// time there is. Defaults to 30 seconds.
	Drain time.Duration
	// OnError, when not nil, is called with each error: of messages that were not
	// settled, and of requests that failed, which are repeated. It is called from
	// several goroutines at once.
	OnError func(error)
}

const (
	maxVisibility = 12 * time.Hour // of SQS
	minVisibility = 3 * time.Second
	maxRetryDelay = 15 * time.Minute
	maxWait       = 20 * time.Second // of SQS, for a long poll
	batchSize     = 10               // of SQS
)

func (c Config) withDefaults() Config {
	if c.Concurrency == 0 {
		c.Concurrency = 10
	}
	if c.Receivers == 0 {
		c.Receivers = 1
	}
	if c.Visibility == 0 {
		c.Visibility = time.Minute
	}
	if c.RetryDelay == 0 {
		c.RetryDelay = time.Second
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c
}

func (c *Config) validate() error {
	var errs []error
	if c.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("Config.Concurrency: %d is negative", c.Concurrency))
	}
	if c.Receivers < 0 {
		errs = append(errs, fmt.Errorf("Config.Receivers: %d is negative", c.Receivers))
	}
	if c.Visibility < minVisibility || c.Visibility > maxVisibility || c.Visibility%time.Second != 0 {
		errs = append(errs, fmt.Errorf("Config.Visibility: %v is not a number of seconds between %v and %v", c.Visibility, minVisibility, maxVisibility))
	}
	if c.Drain < 0 {
		errs = append(errs, fmt.Errorf("Config.Drain: %v is negative", c.Drain))
	}
	return errors.Join(errs...)
}

// Consumer consumes one queue.
type Consumer struct {
	api     API
	url     string
	arn     string
	fifo    bool
	handler Handler
	cfg     Config
}

// New returns a consumer of the queue with a URL, or every mistake there is. It
// sends nothing.
func New(api API, queueURL string, h Handler, cfg Config) (*Consumer, error) {
	c := &Consumer{api: api, url: queueURL, handler: h, cfg: cfg.withDefaults()}
	errs := []error{c.cfg.validate()}
	if api == nil {
		errs = append(errs, errors.New("api: required"))
	}
	if h == nil {
		errs = append(errs, errors.New("handler: required"))
	}
	var err error
	if c.arn, err = arnOf(queueURL); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sqspoll: %w", err)
	}
	c.fifo = strings.HasSuffix(c.arn, ".fifo")
	return c, nil
}

// arnOf returns the ARN of a queue, as messages name it in Lambda: the region is
// that in the name of the host, and empty where there is none.
func arnOf(queueURL string) (string, error) {
	u, err := url.Parse(queueURL)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("queue: %q is no URL", queueURL)
	}
	account, name, ok := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if !ok || account == "" || name == "" || strings.Contains(name, "/") {
		return "", fmt.Errorf("queue: the path of %q is not that of a queue, /account/name", queueURL)
	}
	region := ""
	if part := strings.Split(u.Hostname(), "."); len(part) >= 3 && part[0] == "sqs" {
		region = part[1]
	}
	return "arn:aws:sqs:" + region + ":" + account + ":" + name, nil
}
