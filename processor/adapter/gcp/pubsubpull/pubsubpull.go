package pubsubpull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/internal/usercode"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/processor/fault"
)

// Config configures [New].
type Config struct {
	// Handle settles one message, from several goroutines at once. The message is
	// settled if it returns nil. Its context ends after Timeout, or when the drain
	// is over. Required.
	Handle func(ctx context.Context, m gcp.Message) error
	// Concurrency is how many messages are under way at once. Defaults to 4.
	Concurrency int
	// MaxBytes bounds the data of the messages that are held. Defaults to 64 MiB.
	MaxBytes int
	// Timeout is the deadline of one message. Defaults to 10 minutes.
	Timeout time.Duration
	// Drain is how long messages that are under way may go on undisturbed once Run
	// is told to end. Then their context ends, on which a service puts the rest of
	// them in its retry destination. Defaults to 10 seconds; negative means not at
	// all.
	Drain time.Duration
	// Pause is how long a message that was not settled is held before it is given
	// back, so that an outage does not spin. Defaults to 1 second; negative means
	// not at all.
	Pause time.Duration
}

const (
	defaultConcurrency = 4
	defaultMaxBytes    = 64 << 20
	defaultTimeout     = 10 * time.Minute
	defaultDrain       = 10 * time.Second
	defaultPause       = time.Second
	// slack is how much longer than its deadline a message is leased: for the
	// drain, and for the answer.
	slack = time.Minute
)

// Puller takes messages from one subscription. It is safe for concurrent use, and
// holds nothing that has to be closed; the client is the caller's.
type Puller struct {
	client *pubsub.Client
	name   string
	cfg    Config
}

// New returns a puller, or every mistake in cfg. subscription is its full name,
// or its id in the project of the client. Nothing is sent.
func New(client *pubsub.Client, subscription string, cfg Config) (*Puller, error) {
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("pubsubpull: the client is nil"))
	}
	if subscription == "" {
		errs = append(errs, errors.New("pubsubpull: the subscription has no name"))
	}
	if cfg.Handle == nil {
		errs = append(errs, errors.New("pubsubpull: Config.Handle: required"))
	}
	for _, n := range []struct {
		field string
		value int64
	}{{"Concurrency", int64(cfg.Concurrency)}, {"MaxBytes", int64(cfg.MaxBytes)}, {"Timeout", int64(cfg.Timeout)}} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("pubsubpull: Config.%s: is negative", n.field))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Fatal(err)
	}
	orDefault(&cfg.Concurrency, defaultConcurrency)
	orDefault(&cfg.MaxBytes, defaultMaxBytes)
	orDefault(&cfg.Timeout, defaultTimeout)
	orDefault(&cfg.Drain, defaultDrain)
	orDefault(&cfg.Pause, defaultPause)
	return &Puller{client: client, name: subscription, cfg: cfg}, nil
}

func orDefault[T ~int | ~int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Run takes messages until ctx ends, and then waits until none is under way; that
// is no error. A subscription that does not exist or may not be used is an error
// marked fault.Fatal; what is away is waited for by the client.
func (p *Puller) Run(ctx context.Context) error {
	sub := p.client.Subscriber(p.name)
	sub.ReceiveSettings = pubsub.ReceiveSettings{
		MaxOutstandingMessages: p.cfg.Concurrency,
		MaxOutstandingBytes:    p.cfg.MaxBytes,
		MaxExtension:           p.cfg.Timeout + max(0, p.cfg.Drain) + slack,
		NumGoroutines:          1,
	}
	name := sub.String()
	err := sub.Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		if p.handle(ctx, name, m) {
			m.Ack()
		} else {
			m.Nack()
		}
	})
	if err == nil || ctx.Err() != nil {
		return nil //nolint:nilerr // it was told to end
	}
	err = fmt.Errorf("pubsubpull: receive from %s: %w", name, err)
	if slices.Contains(hopeless, status.Code(err)) {
		return fault.Fatal(err)
	}
	return fault.Interrupted(err)
}

// hopeless are the answers that no patience changes.
var hopeless = []codes.Code{
	codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.FailedPrecondition,
}

// handle handles one message, and reports whether it is settled. What comes after
// the end of ctx is given back as it is.
func (p *Puller) handle(ctx context.Context, subscription string, m *pubsub.Message) bool {
	if ctx.Err() != nil {
		return false
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		_ = sleep.For(own, p.cfg.Drain)
		cancel()
	})()
	if usercode.Call(func() error { return p.cfg.Handle(own, message(subscription, m)) }) == nil { // a panic settles nothing
		return true
	}
	_ = sleep.For(ctx, p.cfg.Pause)
	return false
}

func message(subscription string, m *pubsub.Message) gcp.Message {
	out := gcp.Message{
		ID: m.ID, Subscription: subscription, Data: m.Data, Attributes: m.Attributes,
		OrderingKey: m.OrderingKey, Published: m.PublishTime,
	}
	if m.DeliveryAttempt != nil {
		out.Delivery = *m.DeliveryAttempt
	}
	return out
}
