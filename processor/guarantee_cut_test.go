package processor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/source"
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
