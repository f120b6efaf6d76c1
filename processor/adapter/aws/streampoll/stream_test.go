package streampoll_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/smithy-go"

	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
)

const arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-02T03:04:05.678"

// stream is a stream in memory, whose clock is that of the test. Iterators live for
// fifteen minutes, as DynamoDB's do.
type stream struct {
	mu        sync.Mutex
	shards    []*shard
	made      int // changes
	disabled  bool
	pageSize  int            // of DescribeStream
	timeless  bool           // AT_TIMESTAMP is refused
	empty     map[string]int // pages of a shard that hold nothing, though it has more
	iterators map[string]iterator
	fault     func(op, shard string) error
	untimely  error                       // what AT_TIMESTAMP is refused with
	lossy     func(op, shard string) bool // the call is carried out, and its answer lost
	hide      func(shard string, looks int) bool
	calls     map[string]int
	reads     map[string][]time.Time
}

type shard struct {
	id, parent string
	changes    []types.Record
	trimmed    int // of changes
	closed     bool
}

type iterator struct {
	shard *shard
	at    int
	made  time.Time
}

var _ streampoll.API = (*stream)(nil)

func newStream(shards ...string) *stream {
	s := &stream{pageSize: 100, iterators: map[string]iterator{}, calls: map[string]int{}, reads: map[string][]time.Time{}}
	for _, id := range shards {
		s.open(id, "")
	}
	return s
}

// open adds a shard.
func (s *stream) open(id, parent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards = append(s.shards, &shard{id: id, parent: parent})
}

func (s *stream) find(id string) *shard {
	i := slices.IndexFunc(s.shards, func(x *shard) bool { return x.id == id })
	if i < 0 {
		return nil
	}
	return s.shards[i]
}

// add adds n changes to a shard, and returns their names.
func (s *stream) add(id string, n int) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.find(id)
	for range n {
		s.made++
		name := id + " " + strconv.Itoa(len(x.changes))
		names = append(names, name)
		at := time.Now().Truncate(time.Second)
		x.changes = append(x.changes, types.Record{
			EventID: awssdk.String("e" + strconv.Itoa(s.made)), EventName: types.OperationTypeInsert, EventVersion: awssdk.String("1.1"),
			EventSource: awssdk.String("aws:dynamodb"), AwsRegion: awssdk.String("us-east-1"),
			Dynamodb: &types.StreamRecord{
				ApproximateCreationDateTime: &at, SequenceNumber: awssdk.String(fmt.Sprintf("1%020d", s.made)), SizeBytes: awssdk.Int64(7),
				StreamViewType: types.StreamViewTypeNewImage,
				Keys:           map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: name}},
			},
		})
	}
	return names
}

// end closes a shard, and begins its children.
func (s *stream) end(id string, children ...string) {
	s.mu.Lock()
	s.find(id).closed = true
	s.mu.Unlock()
	for _, child := range children {
		s.open(child, id)
	}
}

// trim takes the first n changes away that are left of a shard.
func (s *stream) trim(id string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.find(id)
	x.trimmed = min(len(x.changes), x.trimmed+n)
}

// remove takes a shard away.
func (s *stream) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards = slices.DeleteFunc(s.shards, func(x *shard) bool { return x.id == id })
}

func (s *stream) disable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled = true
	for _, x := range s.shards {
		x.closed = true
	}
}

// failing sets what fails.
func (s *stream) failing(f func(op, shard string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *stream) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

func (s *stream) readsOf(id string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reads[id])
}

func refusal(code string) error { return &smithy.GenericAPIError{Code: code, Message: "no"} }

// call begins a request. The caller holds mu.
func (s *stream) call(ctx context.Context, op, shard string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.calls[op]++
	if s.fault != nil {
		return s.fault(op, shard)
	}
	return nil
}

// answered is what becomes of an answer.
func (s *stream) answered(op, shard string) error {
	if s.lossy != nil && s.lossy(op, shard) {
		return fmt.Errorf("connection reset")
	}
	return nil
}

