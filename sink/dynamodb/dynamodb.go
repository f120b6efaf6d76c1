// Package dynamodb puts records into a DynamoDB table, through the AWS SDK for
// Go v2: each message is an item. The messages must be single records, which are
// JSON objects:
//
//	items, err := dynamodb.New(awsdynamodb.NewFromConfig(cfg), dynamodb.Config{Table: "transactions"})
//	...
//	service, err := processor.New(processor.Config{
//		Sink: items,
//		Pack: processor.Pack{Mode: processor.PackSingle},
//		...
//
// One Send is one BatchWriteItem call, of up to 25 items; with
// [Config.IfAbsent], which batches cannot do, it is a PutItem call for each. An
// item that DynamoDB leaves unprocessed, because the table takes no more at the
// moment, is reported as interrupted: the processor tries it again, and goes
// slower. Nothing is retried here; a client of the SDK's that retries works, but
// its retries are invisible to the processor.
//
// # Permissions
//
//	dynamodb:DescribeTable
//	dynamodb:PutItem
//	dynamodb:BatchWriteItem, without IfAbsent
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
)

// What DynamoDB takes, from "Quotas in Amazon DynamoDB" of its developer guide.
const (
	maxItemBytes  = 400 << 10
	maxBatchItems = 25
)

// API is what the sink uses of the SDK's client, *dynamodb.Client.
type API interface {
	BatchWriteItem(context.Context, *awsdynamodb.BatchWriteItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.BatchWriteItemOutput, error)
	DescribeTable(context.Context, *awsdynamodb.DescribeTableInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.DescribeTableOutput, error)
	PutItem(context.Context, *awsdynamodb.PutItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.PutItemOutput, error)
}

// Item is the attributes of an item, by their names.
type Item = map[string]types.AttributeValue

// Config configures a [Sink].
type Config struct {
	// Table is the name or ARN of the table. Required.
	Table string
	// IfAbsent leaves an item alone that is there already. A record that comes
	// again, after a crash, then changes nothing: items keep what was done to them
	// since. Without it the item is replaced.
	IfAbsent bool
	// Item makes the item of a message, by many goroutines at once. It must not
	// keep body. An error makes the message corrupt. Defaults to [FromJSON].
	Item func(body []byte) (Item, error)
	// WriteUnits is how many write units, of 1 KB of an item each, are used per
	// second, at most: somewhat less than a provisioned table has, so that it need
	// not throttle. Defaults to 0: as many as the table takes.
	WriteUnits float64
	// Parallel is how many PutItem calls of one Send are under way at a time.
	// Defaults to 10.
	Parallel int
}

// Sink puts items into one table. It is safe for concurrent use.
type Sink struct {
	api   API
	cfg   Config
	units *pacer

	existing atomic.Int64

	mu  sync.Mutex
	key []keyAttribute // of the table, nil until it is known
}

var (
	_ sink.Sink = (*Sink)(nil)
	_ API       = (*awsdynamodb.Client)(nil)
)

// New returns a sink for a table that exists. It sends nothing. Every mistake in
// cfg is named in the error.
func New(api API, cfg Config) (*Sink, error) {
	var errs []error
	if api == nil {
		errs = append(errs, errors.New("no client"))
	}
	if cfg.Table == "" {
		errs = append(errs, errors.New("no Table"))
	}
	if !(cfg.WriteUnits >= 0) { // nor not a number
		errs = append(errs, fmt.Errorf("WriteUnits %v: want more than 0, or 0 for no limit", cfg.WriteUnits))
	}
	if cfg.Parallel < 0 {
		errs = append(errs, fmt.Errorf("Parallel %d: want more than 0", cfg.Parallel))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("dynamodb: %w", errors.Join(errs...))
	}
	if cfg.Item == nil {
		cfg.Item = FromJSON
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = 10
	}
	return &Sink{api: api, cfg: cfg, units: newPacer(cfg.WriteUnits)}, nil
}

// Existing returns how many messages were accepted without a change, because
// there was an item of their key (see [Config.IfAbsent]).
func (s *Sink) Existing() int64 { return s.existing.Load() }

// Limits implements [sink.Sink]. It asks once for the key of the table.
func (s *Sink) Limits(ctx context.Context) (sink.Limits, error) {
	if _, err := s.keyOf(ctx); err != nil {
		return sink.Limits{}, err
	}
	// How large an item is shows when it is made; 25 of the largest are no more
	// than a call takes.
	return sink.Limits{BatchMessages: maxBatchItems}, nil
}

// keyOf returns the key of the table.
func (s *Sink) keyOf(ctx context.Context) ([]keyAttribute, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	out, err := s.api.DescribeTable(ctx, &awsdynamodb.DescribeTableInput{TableName: &s.cfg.Table})
	if err != nil {
		return nil, dynamofault.Call(ctx, "describe "+s.cfg.Table, err)
	}
	s.key, err = keyAttributes(out.Table)
	if err != nil {
		return nil, fault.Fatal(fmt.Errorf("dynamodb: describe %s: %w", s.cfg.Table, err))
	}
	return s.key, nil
}

