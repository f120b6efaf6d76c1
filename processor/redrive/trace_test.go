package redrive_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// tracing is a source of one object, day.json, with its claims and destinations.
type tracing struct {
	*testing.T
	object source.Object
	claims *memory.Store
	redrive.TraceConfig
}

func newTracing(t *testing.T) *tracing {
	t.Helper()
	files := &sourcetest.Memory{}
	files.Put("day.json", []byte("0123456789"))
	files.Put("other.json", nil)
	s := &tracing{T: t, claims: memory.New()}
	dir := t.TempDir()
	s.Inspect = processor.InspectConfig{
		Source: files, Claims: s.claims, RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corruption",
	}
	body, o, err := files.Open(t.Context(), source.Object{Key: "day.json", Size: -1}, 0, 0)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	s.object = o
	return s
}

// claim claims the object, and returns the lease.
func (s *tracing) claim() claim.Lease {
	s.Helper()
	results, err := s.claims.Claim(s.Context(), "worker", "nonce", []string{"day.json"}, time.Minute)
	require.NoError(s, err)
	return results[0].Lease
}

// fate is that of the record at an offset.
func (s *tracing) fate(offset int64) redrive.Fate {
	s.Helper()
	track, err := redrive.Trace(s.Context(), s.TraceConfig, processor.RecordID(s.object, offset, 0))
	require.NoError(s, err)
	assert.Equal(s, offset, track.Offset)
	return track.Fate
}

// The claim of the object tells how far it is.
func TestTraceByClaims(t *testing.T) {
	s := newTracing(t)
	assert.Equal(t, redrive.FateOpen, s.fate(0), "nobody has claimed it")
	lease := s.claim()
	assert.Equal(t, redrive.FateOpen, s.fate(0), "nothing is noted of it")
	lease.Progress = `{"v":"` + s.object.Identity() + `+gzip","o":4,"r":[[6,8]]}`
	require.NoError(t, s.claims.Extend(t.Context(), []claim.Lease{lease}, time.Minute))
	for offset, want := range map[int64]redrive.Fate{
		3: redrive.FateSettled, 4: redrive.FateOpen, 6: redrive.FateSettled, 8: redrive.FateOpen,
	} {
		assert.Equal(t, want, s.fate(offset), offset)
	}
	lease.Progress = `{"v":"another version","o":4}`
	require.NoError(t, s.claims.Extend(t.Context(), []claim.Lease{lease}, time.Minute))
	assert.Equal(t, redrive.FateOpen, s.fate(3), "offsets of another content say nothing")
	require.NoError(t, s.claims.Complete(t.Context(), []claim.Lease{lease}))
	assert.Equal(t, redrive.FateSettled, s.fate(9))
}

// A ticket stands for what comes behind it, a record for all that was made of it, an
// output for itself.
func TestTraceByWhatLiesAside(t *testing.T) {
	s := newTracing(t)
	require.NoError(t, s.claims.Complete(t.Context(), []claim.Lease{s.claim()}))
	ticket := record("day.json", 5)
	ticket.Version, ticket.Stage, ticket.Data = s.object.Identity(), "ticket", nil
	put(t, s.Inspect.RetryURL, "day.json", ticket)
	whole, output := record("day.json", 2), record("day.json", 3)
	whole.Version, output.Version = s.object.Identity(), s.object.Identity()
	output.Stage, output.Index = "sink", 1
	put(t, s.Inspect.FailedURL, "day.json", whole, output)
	for _, c := range []struct {
		offset int64
		output int
		want   redrive.Fate
	}{
		{1, 0, redrive.FateSettled},
		{2, 0, redrive.FateFailed}, {2, 3, redrive.FateFailed},
		{3, 0, redrive.FateSettled}, {3, 1, redrive.FateFailed},
		{5, 0, redrive.FateRetry}, {9, 0, redrive.FateRetry},
	} {
		track, err := redrive.Trace(t.Context(), s.TraceConfig, processor.RecordID(s.object, c.offset, c.output))
		require.NoError(t, err)
		assert.Equal(t, c.want, track.Fate, "%d.%d", c.offset, c.output)
		assert.Equal(t, "day.json", track.Object)
		assert.Equal(t, c.want != redrive.FateSettled, len(track.Aside) == 1)
	}
}

// The object is found by its name alone, and by opening what the listing tells too
// little of.
func TestTraceFindsTheObject(t *testing.T) {
	s := newTracing(t)
	for _, cfg := range []redrive.TraceConfig{
		{Inspect: s.Inspect}, {Inspect: s.Inspect, Keys: []string{"gone.json", "other.json", "day.json"}}, {Inspect: s.Inspect, Open: true},
	} {
		track, err := redrive.Trace(t.Context(), cfg, processor.RecordID(s.object, 7, 0))
		require.NoError(t, err)
		assert.Equal(t, "day.json", track.Object)
		assert.Equal(t, s.object.Identity(), track.Version)
		require.NotNil(t, track.Story)
	}
	track, err := redrive.Trace(t.Context(), redrive.TraceConfig{Inspect: s.Inspect, Keys: []string{"other.json"}}, processor.RecordID(s.object, 7, 0))
	require.NoError(t, err)
	assert.Equal(t, redrive.FateUnknown, track.Fate)
	assert.Nil(t, track.Story)
}

func TestRecordIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		"jz1cJ8tSCJFEmPD01nKBDg.2048": true, "jz1cJ8tSCJFEmPD01nKBDg.2048.1": true, "jz1cJ8tSCJFEmPD01nKBDg": false,
		"jz1cJ8tSCJFEmPD01nKBDg.-1": false, "jz1cJ8tSCJFEmPD01nKBDg.1.0": false, "jz1cJ8tSCJFEmPD01nKBDg.1.2.3": false, "x.1": false, "": false,
	} {
		assert.Equal(t, ok, redrive.CheckRecordID(id) == nil, id)
	}
}