func (s *stream) DescribeStream(ctx context.Context, in *dynamodbstreams.DescribeStreamInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(ctx, "DescribeStream", ""); err != nil {
		return nil, err
	}
	if *in.StreamArn != arn {
		return nil, &types.ResourceNotFoundException{}
	}
	d := &types.StreamDescription{StreamArn: in.StreamArn, StreamStatus: types.StreamStatusEnabled}
	if s.disabled {
		d.StreamStatus = types.StreamStatusDisabled
	}
	from := 0
	if start := awssdk.ToString(in.ExclusiveStartShardId); start != "" {
		from = slices.IndexFunc(s.shards, func(x *shard) bool { return x.id == start }) + 1
	}
	for i, x := range s.shards[from:] {
		if i == s.pageSize {
			d.LastEvaluatedShardId = &s.shards[from+i-1].id
			break
		}
		if s.hide != nil && s.hide(x.id, s.calls["DescribeStream"]) {
			continue
		}
		out := types.Shard{ShardId: &x.id, SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: awssdk.String("1")}}
		if x.parent != "" {
			out.ParentShardId = &x.parent
		}
		if x.closed {
			out.SequenceNumberRange.EndingSequenceNumber = awssdk.String("2")
		}
		d.Shards = append(d.Shards, out)
	}
	return &dynamodbstreams.DescribeStreamOutput{StreamDescription: d}, s.answered("DescribeStream", "")
}

func (s *stream) GetShardIterator(ctx context.Context, in *dynamodbstreams.GetShardIteratorInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(ctx, "GetShardIterator", *in.ShardId); err != nil {
		return nil, err
	}
	x := s.find(*in.ShardId)
	if x == nil || *in.StreamArn != arn {
		return nil, &types.ResourceNotFoundException{}
	}
	at := x.trimmed
	switch in.ShardIteratorType {
	case types.ShardIteratorTypeTrimHorizon:
	case types.ShardIteratorTypeAfterSequenceNumber:
		i := slices.IndexFunc(x.changes, func(c types.Record) bool { return *c.Dynamodb.SequenceNumber == *in.SequenceNumber })
		if i < 0 {
			return nil, refusal("ValidationException")
		}
		if i < x.trimmed {
			return nil, &types.TrimmedDataAccessException{}
		}
		at = i + 1
	case types.ShardIteratorTypeAtTimestamp:
		if s.untimely != nil {
			return nil, s.untimely
		}
		if s.timeless || in.Timestamp.After(time.Now()) {
			return nil, refusal("ValidationException")
		}
		for at < len(x.changes) && x.changes[at].Dynamodb.ApproximateCreationDateTime.Before(*in.Timestamp) {
			at++
		}
	default:
		return nil, refusal("ValidationException")
	}
	return &dynamodbstreams.GetShardIteratorOutput{ShardIterator: s.iterator(x, at)}, s.answered("GetShardIterator", x.id)
}

// iterator makes an iterator. The caller holds mu.
func (s *stream) iterator(x *shard, at int) *string {
	name := fmt.Sprintf("%s|%d|%d", x.id, at, len(s.iterators))
	s.iterators[name] = iterator{x, at, time.Now()}
	return &name
}

func (s *stream) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.iterators[*in.ShardIterator]
	id := ""
	if ok {
		id = it.shard.id
		s.reads[id] = append(s.reads[id], time.Now())
	}
	if err := s.call(ctx, "GetRecords", id); err != nil {
		return nil, err
	}
	switch {
	case !ok:
		return nil, refusal("ValidationException")
	case s.find(id) == nil:
		return nil, &types.ResourceNotFoundException{}
	case time.Since(it.made) > 15*time.Minute:
		return nil, &types.ExpiredIteratorException{}
	case it.at < it.shard.trimmed:
		return nil, &types.TrimmedDataAccessException{}
	}
	to := min(it.at+int(*in.Limit), len(it.shard.changes))
	if s.empty[id] > 0 {
		s.empty[id]--
		return &dynamodbstreams.GetRecordsOutput{NextShardIterator: s.iterator(it.shard, it.at)}, s.answered("GetRecords", id)
	}
	out := &dynamodbstreams.GetRecordsOutput{Records: slices.Clone(it.shard.changes[it.at:to])}
	if !it.shard.closed || to < len(it.shard.changes) {
		out.NextShardIterator = s.iterator(it.shard, to)
	}
	return out, s.answered("GetRecords", id)
}
