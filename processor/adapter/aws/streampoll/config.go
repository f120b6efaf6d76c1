package streampoll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

// API is what a consumer uses of the SDK's client, *dynamodbstreams.Client. A client
// that retries by itself works as well as one that does not.
type API interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

var _ API = (*dynamodbstreams.Client)(nil)

// Handler works on batches of changes, in the form in which Lambda delivers them. It
// is called for several shards at once, and for each with one batch at a time. event
// is valid until it returns. What its answer does not list is settled, up to the first
// change that it does list; an error means that nothing is. An answer that lists what
// is not in the batch is taken for an error.
//
// It has to return soon after the end of ctx; where it does not, its batch comes again.
type Handler interface {
	Handle(ctx context.Context, event json.RawMessage) (aws.Answer, error)
}

var _ Handler = (*aws.Changes)(nil)

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, event json.RawMessage) (aws.Answer, error)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, event json.RawMessage) (aws.Answer, error) {
	return f(ctx, event)
}

// Config holds what is optional. The zero value works.
type Config struct {
	// Group names the consumers that share the stream: each group gets every change.
	// At most 200 bytes. Defaults to the empty name.
	Group string
	// Claims is where the group claims shards and keeps its checkpoints. Defaults to
	// the memory of this consumer, which then works alone.
	Claims claim.Claimer
	// Owner names this consumer in Claims, for operators. Defaults to the name of the
	// host and the number of the process.
	Owner string
	// TTL is how long a claim lasts without a heartbeat: how long it takes until
	// another consumer goes on where this one dies. At least 1 second. Defaults to 1
	// minute.
	TTL time.Duration
	// MaxShards is how many shards this consumer works on at once. Defaults to 0: all
	// that it can get.
	MaxShards int
	// Latest begins with the changes that are made from the first Run of the first
	// consumer of the group on, by its clock; those of the same minute that were made
	// before may come as well, as the times of changes are not exact. It is decided
	// once for a group, and kept in Claims. Defaults to the oldest that there are.
	Latest bool

	// BatchSize is the largest number of changes that the handler is given at once: 1
	// to 1,000. Defaults to 100.
	BatchSize int
	// ReadLimit is the largest number of changes that one request reads, and how many
	// are held of a shard at most: 1 to 1,000. Defaults to 1,000.
	ReadLimit int
	// PollInterval is the time between the reads of a shard that has nothing new.
	// Defaults to 1 second.
	PollInterval time.Duration
	// ReadInterval is the time between the reads of a shard that has more. DynamoDB
	// takes 5 a second. Defaults to 250 ms, and to PollInterval if that is less.
	ReadInterval time.Duration
	// ScanInterval is the time between looks for shards that are new, or came free.
	// DynamoDB takes 10 a second, of all consumers of an account. Defaults to 10
	// seconds.
	ScanInterval time.Duration
	// CheckpointEvery is how long a shard is worked on before its checkpoint is stored.
	// It is stored at the end of each heartbeat and each Run in any case. Defaults to
	// 0: after each batch.
	CheckpointEvery time.Duration

	// RetryDelay is the pause after a batch was not settled. Each further time it is
	// twice as long, up to MaxRetryDelay. Defaults to 1 second.
	RetryDelay time.Duration
	// MaxRetryDelay is the longest such pause. Defaults to 1 minute, and to RetryDelay
	// if that is more.
	MaxRetryDelay time.Duration
	// MaxAttempts is how often a change is tried before it is passed over: at least so
	// often, and the last time alone. Defaults to 0: for ever.
	MaxAttempts int
	// MaxAge is the age from which on a change that failed, the last time alone, is
	// passed over. Defaults to 0: none.
	MaxAge time.Duration
	// OnFailure is told of a change that is about to be passed over, and has to put it
	// aside: only if it returns nil the change is passed over, else it is tried again.
	// A panic is an error. It is called by several goroutines at once. Required with
	// MaxAttempts and MaxAge, and without use otherwise.
	OnFailure func(ctx context.Context, f Failure) error

	// Drain is how long it may take, once ctx has ended, until Run returns. Half of it
	// is for the batches that are worked on to be finished. Then their contexts end,
	// which leaves a service the time to put aside what is left of them: make a quarter
	// of Drain longer than its DeadlineReduction. Where ctx has a deadline it is taken
	// off before that, and is at most a quarter of the time there is. Defaults to 30
	// seconds.
	Drain time.Duration
	// OnBatch, when not nil, is called after each call of the handler, by several
	// goroutines at once.
	OnBatch func(Batch)
	// OnError, when not nil, is called with each error: of batches that were not
	// settled, of requests that failed, which are repeated, and of gaps. It is called
	// by several goroutines at once.
	OnError func(error)
}

