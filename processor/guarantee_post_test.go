package processor_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
)

// slowWithPost takes a second a record; its records count once Post succeeded.
type slowWithPost struct {
	mu    sync.Mutex
	fail  bool
	taken map[string]int
	kept  map[string]int
}

func (p *slowWithPost) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[string(data)]++
	return nil
}

func (p *slowWithPost) Post(context.Context, processor.Reporter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.taken
	p.taken = map[string]int{}
	if p.fail {
		return errors.New("cannot be closed")
	}
	for line, n := range taken {
		p.kept[line] += n
	}
	return nil
}

// What was processed before the deadline is no progress if Post fails then, and
// is if Post succeeds.
func TestOncePostConfirmsWhatADeadlineCut(t *testing.T) {
	for _, fail := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := &slowWithPost{fail: fail, taken: map[string]int{}, kept: map[string]int{}}
			s := newScene(t)
			s.cfg.Sink, s.cfg.Processor, s.cfg.Concurrency = nil, p, 1
			s.put("a", 50, 10)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			resp, err := s.run(ctx)
			assert.Equal(t, fail, err != nil, "%v", err)
			if !fail {
				assert.Equal(t, processor.StatusStopped, resp.Status)
				assert.NotEmpty(t, p.kept)
			}
			p.fail = false
			time.Sleep(time.Minute)
			_, err = s.run(t.Context())
			require.NoError(t, err)
			assert.Len(t, p.kept, 50, "failed first: %v", fail)
			for line, n := range p.kept {
				assert.Equal(t, 1, n, line)
			}
		})
	}
}
