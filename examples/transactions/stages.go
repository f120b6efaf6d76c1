package main

import (
	"context"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/sqspoll"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/processor/sqsstore"
	"github.com/unspool-go/unspool/sink/dynamodb"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// stages are those behind the load, by name. Each works until ctx ends.
func (c *chain) stages() map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{"store": c.store, "relay": c.relay, "work": c.perform, "finish": c.finish}
}

// run runs stages, or all of them, until ctx ends or one fails. Queues are destinations of
// them by a registration that is the process's: no two chains may run in one.
func (c *chain) run(ctx context.Context, names ...string) error {
	if err := sqsstore.Register(c.queues, sqsstore.Config{Origin: origin}); err != nil {
		return err
	}
	all := c.stages()
	group, ctx := errgroup.WithContext(ctx)
	for name, stage := range all {
		if len(names) == 0 || slices.Contains(names, name) {
			group.Go(func() error { return stage(ctx) })
		}
	}
	return group.Wait()
}

// during does f while stages work: all of them, or those of the names.
func (c *chain) during(ctx context.Context, f func(ctx context.Context) error, names ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.run(ctx, names...) })
	group.Go(func() error {
		defer cancel()
		return f(ctx)
	})
	return group.Wait()
}

// store puts what is clean into the table. It may come twice: what was stored before is
// replaced by the same, which is no change, or loses its result, and is worked on again.
func (c *chain) store(ctx context.Context) error {
	items, err := dynamodb.New(c.items, dynamodb.Config{Table: tableName})
	if err != nil {
		return err
	}
	return c.consume(ctx, "store", queueTransactions, processor.Config{Sink: items, Pack: processor.Pack{Mode: processor.PackSingle}})
}

// relay passes on what is new in the table.
func (c *chain) relay(ctx context.Context) error {
	stored, err := sqs.New(c.queues, queueStored, sqs.Config{})
	if err != nil {
		return err
	}
	s := c.stage("relay")
	cfg := processor.Config{Sink: stored, Transform: transform.Func(fresh)}
	service, err := c.service(queueChanges, cfg)
	if err != nil {
		return err
	}
	changes, err := aws.NewChanges(aws.ChangesConfig{Config: aws.Config{Service: service, Done: s.add}, Chunk: changesAtOnce})
	if err != nil {
		return err
	}
	stream, err := streampoll.Stream(ctx, c.table, tableName)
	if err != nil {
		return err
	}
	reader, err := streampoll.New(c.streams, stream, changes, streampoll.Config{
		Claims: c.claims, BatchSize: changesAtOnce, TTL: c.visibility, ScanInterval: c.visibility / 3, OnError: s.failed,
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { _, err := reader.Run(ctx); return err })
	group.Go(func() error { return c.consume(ctx, "relay again", queueChanges, cfg) })
	defer s.summary()
	return group.Wait()
}

// changesAtOnce is how many changes of the table are passed on together.
const changesAtOnce = 1000

// fresh lets the images of items pass that have no result.
func fresh(_ context.Context, rec source.Record, out *transform.Output) error {
	image := gjson.GetBytes(rec.Data, "newImage")
	if image.Exists() && !image.Get("net").Exists() {
		out.Emit([]byte(image.Raw))
	}
	return nil
}

// perform does the work.
func (c *chain) perform(ctx context.Context) error {
	finished, err := sqs.New(c.queues, queueFinished, sqs.Config{})
	if err != nil {
		return err
	}
	return c.consume(ctx, "work", queueStored, processor.Config{Sink: finished, Transform: c.work.transform()})
}

// finish adds results to the items.
func (c *chain) finish(ctx context.Context) error {
	items, err := dynamodb.New(c.items, dynamodb.Config{Table: tableName, Mode: dynamodb.Merge})
	if err != nil {
		return err
	}
	return c.consume(ctx, "finish", queueFinished, processor.Config{Sink: items, Pack: processor.Pack{Mode: processor.PackSingle}})
}

// service makes the service of a consumer. A record that fails goes back into the
// queue, alone, and to the dead letters in the end.
func (c *chain) service(queue string, cfg processor.Config) (*processor.Service, error) {
	cfg.RetryURL = "sqs://" + queue
	cfg.FailedURL = "sqs://" + deadLetters(queue)
	cfg.CorruptionURL = cfg.FailedURL
	cfg.MaxRetries = attempts - 1
	return processor.New(cfg)
}

// consume has the messages of a queue processed until ctx ends.
func (c *chain) consume(ctx context.Context, name, queue string, cfg processor.Config) error {
	service, err := c.service(queue, cfg)
	if err != nil {
		return err
	}
	s := c.stage(name)
	messages, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: service, Done: s.add}})
	if err != nil {
		return err
	}
	at, err := c.queues.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: &queue}, retrying)
	if err != nil {
		return err
	}
	consumer, err := sqspoll.New(c.queues, *at.QueueUrl, messages, sqspoll.Config{Concurrency: 4, Visibility: c.visibility, OnError: s.failed})
	if err != nil {
		return err
	}
	defer s.summary()
	_, err = consumer.Run(ctx)
	return err
}

// retrying has the SDK try again: a stage tries for itself, but for its beginning.
func retrying(o *awssqs.Options) { o.Retryer = retry.NewStandard() }

// stage is what is told of a stage: one line in the end.
type stage struct {
	name string
	log  *zap.Logger

	mu    sync.Mutex
	total processor.Response
}

func (c *chain) stage(name string) *stage { return &stage{name: name, log: c.log} }

func (s *stage) add(r *aws.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Loaded += r.Loaded
	s.total.Delivered += r.Delivered
	s.total.Dropped += r.Dropped
	s.total.RetryErrors += r.RetryErrors
	s.total.FailedErrors += r.FailedErrors
	s.total.CorruptionErrors += r.CorruptionErrors
}

// failed tells an error: that of a message that will come again, mostly.
func (s *stage) failed(err error) { s.log.Warn(s.name, zap.Error(err)) }

func (s *stage) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.total
	s.log.Info(s.name, zap.Int64("loaded", t.Loaded), zap.Int64("delivered", t.Delivered), zap.Int64("dropped", t.Dropped),
		zap.Int64("retried", t.RetryErrors), zap.Int64("failed", t.FailedErrors), zap.Int64("corrupt", t.CorruptionErrors))
}
