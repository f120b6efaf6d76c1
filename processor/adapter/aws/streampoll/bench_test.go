package streampoll_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// BenchmarkConsumer reads changes from a server in the same process, with the real
// client, and does nothing with them.
func BenchmarkConsumer(b *testing.B) {
	const changes = 10_000
	srv := dynamodbtest.Start(b, dynamodbtest.Config{})
	e := newEndpoint(b, srv.URL())
	stream := e.create(b, "orders")
	e.fill(b, "orders", 0, changes, 0)
	b.ReportAllocs()
	for b.Loop() {
		ctx, stop := context.WithCancel(b.Context())
		var seen atomic.Int64
		h := streampoll.HandlerFunc(func(_ context.Context, event json.RawMessage) (aws.Answer, error) {
			batch, err := changesOf(event)
			if seen.Add(int64(len(batch))) == changes {
				stop()
			}
			return aws.Answer{}, err
		})
		c, err := streampoll.New(e.streams(), stream, h, fast(memory.New()))
		require.NoError(b, err)
		stats, err := c.Run(ctx)
		require.NoError(b, err)
		require.EqualValues(b, changes, stats.Settled)
	}
	b.ReportMetric(changes*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
