package processor_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// The transport fails in the middle of a line that is too long for memory: the
// object is given back, and the next pass has the whole of it.
func TestHostileGiantLineCut(t *testing.T) {
	s := newScene(t)
	s.cfg.RetryDelay = 1
	s.cfg.Split.MaxRecordBytes = 1 << 20
	giant := `{"id":"` + strings.Repeat("x", 3<<20)
	s.src.Put("a", []byte(giant))
	s.src.OnOpen = func(context.Context, source.Object, int64) processortest.ReadFault {
		return processortest.ReadFault{Cut: errAway, After: 2 << 20}
	}
	resp, err := s.run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, processor.StatusStopped, resp.Status)
	assert.Empty(t, s.envelopes("corrupt"), "nothing that is not whole")
	s.src.OnOpen = nil
	resp, err = s.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, resp.CorruptionErrors)
	require.Len(t, s.envelopes("corrupt"), 1)
	assert.True(t, giant == string(s.envelopes("corrupt")[0].Data)) //nolint:testifylint // Equal prints megabytes
}

// An object is resumed in the middle, from a source that can only be read from
// the start, and the transport fails before reading has come to where it was:
// what was settled before still counts.
func TestOnceCutBeforeWhereItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.RetryDelay, s.cfg.Concurrency = 1, 1
		s.put("a", 20_000, 100)
		ctx, cancel := context.WithCancel(t.Context())
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if rec.Offset > 1<<20 {
				cancel()
			}
			out.Emit(rec.Data)
			return nil
		})
		_, err := s.run(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, s.sent())
		require.Contains(t, s.claims.Progress("a"), `"s":`, "it goes on in the middle")

		s.src.OnOpen = func(_ context.Context, _ source.Object, off int64) processortest.ReadFault {
			if off > 0 {
				return processortest.ReadFault{Open: source.ErrNoRange}
			}
			return processortest.ReadFault{Cut: errAway, After: 1000}
		}
		opens := s.src.Opens()
		resp, err := s.run(t.Context())
		require.NoError(t, err)
		require.Zero(t, resp.Loaded)
		require.Greater(t, s.src.Opens(), opens)
		s.src.OnOpen = nil
		time.Sleep(time.Minute) // until it is due again
		s.drained(t.Context())
		s.exactlyOnce()
	})
}
