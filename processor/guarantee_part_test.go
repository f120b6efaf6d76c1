package processor_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
)

// A part of the retry destination that kills its workers goes to the failed
// destination with all of its records, and not as a ticket that names it.
func TestRetryPartThatUsesUpItsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = 2
		store, err := destination.Open(destination.Config{URL: s.cfg.RetryURL})
		require.NoError(t, err)
		part, err := store.Create(t.Context(), "a.json", 1)
		require.NoError(t, err)
		for i := range 3 {
			env := destination.Envelope{Object: "a.json", Offset: int64(i), Attempt: 1, Class: "retryable", Reason: "no luck", Data: fmt.Appendf(nil, `{"id":%d}`, i)}
			_, err = part.Write(env.Append(nil))
			require.NoError(t, err)
		}
		_, err = part.Commit(t.Context())
		require.NoError(t, err)
		s.age()
		dies(t, s.store, 3, "\x00retry/"+part.Name())
		time.Sleep(time.Hour)

		resp, err := s.run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, resp.Status)
		assert.EqualValues(t, 3, resp.FailedErrors)
		assert.Empty(t, s.envelopes("retry"))
		failed := s.envelopes("failed")
		require.Len(t, failed, 3)
		for i, e := range failed {
			assert.Equal(t, fmt.Sprintf(`{"id":%d}`, i), string(e.Data))
			assert.Equal(t, "no luck", e.Reason)
		}
		assert.NotEmpty(t, resp.Errors, "what became of it is told")
	})
}
