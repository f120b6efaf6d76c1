package processor_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
)

// No call is over a limit of the sink, whatever the mode and the target.
func TestLimitsOfTheSink(t *testing.T) {
	for _, mode := range []processor.PackMode{processor.PackArray, processor.PackLines, processor.PackSingle} {
		for _, perObject := range []bool{false, true} {
			for _, lim := range []sink.Limits{
				sinkmemory.SQSLimits(),
				{MessageBytes: 1024, BatchBytes: 1024, BatchMessages: 10},
				{MessageBytes: 1000, BatchBytes: 5000, BatchMessages: 3},
				{MessageBytes: 300_000, BatchBytes: 1 << 20, BatchMessages: 10},
			} {
				synctest.Test(t, func(t *testing.T) {
					s := newSceneWith(t, lim) // which refuses what is over them
					s.inMemory()
					s.cfg.Pack.Mode, s.cfg.Pack.PerObject = mode, perObject
					s.cfg.RecordID = "_id"
					for i := range 20 {
						s.put(fmt.Sprint("small", i), 1+i, i*20)
					}
					s.put("large", sized(3000, 1000), 100)
					s.hook = func(_ context.Context, batch []sink.Message) error {
						total := 0
						ids := map[string]bool{}
						for _, m := range batch {
							assert.LessOrEqual(t, m.Size(), lim.MessageBytes)
							assert.NotEmpty(t, m.Body)
							assert.LessOrEqual(t, len(m.ID), 80)
							assert.False(t, ids[m.ID], "ids in a batch are unique")
							ids[m.ID] = true
							total += m.Size()
						}
						assert.LessOrEqual(t, total, lim.BatchBytes)
						assert.LessOrEqual(t, len(batch), lim.BatchMessages)
						return nil
					}
					resp, err := s.run(t.Context())
					require.NoError(t, err)
					assert.Zero(t, resp.Resent)
					s.exactlyOnce()
				})
			}
		}
	}
}

// Messages are full: but for the last ones, within a tenth of the target.
func TestLimitsMessagesAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSceneWith(t, sinkmemory.SQSLimits())
		s.cfg.Pack.TargetBytes = 20_000
		s.cfg.Concurrency = 1
		for i := range 500 {
			s.put(fmt.Sprint("small", i), 10, 100)
		}
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		s.exactlyOnce()
		assert.Greater(t, resp.Bytes/resp.Messages, int64(18_000))
		assert.GreaterOrEqual(t, resp.Messages/resp.Batched, int64(8))
	})
}

// Memory is bounded by MaxInFlightBytes however large the objects and however
// slow the sink is.
func TestLimitsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200 MB")
	}
	s := newSceneWith(t, sinkmemory.SQSLimits())
	line := `{"id":"x","pad":"` + strings.Repeat("p", 3000) + `"}` + "\n"
	giant := strings.Repeat("y", 1<<20)
	s.cfg.Source = &generated{sizes: map[string]int64{"lines": 100 << 20, "giant": 60 << 20, "more": 40 << 20}, text: map[string]string{"lines": line, "giant": giant, "more": line}}
	s.cfg.Split.MaxRecordBytes = 4 << 20
	s.cfg.Concurrency, s.cfg.Senders = 2, 2
	s.cfg.MaxInFlightBytes = 24 << 20
	s.cfg.Sink = nothing{}
	before := heap()
	var mu sync.Mutex
	var most uint64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				mu.Lock()
				most = max(most, heap())
				mu.Unlock()
			}
		}
	})
	resp, err := s.run(t.Context())
	close(stop)
	wg.Wait()
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, resp.Status)
	assert.EqualValues(t, 1, resp.CorruptionErrors, "the object without a line end")
	assert.Less(t, int64(most)-int64(before), s.cfg.MaxInFlightBytes+8<<20, "bytes in use")
	t.Logf("%d MB read, at most %d MB in use", resp.ReadBytes>>20, (most-before)>>20)
}

// heap returns how many bytes are in use: what the collection found alive, and
// not what was allocated since, which depends on when it is asked.
func heap() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

type nothing struct{}

func (nothing) Limits(context.Context) (sink.Limits, error) { return sinkmemory.SQSLimits(), nil }
func (nothing) Send(context.Context, []sink.Message) error {
	time.Sleep(time.Millisecond)
	return nil
}

var _ source.Source = (*generated)(nil)
