package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/fault"
)

// Look implements [completion.Store].
func (s *Store) Look(ctx context.Context, set completion.Set) (completion.Record, error) {
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: setKey(set), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return completion.Record{}, dynamofault.Call(ctx, "look", err)
	}
	return read(out.Item)
}

// Swap implements [completion.Store].
func (s *Store) Swap(ctx context.Context, set completion.Set, c completion.Change) (bool, error) {
	text, err := c.To.Encode()
	if err != nil {
		return false, err
	}
	values := attributes{
		":s": &types.AttributeValueMemberS{Value: text}, ":next": integer(c.Edition + 1), ":e": s.expiry(),
	}
	condition := counts(attrEdition, ":v", c.Edition, values)
	if c.Arrivals != completion.Any {
		condition += " AND " + counts(attrArrivals, ":n", c.Arrivals, values)
	}
	in := &dynamodb.UpdateItemInput{
		TableName:                 &s.table,
		Key:                       setKey(set),
		UpdateExpression:          aws.String("SET s = :s, v = :next, e = :e"),
		ConditionExpression:       &condition,
		ExpressionAttributeValues: values,
	}
	_, err = s.api.UpdateItem(ctx, in)
	for try, wait := 1, firstWait; try < collisions && collides(err); try++ { // with one that counts
		if err := sleep.For(ctx, wait/2+rand.N(wait)); err != nil {
			return false, dynamofault.Call(ctx, "swap", err)
		}
		wait = min(2*wait, lastWait)
		_, err = s.api.UpdateItem(ctx, in)
	}
	if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); refused {
		return false, nil
	}
	if err != nil {
		return false, dynamofault.Call(ctx, "swap", err)
	}
	return true, nil
}

// collides reports whether a transaction on the same item was under way.
func collides(err error) bool {
	_, ok := errors.AsType[*types.TransactionConflictException](err)
	return ok
}

// counts is the condition that a number is n, where 0 may be none.
func counts(attr, name string, n int64, values attributes) string {
	if n == 0 {
		return "attribute_not_exists(" + attr + ")"
	}
	values[name] = integer(n)
	return attr + " = " + name
}

const (
	// batchKeys is the most keys of one BatchGetItem.
	batchKeys = 100
	// readTries bounds how often keys are asked for again that DynamoDB left
	// unprocessed.
	readTries = 8
)

// Missing implements [completion.Store].
func (s *Store) Missing(ctx context.Context, set completion.Set, keys []string) ([]string, error) {
	var missing []string
	for part := range slices.Chunk(keys, batchKeys) {
		known, err := s.known(ctx, set, part)
		if err != nil {
			return nil, err
		}
		for _, key := range part {
			if !known[set.ID()+"\x00"+key] {
				missing = append(missing, key)
			}
		}
	}
	return missing, nil
}

// known returns the primary keys of those arrivals that there are.
func (s *Store) known(ctx context.Context, set completion.Set, keys []string) (map[string]bool, error) {
	want := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String(attrKey)}
	for _, key := range keys {
		want.Keys = append(want.Keys, arrivalKey(set, key))
	}
	known := make(map[string]bool, len(keys))
	pending := map[string]types.KeysAndAttributes{s.table: want}
	wait := firstWait
	for try := range readTries {
		if try > 0 {
			if err := sleep.For(ctx, wait); err != nil {
				return nil, dynamofault.Call(ctx, "missing", err)
			}
			wait = min(2*wait, lastWait)
		}
		out, err := s.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: pending})
		if err != nil {
			return nil, dynamofault.Call(ctx, "missing", err)
		}
		for _, items := range out.Responses { // one table: by its name, or by its ARN
			for _, item := range items {
				if k, ok := item[attrKey].(*types.AttributeValueMemberB); ok {
					known[string(k.Value)] = true
				}
			}
		}
		if pending = out.UnprocessedKeys; len(pending) == 0 {
			return known, nil
		}
	}
	return nil, fault.Interrupted(fmt.Errorf("dynamodb: missing: some of %d keys were left unprocessed %d times", len(keys), readTries))
}