// Send implements [sink.Sink]. A message that is no item of the table (no JSON
// object, a key attribute missing or of another type, over 400 KB) is corrupt;
// the others of its batch are put. Of two messages with one key the later one is
// put last.
func (s *Sink) Send(ctx context.Context, batch []sink.Message) error {
	if len(batch) == 0 {
		return nil
	}
	if len(batch) > maxBatchItems {
		return fault.Retryable(fmt.Errorf("dynamodb: %d messages: %w", len(batch), sink.ErrTooLarge))
	}
	key, err := s.keyOf(ctx)
	if err != nil {
		return err
	}
	failed := &failures{}
	items := make([]entry, 0, len(batch))
	var units float64
	for i := range batch {
		e, err := s.entry(key, i, &batch[i])
		if err != nil {
			failed.add(i, err)
			continue
		}
		units += e.units()
		items = append(items, e)
	}
	if err := s.units.wait(ctx, units); err != nil {
		return fault.Interrupted(fmt.Errorf("dynamodb: wait for write units: %w", err))
	}
	for len(items) > 0 {
		var now []entry
		now, items = firstOfEach(items)
		if s.cfg.IfAbsent {
			s.putEach(ctx, key, now, failed)
			continue
		}
		if err := s.write(ctx, key, now, failed); err != nil {
			return err
		}
	}
	return failed.err()
}

// entry makes the item of a message.
func (s *Sink) entry(key []keyAttribute, index int, m *sink.Message) (entry, error) {
	item, err := s.cfg.Item(m.Body)
	if err != nil {
		return entry{}, fault.Corrupt(fmt.Errorf("dynamodb: message %s: %w", m.ID, err))
	}
	e := entry{index: index, item: item, size: itemSize(item)}
	if e.key, err = keyIn(item, key); err != nil {
		return entry{}, fault.Corrupt(fmt.Errorf("dynamodb: message %s: %w", m.ID, err))
	}
	if e.size > maxItemBytes {
		return entry{}, fault.Corrupt(fmt.Errorf("dynamodb: message %s: item of %d bytes: %w", m.ID, e.size, sink.ErrTooLarge))
	}
	return e, nil
}

// entry is a message as an item.
type entry struct {
	index int
	item  Item
	key   string // unlike that of any other item
	size  int
}

// units is how many write units the item takes.
func (e entry) units() float64 { return float64(max(1, (e.size+1023)/1024)) }

// firstOfEach splits items into the first of each key, and those that have to
// wait for them: one request may not have two of one key.
func firstOfEach(items []entry) (now, later []entry) {
	keys := make(map[string]struct{}, len(items))
	for _, e := range items {
		if _, twice := keys[e.key]; twice {
			later = append(later, e)
			continue
		}
		keys[e.key] = struct{}{}
		now = append(now, e)
	}
	return now, later
}

// write puts items by one BatchWriteItem call.
func (s *Sink) write(ctx context.Context, key []keyAttribute, items []entry, failed *failures) error {
	requests := make([]types.WriteRequest, len(items))
	for i, e := range items {
		requests[i].PutRequest = &types.PutRequest{Item: e.item}
	}
	out, err := s.api.BatchWriteItem(ctx, &awsdynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.cfg.Table: requests}})
	if dynamofault.Code(err) == validation {
		// One of them is refused, and with it all: which one?
		s.putEach(ctx, key, items, failed)
		return nil
	}
	if err != nil {
		return dynamofault.Call(ctx, "write to "+s.cfg.Table, err)
	}
	left := make(map[string]bool)
	for _, requests := range out.UnprocessedItems { // of one table: by its name, or by its ARN
		for _, r := range requests {
			if r.PutRequest == nil {
				return fault.Interrupted(fmt.Errorf("dynamodb: write to %s: what was left unprocessed is no item", s.cfg.Table))
			}
			k, err := keyIn(r.PutRequest.Item, key)
			if err != nil {
				return fault.Interrupted(fmt.Errorf("dynamodb: write to %s: what was left unprocessed: %w", s.cfg.Table, err))
			}
			left[k] = true
		}
	}
	for _, e := range items {
		if left[e.key] {
			failed.add(e.index, fault.Interrupted(fmt.Errorf("dynamodb: write to %s: %w", s.cfg.Table, errUnprocessed)))
			delete(left, e.key)
		}
	}
	if len(left) > 0 {
		return fault.Interrupted(fmt.Errorf("dynamodb: write to %s: what was left unprocessed was not sent", s.cfg.Table))
	}
	return nil
}

// validation is the code of what is refused for what it is.
const validation = "Validation"

var errUnprocessed = errors.New("left unprocessed")

// putEach puts items by a call for each.
func (s *Sink) putEach(ctx context.Context, key []keyAttribute, items []entry, failed *failures) {
	var wait sync.WaitGroup
	turns := make(chan struct{}, s.cfg.Parallel)
	for _, e := range items {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			if err := s.put(ctx, key, e); err != nil {
				failed.add(e.index, err)
			}
		})
	}
	wait.Wait()
}

// put puts one item.
func (s *Sink) put(ctx context.Context, key []keyAttribute, e entry) error {
	in := &awsdynamodb.PutItemInput{TableName: &s.cfg.Table, Item: e.item}
	if s.cfg.IfAbsent {
		in.ConditionExpression = &absent
		in.ExpressionAttributeNames = map[string]string{"#key": key[0].name}
	}
	_, err := s.api.PutItem(ctx, in)
	if _, exists := errors.AsType[*types.ConditionalCheckFailedException](err); exists {
		s.existing.Add(1)
		return nil
	}
	if dynamofault.Code(err) == validation {
		return fault.Corrupt(fmt.Errorf("dynamodb: put into %s: %w", s.cfg.Table, err))
	}
	if err != nil {
		return dynamofault.Call(ctx, "put into "+s.cfg.Table, err)
	}
	return nil
}

// absent is the condition that there is no item of that key: it is on the item
// of the whole key, of which the partition's is always a part.
var absent = "attribute_not_exists(#key)"

// failures are the messages that were not accepted.
type failures struct {
	mu  sync.Mutex
	all []sink.EntryError
}

func (f *failures) add(index int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, sink.EntryError{Index: index, Err: err})
}

func (f *failures) err() error {
	if len(f.all) == 0 {
		return nil
	}
	return &sink.BatchError{Failed: f.all}
}
