package streampoll_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
)

// records is a processor of changes that each take a while. It is slow to begin with:
// what the end of a run strikes is put aside.
type records struct {
	mu   sync.Mutex
	done []string
}

func (r *records) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	if strings.Contains(string(data), `"a 13"`) {
		return errors.New("not this one")
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	_, rest, _ := strings.Cut(string(data), `"keys":{"id":"`)
	name, _, _ := strings.Cut(rest, `"`)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, name)
	return nil
}

// The handler of package aws serves a consumer: at the end every change is processed,
// or in retry, or comes when the next Run begins.
func TestAServiceBehindAConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dir := &records{}, t.TempDir()
		svc, err := processor.New(processor.Config{Processor: p, Concurrency: 1, RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt"})
		require.NoError(t, err)
		var mu sync.Mutex
		var aside int64
		changes, err := aws.NewChanges(aws.ChangesConfig{Chunk: 5, Config: aws.Config{Service: svc, Each: func(rep processor.Reporter, err error) {
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			r := rep.BaseResponse()
			aside += r.RetryErrors
		}}})
		require.NoError(t, err)
		s := newStream("a")
		want := s.add("a", 60)
		c, err := streampoll.New(s, arn, changes, streampoll.Config{BatchSize: 20})
		require.NoError(t, err)
		for range 4 {
			stop := start(t, c)
			time.Sleep(22 * time.Second)
			out := stop()
			assert.NoError(t, out.err)
			assert.Zero(t, out.stats.Abandoned)
		}
		mu.Lock()
		defer mu.Unlock()
		p.mu.Lock()
		defer p.mu.Unlock()
		assert.True(t, slices.IsSortedFunc(p.done, func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) }))
		assert.NotContains(t, p.done, "a 13")
		assert.Len(t, want, len(p.done)+int(aside))
	})
}
