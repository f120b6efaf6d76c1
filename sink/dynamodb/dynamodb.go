// Package dynamodb puts records into a DynamoDB table, through the AWS SDK for
// Go v2: each message is an item. The messages must be single records, which are
// JSON objects:
//
//	items, err := dynamodb.New(dynamodb.NewClient(cfg), dynamodb.Config{Table: "transactions"})
//	...
//	service, err := processor.New(processor.Config{
//		Sink: items,
//		Pack: processor.Pack{Mode: processor.PackSingle},
//		...
//
// One Send is one BatchWriteItem call, of up to 25 items, and one more where two have
// the same key; with another [Config.Mode] than [Put], which batches cannot do, it is
// a call for each.
//
// # Throttling
//
// Of the items of a call DynamoDB may leave some unprocessed, or refuse them,
// because a partition of the table takes no more at the moment. They are sent
// again at once as long as others get through, and a few times more with growing
// pauses when none does. What is left then is reported as interrupted: the
// processor tries it again. Where nothing of a call gets through the table or the
// account is throttled, and the processor is told at once, to go slower. Nothing
// else is retried here. [NewClient] makes an SDK client that fits; one that retries
// works too, but waits for seconds with the last items of a batch, where these are
// throttled, and nobody sees why.
//
// # Permissions
//
//	dynamodb:DescribeTable
//	dynamodb:BatchWriteItem, to put
//	dynamodb:PutItem, to put, and to put if absent
//	dynamodb:UpdateItem, to merge
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/usercode"
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
	UpdateItem(context.Context, *awsdynamodb.UpdateItemInput, ...func(*awsdynamodb.Options)) (*awsdynamodb.UpdateItemOutput, error)
}

// Mode is how items are written.
type Mode string

const (
	// Put replaces an item that is there already.
	Put Mode = "put"
	// PutIfAbsent leaves an item alone that is there already. A record that comes
	// again, after a crash, then changes nothing: items keep what was done to them
	// since.
	PutIfAbsent Mode = "putIfAbsent"
	// Merge sets the attributes of the message on the item of its key, and leaves
	// its others alone. To merge again changes nothing. If there is no such item the
	// message is retryable: it may be one that overtook the item. A message of more
	// than some 400 attributes is corrupt: DynamoDB takes no longer expression.
	Merge Mode = "merge"
)

// Item is the attributes of an item, by their names.
type Item = map[string]types.AttributeValue

// Config configures a [Sink].
type Config struct {
	// Table is the name or ARN of the table. Required.
	Table string
	// Mode is what becomes of an item that is there already, or is not. Defaults to
	// [Put].
	Mode Mode
	// Item makes the item of a message, by many goroutines at once. It must not
	// keep body. An error, or a panic, makes the message corrupt. Defaults to [FromJSON].
	Item func(body []byte) (Item, error)
	// WriteUnits is how many write units, of 1 KB of an item each, are used per
	// second, at most: somewhat less than a provisioned table has, so that it need
	// not throttle. Defaults to 0: as many as the table takes.
	WriteUnits float64
	// Parallel is how many calls for single items are under way at a time, of all
	// Sends together: as many connections are open at most. Defaults to 32.
	Parallel int
}

// Sink puts items into one table. It is safe for concurrent use.
type Sink struct {
	api   API
	cfg   Config
	units *pacer
	turns chan struct{} // of calls for single items

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
	switch cfg.Mode {
	case "":
		cfg.Mode = Put
	case Put, PutIfAbsent, Merge:
	default:
		errs = append(errs, fmt.Errorf("Mode %q: want %q, %q or %q", cfg.Mode, Put, PutIfAbsent, Merge))
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
		cfg.Parallel = 32
	}
	return &Sink{api: api, cfg: cfg, units: newPacer(cfg.WriteUnits), turns: make(chan struct{}, cfg.Parallel)}, nil
}

// Existing returns how many messages were accepted without a change, because
// there was an item of their key (see [PutIfAbsent]).
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
// the others of its batch are written. Of two messages with one key the later one is
// written last, and not at all where the first may come again.
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
	for first := true; len(items) > 0; first = false {
		var now []entry
		now, items = firstOfEach(items)
		if err := s.deliver(ctx, key, now, failed, first); err != nil {
			return err
		}
		items = failed.take(now, items)
	}
	return failed.err()
}

// entry makes the item of a message.
func (s *Sink) entry(key []keyAttribute, index int, m *sink.Message) (entry, error) {
	item, err := s.item(m.Body)
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

// item calls the user's function.
func (s *Sink) item(body []byte) (item Item, err error) {
	err = usercode.Call(func() (err error) {
		item, err = s.cfg.Item(body)
		return err
	})
	return item, err
}

// entry is a message as an item.
type entry struct {
	index int
	item  Item
	key   string // unlike that of any other item
	size  int
	err   error // why it was not written yet
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

// take takes out of later the messages whose key has one among now that failed and may
// come again: it would replace what they wrote.
func (f *failures) take(now, later []entry) []entry {
	if len(f.all) == 0 || len(later) == 0 {
		return later
	}
	why := map[string]error{}
	for _, e := range now {
		for _, failure := range f.all {
			if failure.Index == e.index && !fault.Is(failure.Err, fault.ClassCorrupt) {
				why[e.key] = failure.Err
			}
		}
	}
	return slices.DeleteFunc(later, func(e entry) bool {
		err := why[e.key]
		if err != nil {
			f.add(e.index, err)
		}
		return err != nil
	})
}

func (f *failures) err() error {
	if len(f.all) == 0 {
		return nil
	}
	return &sink.BatchError{Failed: f.all}
}
