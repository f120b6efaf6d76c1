package streampoll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/unspool-go/unspool/internal/dynamofault"
	"github.com/unspool-go/unspool/internal/sleep"
)

// shard is what the description of a stream says of a shard.
type shard struct {
	id     string
	parent string // whose changes come before; empty where there was none
	closed bool   // nothing is added any more
}

// lineage is the shards of a stream, as far as they are there.
type lineage struct {
	shards   []shard
	disabled bool // no shard is added any more
}

func (l *lineage) has(id string) bool {
	return slices.ContainsFunc(l.shards, func(s shard) bool { return s.id == id })
}

// orphaned returns the parents that are not there themselves.
func (l *lineage) orphaned() (parents []string) {
	there := make(map[string]bool, len(l.shards))
	for _, s := range l.shards {
		there[s.id] = true
	}
	for _, s := range l.shards {
		if s.parent != "" && !there[s.parent] {
			there[s.parent] = true
			parents = append(parents, s.parent)
		}
	}
	return parents
}

// add adds the shards of other that l does not have.
func (l *lineage) add(other lineage) {
	for _, s := range other.shards {
		if !l.has(s.id) {
			l.shards = append(l.shards, s)
		}
	}
}

// relook is how long after a description that lacks a parent another one is asked for.
const relook = time.Second

// describe asks for the shards of the stream. A description of several pages is none
// of one moment, and so may lack a shard that is there: where a parent is missing that
// is not known to be settled, it takes two descriptions to say that it is gone.
func (r *run) describe(ctx context.Context) (lineage, error) {
	l, err := r.describeOnce(ctx)
	if err != nil || !slices.ContainsFunc(l.orphaned(), func(id string) bool { return !r.isDone(id) }) {
		return l, err
	}
	if sleep.For(ctx, relook) != nil {
		return l, ctx.Err()
	}
	again, err := r.describeOnce(ctx)
	if err != nil {
		return l, err
	}
	again.add(l)
	return again, nil
}

func (r *run) describeOnce(ctx context.Context) (l lineage, err error) {
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &r.stream}
	for pages := map[string]bool{}; ; {
		d, err := r.describePage(ctx, in)
		if err != nil {
			return l, fmt.Errorf("streampoll: %w", err)
		}
		for i := range d.Shards {
			s := &d.Shards[i]
			closed := s.SequenceNumberRange != nil && awssdk.ToString(s.SequenceNumberRange.EndingSequenceNumber) != ""
			l.shards = append(l.shards, shard{awssdk.ToString(s.ShardId), awssdk.ToString(s.ParentShardId), closed})
		}
		l.disabled = d.StreamStatus == types.StreamStatusDisabled
		last := awssdk.ToString(d.LastEvaluatedShardId)
		if last == "" {
			return l, nil
		}
		if pages[last] {
			return l, errors.New("streampoll: DescribeStream: the same page came twice")
		}
		pages[last] = true
		in.ExclusiveStartShardId = &last
	}
}

func (r *run) describePage(ctx context.Context, in *dynamodbstreams.DescribeStreamInput) (*types.StreamDescription, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	out, err := r.api.DescribeStream(ctx, in)
	if err != nil {
		return nil, dynamofault.Call(ctx, "DescribeStream", err)
	}
	if out.StreamDescription == nil {
		return nil, errors.New("DescribeStream: there is no description")
	}
	return out.StreamDescription, nil
}
