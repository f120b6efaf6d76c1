package dynamodb

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/fanout"
	"github.com/unspool-go/unspool/claim/internal/lease"
	"github.com/unspool-go/unspool/internal/dynamofault"
)

// Inspect implements [claim.Inspector], with consistent reads.
func (s *Store) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if err := lease.Begin(ctx, "inspect"); err != nil || len(keys) == 0 {
		return nil, err
	}
	parts := slices.Collect(slices.Chunk(fanout.NewBlock(keys).Open, batchKeys))
	found := make([]map[string]item, len(parts))
	err := fanout.Each(ctx, "dynamodb: inspect", len(parts), s.parallel, func(ctx context.Context, i int) error {
		var err error
		found[i], err = s.batchGet(ctx, parts[i], true)
		return err
	})
	if err != nil {
		return nil, fanout.Whole("dynamodb: inspect", err)
	}
	known := make(map[string]item, len(keys))
	for _, items := range found {
		maps.Copy(known, items)
	}
	entries := make([]claim.Entry, len(keys))
	for i, key := range keys {
		if it, ok := known[key]; ok {
			entries[i] = it.entry()
		} else {
			entries[i].Key = key
		}
	}
	return entries, nil
}

// Expired implements [claim.Inspector] with a Scan of the whole table, one page
// at a time and eventually consistent: it may miss, or still show, what changed
// in the last second.
func (s *Store) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		now, err := s.now(ctx)
		if err != nil {
			yield(claim.Entry{}, err)
			return
		}
		limit := now.Earliest - grace.Milliseconds()
		s.entries(ctx, dynamodb.ScanInput{
			FilterExpression:          aws.String("attribute_exists(n) AND x <= :limit OR attribute_exists(v)"),
			ExpressionAttributeValues: attributes{":limit": integer(limit)},
		}, yield)
	}
}

// Completed implements [claim.Inspector] with a Scan as that of
// [Store.Expired].
func (s *Store) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		s.entries(ctx, dynamodb.ScanInput{FilterExpression: aws.String("attribute_exists(d) OR attribute_exists(v)")}, yield)
	}
}

// entries yields what a scan finds.
func (s *Store) entries(ctx context.Context, in dynamodb.ScanInput, yield func(claim.Entry, error) bool) {
	err := s.scan(ctx, in, func(it item) bool { return yield(it.entry(), nil) })
	if err != nil {
		yield(claim.Entry{}, err)
	}
}

// scan calls visit for each item until it returns false.
func (s *Store) scan(ctx context.Context, in dynamodb.ScanInput, visit func(item) bool) error {
	in.TableName = &s.table
	for {
		start := s.clock.Start()
		out, err := s.api.Scan(ctx, &in)
		if err != nil {
			s.observeError(start, err)
			return dynamofault.Call(ctx, "scan", err)
		}
		s.observe(start, out.ResultMetadata)
		for _, attrs := range out.Items {
			if err := lease.Begin(ctx, "dynamodb: scan"); err != nil {
				return err
			}
			it, err := read(attrs)
			if err != nil {
				return err
			}
			if !visit(it) {
				return nil
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			return nil
		}
	}
}

// segments is how many parts of the table Count scans at a time.
const segments = 8

// Count implements [claim.Inspector] with a Scan of the whole table, in
// parallel parts and eventually consistent.
func (s *Store) Count(ctx context.Context) (claim.Counts, error) {
	if err := lease.Begin(ctx, "count"); err != nil {
		return claim.Counts{}, err
	}
	now, err := s.now(ctx)
	if err != nil {
		return claim.Counts{}, err
	}
	var processing, expired, waiting, finished atomic.Int64
	err = fanout.Each(ctx, "dynamodb: count", segments, segments, func(ctx context.Context, i int) error {
		return s.scan(ctx, dynamodb.ScanInput{
			Segment:              aws.Int32(int32(i)),
			TotalSegments:        aws.Int32(segments),
			ProjectionExpression: aws.String("k, v, n, d, x, a, p, r"),
		}, func(it item) bool {
			switch {
			case it.finished:
				finished.Add(1)
			case it.held && it.expires > now.Earliest:
				processing.Add(1)
			case it.held:
				expired.Add(1)
			case !it.blank(now.Earliest):
				waiting.Add(1)
			}
			return true
		})
	})
	if err != nil {
		return claim.Counts{}, fanout.Whole("dynamodb: count", err)
	}
	return claim.Counts{
		Processing: processing.Load(),
		Expired:    expired.Load(),
		Waiting:    waiting.Load(),
		Finished:   finished.Load(),
	}, nil
}

// Forget implements [claim.Inspector] with one conditional DeleteItem per key.
func (s *Store) Forget(ctx context.Context, keys []string) error {
	if err := lease.Begin(ctx, "forget"); err != nil || len(keys) == 0 {
		return err
	}
	return fanout.Each(ctx, "dynamodb: forget", len(keys), s.parallel, func(ctx context.Context, i int) error {
		if !fanout.Legal(keys[i]) {
			return nil // nobody ever claimed it
		}
		start := s.clock.Start()
		out, err := s.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName:           &s.table,
			Key:                 keyOf(keys[i]),
			ConditionExpression: aws.String(ofThisLayout + " AND attribute_exists(d)"),

			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err == nil {
			s.observe(start, out.ResultMetadata)
			return nil
		}
		s.observeError(start, err)
		if stands, ok := refused(err); ok {
			return checkLayout(stands)
		}
		return dynamofault.Call(ctx, fmt.Sprintf("forget %.64q", keys[i]), err)
	})
}
