package gcp_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
)

// records counts what was processed.
type records struct {
	mu sync.Mutex
	n  int
}

func (r *records) Process(context.Context, []byte, processor.Reporter) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	return nil
}

func (r *records) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// An event, the same one again, and a run over the same prefix have an object done
// once; what another worker holds comes again; what is gone is settled. Without claims
// each has it done.
func TestClaimedObjectsAreDoneOnce(t *testing.T) {
	for _, claims := range []bool{true, false} {
		dir, done, store := t.TempDir(), new(records), memory.New()
		there := bucket{"a": {Key: "a", Version: "1", Size: 2}, "held": {Key: "held", Version: "1", Size: 2}}
		service, err := processor.New(processor.Config{
			Processor: done, Source: there, Claimer: store,
			RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
		})
		require.NoError(t, err)
		var report *gcp.Report
		h, err := gcp.NewObjects(gcp.ObjectsConfig{
			Config: gcp.Config{Service: service, Timeout: time.Minute, Done: func(r *gcp.Report) { report = r }},
			Source: there, Claim: claims,
		})
		require.NoError(t, err)
		event := func(key string) int { return post(h, resource("feed", "in/"+key, "1"), "Ce-Type", finalized) }
		other, err := store.Claim(t.Context(), "other", "n", []string{"held"}, time.Hour)
		require.NoError(t, err)

		require.Equal(t, http.StatusNoContent, event("a"))
		require.Equal(t, http.StatusNoContent, event("a"))
		require.Equal(t, http.StatusNoContent, event("gone"))
		assert.EqualValues(t, 1, report.Vanished)
		if !claims {
			assert.Equal(t, 2, done.count())
			continue
		}
		assert.Equal(t, http.StatusServiceUnavailable, event("held"))
		assert.Equal(t, []int64{1, 1}, []int64{report.Unsettled, report.Held})
		assert.Equal(t, processor.StatusOK, report.Status)
		assert.Equal(t, 1, done.count())
		require.NoError(t, store.Release(t.Context(), []claim.Return{{Lease: other[0].Lease}}))
		require.Equal(t, http.StatusNoContent, event("held"))
		_, err = service.Run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, done.count())
	}
}
