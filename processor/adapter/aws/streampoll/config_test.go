package streampoll_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/processor/fault"
)

func TestEveryMistakeIsReported(t *testing.T) {
	_, err := streampoll.New(nil, "orders", nil, streampoll.Config{
		Group: strings.Repeat("g", 201), TTL: 1, MaxShards: -1, BatchSize: 1001, ReadLimit: -1, PollInterval: -1, ReadInterval: -1, ScanInterval: -1, CheckpointEvery: -1,
		RetryDelay: -1, MaxRetryDelay: -2, MaxAttempts: -1, MaxAge: -1, Drain: -1,
	})
	for _, part := range []string{
		"api", "stream", "handler", "Config.Group", "Config.TTL", "Config.MaxShards", "Config.BatchSize", "Config.ReadLimit", "Config.PollInterval", "Config.ReadInterval", "Config.ScanInterval",
		"Config.CheckpointEvery", "Config.RetryDelay", "Config.MaxRetryDelay", "Config.MaxAttempts", "Config.MaxAge", "Config.Drain",
	} {
		require.ErrorContains(t, err, part)
	}
	_, err = streampoll.New(newStream(), arn, &handler{}, streampoll.Config{MaxAttempts: 3})
	require.ErrorContains(t, err, "Config.OnFailure")
	_, err = streampoll.New(newStream(), arn, &handler{}, streampoll.Config{Group: strings.Repeat("g", 200)})
	require.NoError(t, err)
}

// table answers DescribeTable.
type table struct {
	out *types.TableDescription
	err error
}

func (t table) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return &dynamodb.DescribeTableOutput{Table: t.out}, t.err
}

func TestStream(t *testing.T) {
	on := &types.StreamSpecification{StreamEnabled: awssdk.Bool(true)}
	got, err := streampoll.Stream(t.Context(), table{out: &types.TableDescription{StreamSpecification: on, LatestStreamArn: awssdk.String(arn)}}, "orders")
	require.NoError(t, err)
	assert.Equal(t, arn, got)
	for _, none := range []*types.TableDescription{nil, {}, {StreamSpecification: on}, {LatestStreamArn: awssdk.String(arn)}, {StreamSpecification: &types.StreamSpecification{}, LatestStreamArn: awssdk.String(arn)}} {
		_, err := streampoll.Stream(t.Context(), table{out: none}, "orders")
		require.ErrorContains(t, err, "table orders has no stream")
		assert.True(t, fault.Is(err, fault.ClassFatal))
	}
	_, err = streampoll.Stream(t.Context(), table{err: &types.ResourceNotFoundException{}}, "orders")
	assert.True(t, fault.Is(err, fault.ClassFatal))
	_, err = streampoll.Stream(t.Context(), table{err: errors.New("connection refused")}, "orders")
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
}
