package destination_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
)

func TestEnvelopeRoundTrip(t *testing.T) {
	e := destination.Envelope{
		Object: "a/b \xff.json", Version: "v\"1", Offset: 12, Index: 3, Attempt: 2,
		Class: "corrupt", Reason: "line 1\nline 2", Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Stage: "sink", Data: []byte(`{"id":1}`),
	}
	got, ok := destination.ParseEnvelope(e.Append(nil))
	require.True(t, ok)
	assert.Equal(t, e, got)
}
