package sorted_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	claims "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	queue "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// An object that was left half done is gone on with in the same order, and begun
// again in another one: offsets of one order mean nothing in another.
func TestCheckpointsBelongToAnOrder(t *testing.T) {
	const n = 10_000
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "{\"n\":%d,\"pad\":%q}\n", (i*7919)%n, strings.Repeat("x", 60))
	}
	for name, again := range map[string]sorted.Key{
		"the same":     {Name: "n", Type: sorted.Number},
		"the other":    {Name: "n", Type: sorted.Number, Descending: true},
		"as text, now": {Name: "n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := sourcetest.NewMemory(map[string]string{"o": in.String()})
			store := claims.New()
			dir := t.TempDir()
			pass := func(key sorted.Key, most int64) (bodies []string, report *processor.Response) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var sends atomic.Int64
				to := queue.New(queue.Config{Limits: sink.Limits{MessageBytes: 8_000, BatchMessages: 1}, Hook: func(context.Context, []sink.Message) error {
					if sends.Add(1) == most {
						cancel()
					}
					return nil
				}})
				svc, err := processor.New(processor.Config{
					Source: ordered(t, files, sorted.Config{By: []sorted.Key{key}}), Claimer: store, Sink: to, Concurrency: 1,
					Split: source.Split{Format: source.FormatLines}, Pack: processor.Pack{Mode: processor.PackLines, PerObject: true, FrameBytes: 64_000},
					RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
				})
				require.NoError(t, err)
				r, err := svc.Run(ctx)
				require.NoError(t, err)
				for _, m := range to.Messages() {
					bodies = append(bodies, string(m.Body))
				}
				return bodies, r.BaseResponse()
			}
			first, report := pass(sorted.Key{Name: "n", Type: sorted.Number}, 60)
			require.Equal(t, processor.StatusStopped, report.Status)
			rest, report := pass(again, 0)
			require.Equal(t, processor.StatusOK, report.Status)
			require.EqualValues(t, 1, report.Finished)
			if name == "the same" {
				assert.Less(t, report.Delivered, int64(n), "it went on")
				assert.Equal(t, n, strings.Count(strings.Join(append(first, rest...), ""), `{"n":`), "each record once")
				return
			}
			assert.EqualValues(t, n, report.Delivered, "it began again")
		})
	}
}
