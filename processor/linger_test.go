package processor_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/sink"
)

// In a Watch, what appears is sent within Linger (and what it takes to be seen),
// however steadily more of it comes that does not fill a message.
func TestWatchSendsInTimeWhatFillsNoMessage(t *testing.T) {
	watchedBothWays(t, func(t *testing.T, s *scene, put func(string)) {
		s.cfg.Concurrency = 1
		var mu sync.Mutex
		appeared, late := map[string]time.Time{}, map[string]time.Duration{}
		s.hook = func(_ context.Context, batch []sink.Message) error {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range batch {
				for _, id := range processortest.IDs(m.Body) {
					late[id] = time.Since(appeared[id])
				}
			}
			return nil
		}
		steps := map[time.Duration]func(){}
		const files = 100
		for i := range files {
			steps[time.Minute+time.Duration(i)*700*time.Millisecond] = func() {
				key := fmt.Sprintf("f%03d", i)
				mu.Lock()
				appeared[key+"/0"] = time.Now()
				mu.Unlock()
				put(key)
			}
		}
		s.watch(steps)
		s.exactlyOnce()
		seen, linger := time.Second, time.Second // the defaults of PollInterval and Pack.Linger
		for i := range files {
			assert.LessOrEqual(t, late[fmt.Sprintf("f%03d/0", i)], seen+linger)
		}
		assert.Less(t, s.out.Len(), files, "they share messages")
	})
}
