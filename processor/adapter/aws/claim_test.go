package aws_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
)

// claiming is a handler of objects that claims them.
func (s *scene) claiming() *aws.Objects {
	s.t.Helper()
	h, err := aws.NewObjects(aws.ObjectsConfig{Config: s.config(), Source: s.files, Claim: true})
	require.NoError(s.t, err)
	return h
}

// hold claims an object for somebody else, until it is released.
func (s *scene) hold(key string) (release func()) {
	s.t.Helper()
	got, err := s.cfg.Claimer.Claim(s.t.Context(), "other", "n", []string{key}, time.Hour)
	require.NoError(s.t, err)
	require.Equal(s.t, claim.Granted, got[0].Status)
	return func() {
		require.NoError(s.t, s.cfg.Claimer.Release(s.t.Context(), []claim.Return{{Lease: got[0].Lease}}))
	}
}

// An event and a run over the same prefix have an object done once, whichever comes
// first.
func TestClaimedObjectsAreDoneOnce(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	s.put("in/b", "b\n")
	_, err := invoke(t, s.claiming().Handle, json.RawMessage(created("in/a")))
	require.NoError(t, err)
	assert.EqualValues(t, 1, s.report.Finished)
	_, err = s.service().Run(t.Context())
	require.NoError(t, err)
	out, err := invoke(t, s.claiming().Handle, batch(created("in/a"), created("in/b", "in/gone")))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, out, "what is done, or gone, is settled")
	assert.Equal(t, []int64{2, 1, 0}, []int64{s.report.Skipped, s.report.Vanished, s.report.Unsettled})
	assert.Equal(t, []string{"a", "b"}, s.processed())
}

// What another worker holds comes again, and is no failure.
func TestClaimedObjectsThatAreHeldComeAgain(t *testing.T) {
	s := newScene(t)
	s.put("in/a", "a\n")
	s.put("in/b", "b\n")
	release := s.hold("a")
	out, err := invoke(t, s.claiming().Handle, batch(created("in/a"), created("in/b")))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m0"}]}`, out)
	assert.Equal(t, processor.StatusOK, s.report.Status)
	assert.Empty(t, s.report.Errors)
	assert.Equal(t, []int64{1, 1, 1}, []int64{s.report.Held, s.report.Unsettled, s.report.Finished})

	_, err = invoke(t, s.claiming().Handle, json.RawMessage(created("in/a")))
	require.ErrorIs(t, err, processor.ErrHeld, "S3 is told by an error")
	_, err = invoke(t, s.claiming().Handle, batch(created("in/a")))
	require.ErrorIs(t, err, processor.ErrHeld, "as where all of a batch comes again")
	assert.Equal(t, processor.StatusOK, s.report.Status)

	release()
	_, err = invoke(t, s.claiming().Handle, json.RawMessage(created("in/a")))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, s.processed())
}

// What the deadline strikes is given back with what was done of it: nothing goes to
// the retry destination, and whoever comes next goes on.
func TestClaimedObjectsThatTheDeadlineStrikesAreGivenBack(t *testing.T) {
	s := newScene(t)
	s.put("in/a", strings.Repeat("a\n", 100))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls atomic.Int64
	s.process(func(context.Context, string) error {
		if calls.Add(1) == 50 {
			cancel()
		}
		return nil
	})
	_, err := s.claiming().Handle(ctx, json.RawMessage(created("in/a")))
	require.ErrorIs(t, err, processor.ErrUnread)
	require.NotErrorIs(t, err, processor.ErrHeld)
	assert.Equal(t, processor.StatusStopped, s.report.Status)
	assert.Equal(t, []int64{1, 1, 0}, []int64{s.report.Released, s.report.Unsettled, s.report.RetryErrors})
	assert.Less(t, calls.Load(), int64(100))
	rep, err := s.service().Run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, rep.BaseResponse().Finished)
	assert.Len(t, s.processed(), 100)
	_, err = invoke(t, s.claiming().Handle, json.RawMessage(created("in/a")))
	require.NoError(t, err)
	assert.EqualValues(t, 1, s.report.Skipped)
}

// A store may write ETags otherwise in its events; claims may be those of versions.
func TestClaimedObjectsThatAreNotAsTheEventSays(t *testing.T) {
	for _, versions := range []bool{false, true} {
		s := newScene(t)
		s.cfg.ClaimVersion = versions
		old := s.put("in/a", "old\n")
		now := s.put("in/a", "new\n")
		event := strings.ReplaceAll(created("in/a@other"), "2026-01-02", "2099-01-02")
		_, err := invoke(t, s.claiming().Handle, json.RawMessage(event))
		require.NoError(t, err)
		assert.Equal(t, []string{"new"}, s.processed())
		for _, etag := range []string{old, now} {
			_, err = invoke(t, s.claiming().Handle, json.RawMessage(created("in/a@"+etag)))
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"new"}, s.processed(), "once")
		rep, err := s.service().Run(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 0}, []int64{rep.BaseResponse().Skipped, rep.BaseResponse().Loaded}, "claims agree")
	}
}
