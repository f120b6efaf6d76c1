package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/processor/fault"
)

// validation is the code of what is refused for what it is.
const validation = "Validation"

var errUnprocessed = errors.New("left unprocessed")

// write writes items of different keys once. It returns those for which there was no
// capacity, and an error where that is so of all, or nothing is known of any. Others
// that failed are added to failed.
func (s *Sink) write(ctx context.Context, key []keyAttribute, items []entry, failed *failures) (left []entry, err error) {
	if s.cfg.Mode == Put {
		left, err = s.putBatch(ctx, key, items)
		if dynamofault.Code(err) != validation {
			return left, err
		}
		// One of them is refused, and with it all: which one?
	}
	return s.writeEach(ctx, key, items, failed)
}

// putBatch puts items by one BatchWriteItem call.
func (s *Sink) putBatch(ctx context.Context, key []keyAttribute, items []entry) (left []entry, err error) {
	requests := make([]types.WriteRequest, len(items))
	for i, e := range items {
		requests[i].PutRequest = &types.PutRequest{Item: e.item}
	}
	out, err := s.api.BatchWriteItem(ctx, &awsdynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.cfg.Table: requests}})
	if err != nil {
		return nil, dynamofault.Call(ctx, "write to "+s.cfg.Table, err)
	}
	unprocessed := make(map[string]bool)
	for _, requests := range out.UnprocessedItems { // of one table: by its name, or by its ARN
		for _, r := range requests {
			if r.PutRequest == nil {
				return nil, fault.Interrupted(fmt.Errorf("dynamodb: write to %s: what was left unprocessed is no item", s.cfg.Table))
			}
			k, err := keyIn(r.PutRequest.Item, key)
			if err != nil {
				return nil, fault.Interrupted(fmt.Errorf("dynamodb: write to %s: what was left unprocessed: %w", s.cfg.Table, err))
			}
			unprocessed[k] = true
		}
	}
	for _, e := range items {
		if unprocessed[e.key] {
			e.err = fault.Interrupted(fmt.Errorf("dynamodb: write to %s: %w", s.cfg.Table, errUnprocessed))
			left = append(left, e)
			delete(unprocessed, e.key)
		}
	}
	if len(unprocessed) > 0 {
		return nil, fault.Interrupted(fmt.Errorf("dynamodb: write to %s: what was left unprocessed was not sent", s.cfg.Table))
	}
	if len(left) == len(items) {
		return nil, left[0].err
	}
	return left, nil
}

// writeEach writes items by a call for each.
func (s *Sink) writeEach(ctx context.Context, key []keyAttribute, items []entry, failed *failures) (left []entry, err error) {
	errs := make([]error, len(items))
	var wait sync.WaitGroup
	for i := range items {
		select {
		case s.turns <- struct{}{}:
		case <-ctx.Done():
			errs[i] = fault.Interrupted(fmt.Errorf("dynamodb: write to %s: %w", s.cfg.Table, ctx.Err()))
			continue
		}
		wait.Go(func() {
			defer func() { <-s.turns }()
			errs[i] = s.writeOne(ctx, key, items[i])
		})
	}
	wait.Wait()
	for i, e := range items {
		switch e.err = errs[i]; {
		case fault.Is(e.err, fault.ClassInterrupted):
			left = append(left, e)
		case e.err != nil:
			failed.add(e.index, e.err)
		}
	}
	if len(left) == len(items) {
		return nil, left[0].err
	}
	return left, nil
}

// writeOne writes one item by a call of its own.
func (s *Sink) writeOne(ctx context.Context, key []keyAttribute, e entry) error {
	op, err := "put into ", error(nil)
	switch s.cfg.Mode {
	case Merge:
		op = "merge into "
		_, err = s.api.UpdateItem(ctx, s.update(key, e.item))
	case PutIfAbsent:
		_, err = s.api.PutItem(ctx, &awsdynamodb.PutItemInput{
			TableName: &s.cfg.Table, Item: e.item,
			ConditionExpression: &absent, ExpressionAttributeNames: map[string]string{"#key": key[0].name},
		})
	case Put:
		_, err = s.api.PutItem(ctx, &awsdynamodb.PutItemInput{TableName: &s.cfg.Table, Item: e.item})
	}
	_, unmet := errors.AsType[*types.ConditionalCheckFailedException](err)
	switch {
	case err == nil:
		return nil
	case unmet && s.cfg.Mode == Merge:
		return fault.Retryable(fmt.Errorf("dynamodb: merge into %s: %w", s.cfg.Table, errMissing))
	case unmet:
		s.existing.Add(1)
		return nil
	case dynamofault.Code(err) == validation:
		return fault.Corrupt(fmt.Errorf("dynamodb: %s%s: %w", op, s.cfg.Table, err))
	}
	return dynamofault.Call(ctx, op+s.cfg.Table, err)
}

var errMissing = errors.New("there is no item of that key")

// Conditions on whether there is an item: they are on the item of the whole key, of
// which the partition's is always a part.
var (
	absent  = "attribute_not_exists(#key)"
	present = "attribute_exists(#key)"
)
