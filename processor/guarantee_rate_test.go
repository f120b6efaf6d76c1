package processor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

// Custom processors are handed no more than the configured rates allow, and no
// less.
func TestRateOfCustomProcessors(t *testing.T) {
	for name, c := range map[string]struct {
		rate    processor.Rate
		batch   int
		seconds float64 // for 600 records of 11 bytes
	}{
		"records":          {rate: processor.Rate{Records: 20}, seconds: 30},
		"bytes":            {rate: processor.Rate{Bytes: 110}, seconds: 60},
		"calls":            {rate: processor.Rate{Calls: 40}, seconds: 15},
		"calls of batches": {rate: processor.Rate{Calls: 1}, batch: 10, seconds: 60},
		"the least counts": {rate: processor.Rate{Records: 1000, Calls: 2}, batch: 10, seconds: 30},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPush(t, t.TempDir(), accept)
				p.cfg.Rate, p.cfg.Concurrency = c.rate, 8
				if p.cfg.BatchSize = c.batch; c.batch > 0 {
					p.cfg.Processor = &batches{}
				}
				began := time.Now()
				resp, err := p.do(t.Context(), text(numbered(600)), "data/numbers.txt")
				require.NoError(t, err)
				assert.EqualValues(t, 600, resp.Processed)
				took := time.Since(began).Seconds()
				assert.InDelta(t, c.seconds, took, c.seconds/10)
			})
		})
	}
}

// A record that waits for its turn when work has to stop is not processed.
func TestRateDoesNotHoldUpTheDeadline(t *testing.T) {
	for _, batch := range []int{0, 7} {
		synctest.Test(t, func(t *testing.T) {
			b := &batches{}
			p := newPush(t, t.TempDir(), accept)
			p.cfg.Rate = processor.Rate{Records: 0.5}
			if p.cfg.BatchSize = batch; batch > 0 {
				p.cfg.Processor = b
			}
			began := time.Now()
			resp := p.within(20*time.Second, text(numbered(100)), "data/numbers.txt")
			assert.Less(t, time.Since(began), 20*time.Second)
			assert.Equal(t, processor.StatusStopped, resp.Status)
			assert.LessOrEqual(t, resp.Processed, int64(14))
			assert.Zero(t, resp.Abandoned)
			p.done.list = append(p.done.list, b.taken...)
			p.settledOnce(numbered(100))
		})
	}
}

// In Run such a record is given back with its object.
func TestRateOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var done applied
		s.cfg.Sink, s.cfg.Rate = nil, processor.Rate{Records: 2}
		s.cfg.Processor = lineFunc(func(_ context.Context, line string) error { done.add(line); return nil })
		s.put("a", 100, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		resp, err := s.run(ctx)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusStopped, resp.Status)
		assert.Positive(t, resp.Processed)
		time.Sleep(time.Minute)
		s.drained(t.Context())
		assert.Len(t, done.lines(), 100)
	})
}
