package processor_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/dir"
)

// What is put aside must not come in again as input.
func TestErrorsDestinationInTheSource(t *testing.T) {
	folder := t.TempDir()
	src, err := dir.Open(folder, dir.Config{})
	require.NoError(t, err)
	defer src.Close()
	cfg := processor.Config{
		Source: src, Claimer: memory.New(), Sink: sinkmemory.New(sinkmemory.Config{}),
		RetryURL: filepath.Join(folder, "retry"), FailedURL: folder, CorruptionURL: folder + "-beside",
	}
	_, err = processor.New(cfg)
	require.ErrorContains(t, err, "RetryURL: lies in the source")
	require.ErrorContains(t, err, "FailedURL: lies in the source")
	assert.NotContains(t, err.Error(), "CorruptionURL")

	cfg.RetryURL, cfg.FailedURL = folder+"-aside", folder+"-aside/"
	_, err = processor.New(cfg)
	require.ErrorContains(t, err, "FailedURL: is RetryURL")
}

// A queue that was never reached, for want of credentials say, is told soon.
func TestErrorsSinkNeverReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.Sink = unreachable{}
		began := time.Now()
		resp, err := s.run(t.Context())
		require.ErrorIs(t, err, errUnreachable)
		assert.Less(t, time.Since(began), time.Minute)
		assert.Equal(t, processor.StatusError, resp.Status)
	})
}

var errUnreachable = errors.New("no credentials")

type unreachable struct{}

func (unreachable) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{}, fault.Interrupted(errUnreachable)
}

func (unreachable) Send(context.Context, []sink.Message) error {
	return fault.Interrupted(errUnreachable)
}