// Failure is a change that was tried often enough.
type Failure struct {
	Stream   string // its ARN
	Shard    string
	Sequence string // number of the change in its shard
	Attempts int
	// Age is how long ago the change was made, as exactly as DynamoDB tells.
	Age time.Duration
	// Reason is the last error.
	Reason error
	// Event is the change as the handler was given it, in an event of its own. It is
	// valid until OnFailure returns, and empty where the handler was given none, as the
	// SDK does not know the type of an attribute.
	Event json.RawMessage
}

// Batch is one call of the handler.
type Batch struct {
	Shard string
	// First and Last are sequence numbers.
	First, Last string
	Changes     int
	Settled     int // of the changes, from the first on
	Took        time.Duration
	// Age is how long before the call the first of the changes was made, as exactly as
	// DynamoDB tells: how far the consumer is behind.
	Age time.Duration
	Err error // nil if everything is settled
}

const (
	maxBatch  = 1000 // of DynamoDB, in one GetRecords
	maxARN    = 1024 // of DynamoDB
	maxGroup  = 200  // so that a key fits into claim.MaxKeyBytes
	minTTL    = time.Second
	streamSep = "/stream/"
)

func (c Config) withDefaults() Config {
	setDefault(&c.TTL, claim.DefaultTTL)
	setDefault(&c.BatchSize, 100)
	setDefault(&c.ReadLimit, maxBatch)
	setDefault(&c.PollInterval, time.Second)
	setDefault(&c.ReadInterval, min(250*time.Millisecond, c.PollInterval))
	setDefault(&c.ScanInterval, 10*time.Second)
	setDefault(&c.RetryDelay, time.Second)
	setDefault(&c.MaxRetryDelay, max(time.Minute, c.RetryDelay))
	setDefault(&c.Drain, 30*time.Second)
	if c.Claims == nil {
		c.Claims = memory.New()
	}
	if c.Owner == "" {
		host, _ := os.Hostname() // a nameless host is still told by the rest
		c.Owner = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	if c.OnBatch == nil {
		c.OnBatch = func(Batch) {}
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c
}

// setDefault sets what is zero.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) validate() error {
	var errs []error
	mistake := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Group) > maxGroup {
		mistake("Config.Group: has %d bytes, more than %d", len(c.Group), maxGroup)
	}
	if c.TTL < minTTL {
		mistake("Config.TTL: %v is less than %v", c.TTL, minTTL)
	}
	if c.MaxShards < 0 {
		mistake("Config.MaxShards: %d is negative", c.MaxShards)
	}
	if c.BatchSize < 1 || c.BatchSize > maxBatch {
		mistake("Config.BatchSize: %d is not between 1 and %d", c.BatchSize, maxBatch)
	}
	if c.ReadLimit < 1 || c.ReadLimit > maxBatch {
		mistake("Config.ReadLimit: %d is not between 1 and %d", c.ReadLimit, maxBatch)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"PollInterval", c.PollInterval}, {"ReadInterval", c.ReadInterval}, {"ScanInterval", c.ScanInterval}, {"CheckpointEvery", c.CheckpointEvery},
		{"RetryDelay", c.RetryDelay}, {"MaxAge", c.MaxAge}, {"Drain", c.Drain},
	} {
		if d.value < 0 {
			mistake("Config.%s: %v is negative", d.name, d.value)
		}
	}
	if c.ReadInterval > c.PollInterval {
		mistake("Config.ReadInterval: %v is more than PollInterval, %v", c.ReadInterval, c.PollInterval)
	}
	if c.MaxRetryDelay < c.RetryDelay {
		mistake("Config.MaxRetryDelay: %v is less than RetryDelay, %v", c.MaxRetryDelay, c.RetryDelay)
	}
	if c.MaxAttempts < 0 {
		mistake("Config.MaxAttempts: %d is negative", c.MaxAttempts)
	}
	if (c.MaxAttempts > 0 || c.MaxAge > 0) && c.OnFailure == nil {
		mistake("Config.OnFailure: required with MaxAttempts and MaxAge: somebody has to put aside what is passed over")
	}
	return errors.Join(errs...)
}

// Consumer consumes one stream.
type Consumer struct {
	api     API
	stream  string
	handler Handler
	cfg     Config
}

// New returns a consumer of the stream with an ARN, or every mistake there is. It
// sends nothing.
func New(api API, streamARN string, h Handler, cfg Config) (*Consumer, error) {
	c := &Consumer{api: api, stream: streamARN, handler: h, cfg: cfg.withDefaults()}
	errs := []error{c.cfg.validate()}
	if api == nil {
		errs = append(errs, errors.New("api: required"))
	}
	if h == nil {
		errs = append(errs, errors.New("handler: required"))
	}
	if !strings.HasPrefix(streamARN, "arn:") || !strings.Contains(streamARN, streamSep) || len(streamARN) > maxARN {
		errs = append(errs, fmt.Errorf("stream: %q is no ARN of a stream: see Stream", streamARN))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("streampoll: %w", err)
	}
	return c, nil
}
