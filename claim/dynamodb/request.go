package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/unspool-go/unspool/claim/internal/awsdate"
	"github.com/unspool-go/unspool/claim/internal/storeclock"
	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/fault"
)

// rounds is how often an entry is tried again because the store's time turned
// out to be another, or somebody was quicker. More than one is rare.
const rounds = 4

// change is one conditional UpdateItem.
type change struct {
	key       string
	set       string // UpdateExpression
	condition string
	values    attributes
}

// apply sends a change. Where the condition failed it returns the item as it
// stands and ok = false; nil attributes mean that there is none.
func (s *Store) apply(ctx context.Context, op string, c change) (now attributes, ok bool, err error) {
	start := s.clock.Start()
	out, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           &s.table,
		Key:                                 keyOf(c.key),
		UpdateExpression:                    &c.set,
		ConditionExpression:                 aws.String(ofThisLayout + " AND " + c.condition),
		ExpressionAttributeValues:           c.values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		s.observeError(start, err)
		if stands, ok := refused(err); ok {
			return stands, false, checkLayout(stands)
		}
		return nil, false, dynamofault.Call(ctx, fmt.Sprintf("%s %.64q", op, c.key), err)
	}
	s.observe(start, out.ResultMetadata)
	return out.Attributes, true, nil
}

// observe sets the clock by the answer to a request that left at start.
func (s *Store) observe(start time.Duration, md middleware.Metadata) {
	if date, ok := awsdate.OfResult(md); ok {
		s.clock.Observe(start, date)
	}
}

// observeError is observe for an answer that is an error.
func (s *Store) observeError(start time.Duration, err error) {
	if date, ok := awsdate.OfError(err); ok {
		s.clock.Observe(start, date)
	}
}

// clockKey is the key that is read for no more than the date of the answer. An
// item of that name does no harm.
const clockKey = "unspool: what time is it?"

// now returns DynamoDB's time, asking for it if need be.
func (s *Store) now(ctx context.Context) (storeclock.Reading, error) {
	if r, ok := s.clock.Now(); ok {
		return r, nil
	}
	if _, err := s.batchGet(ctx, []string{clockKey}, false); err != nil {
		return storeclock.Reading{}, err
	}
	r, ok := s.clock.Now()
	if !ok {
		return r, fault.Fatal(errors.New("dynamodb: answers carry no Date header, so there is no clock to judge leases by"))
	}
	return r, nil
}

// batchKeys is the most keys of one BatchGetItem.
const batchKeys = 100

const (
	// firstWait and lastWait bound the waiting before keys that DynamoDB left
	// unprocessed are asked for again.
	firstWait = 25 * time.Millisecond
	lastWait  = time.Second
	// readTries bounds how often that is done before the store counts as away.
	readTries = 8
)

// batchGet reads at most batchKeys different keys, in one request unless
// DynamoDB leaves some out. Keys that do not exist are not in the answer.
func (s *Store) batchGet(ctx context.Context, keys []string, consistent bool) (map[string]item, error) {
	want := types.KeysAndAttributes{Keys: make([]attributes, len(keys)), ConsistentRead: aws.Bool(consistent)}
	for i, key := range keys {
		want.Keys[i] = keyOf(key)
	}
	found := make(map[string]item, len(keys))
	pending := map[string]types.KeysAndAttributes{s.table: want}
	wait := firstWait
	for try := range readTries {
		if try > 0 {
			if err := sleep.For(ctx, wait); err != nil {
				return nil, dynamofault.Call(ctx, fmt.Sprintf("read %d keys", len(keys)), err)
			}
			wait = min(2*wait, lastWait)
		}
		start := s.clock.Start()
		out, err := s.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: pending})
		if err != nil {
			s.observeError(start, err)
			return nil, dynamofault.Call(ctx, fmt.Sprintf("read %d keys", len(keys)), err)
		}
		s.observe(start, out.ResultMetadata)
		for _, items := range out.Responses { // one table: by its name, or by its ARN
			for _, attrs := range items {
				it, err := read(attrs)
				if err != nil {
					return nil, err
				}
				found[it.key] = it
			}
		}
		if pending = out.UnprocessedKeys; len(pending) == 0 {
			return found, nil
		}
	}
	return nil, fault.Interrupted(fmt.Errorf("dynamodb: read %d keys: some were left unprocessed %d times", len(keys), readTries))
}

// ttl is the value of the TTL attribute of an item that is to go keep after ms.
func ttl(ms int64, keep time.Duration) int64 {
	seconds := int64(keep/time.Second) + 1
	if ms/1000 > math.MaxInt64-seconds {
		return math.MaxInt64
	}
	return ms/1000 + seconds
}
