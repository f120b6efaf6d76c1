package processor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

func (s *scene) inspectConfig() processor.InspectConfig {
	return processor.InspectConfig{
		Claims: s.store, Source: s.src,
		RetryURL: s.cfg.RetryURL, FailedURL: s.cfg.FailedURL, CorruptionURL: s.cfg.CorruptionURL,
	}
}

// finish has keys finished by nobody's work.
func (s *scene) finish(keys ...string) {
	s.t.Helper()
	results, err := s.store.Claim(s.t.Context(), "finisher", "finish "+keys[0], keys, time.Minute)
	require.NoError(s.t, err)
	for _, r := range results {
		require.NoError(s.t, s.store.Complete(s.t.Context(), []claim.Lease{r.Lease}))
	}
}

func TestSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 2500 {
			s.put(fmt.Sprint("new ", i), 1, 1)
		}
		s.put("done", 1, 1)
		s.put("dead", 1, 1)
		s.put("live", 1, 1)
		s.put("back", 1, 1)
		s.finish("done", "elsewhere")
		for i := range 12 {
			dies(t, s.store, 1, fmt.Sprint("stuck ", i))
		}
		dies(t, s.store, 1, "dead")
		time.Sleep(time.Hour)
		s.put("newest", 1, 1)
		held, err := s.store.Claim(t.Context(), "worker", "n", []string{"live", "back"}, time.Hour)
		require.NoError(t, err)
		require.NoError(t, s.store.Release(t.Context(), []claim.Return{{Lease: held[1].Lease, Counted: true}}))
		part(t, s.cfg.FailedURL, "x", destination.Envelope{Object: "x", Class: "retryable"})

		r, err := processor.Survey(t.Context(), s.inspectConfig())
		require.NoError(t, err)
		assert.Equal(t, claim.Counts{Processing: 1, Expired: 13, Waiting: 1, Finished: 2}, r.Counts)
		assert.EqualValues(t, 13, r.Stuck)
		require.Len(t, r.LongestStuck, 10)
		assert.Equal(t, "stuck 0", r.LongestStuck[0].Key)
		assert.Equal(t, "stuck 9", r.LongestStuck[9].Key)
		assert.Equal(t, 1, r.LongestStuck[0].Attempt)
		b := r.Source
		assert.Equal(t, []int64{2505, 2501, 1, 1, 1, 1}, []int64{b.Objects, b.New, b.Processing, b.Expired, b.Waiting, b.Finished})
		assert.InDelta(t, time.Hour.Seconds(), b.LagSeconds, 60)
		require.Len(t, r.Destinations, 3)
		assert.Equal(t, []int64{0, 1, 0}, []int64{r.Destinations[0].Parts, r.Destinations[1].Parts, r.Destinations[2].Parts})
		assert.Equal(t, "failed", r.Destinations[1].Name)
	})
}

// part puts envelopes into a destination and returns the part's name.
func part(t *testing.T, url, key string, envs ...destination.Envelope) string {
	t.Helper()
	store, err := destination.Open(destination.Config{URL: url})
	require.NoError(t, err)
	p, err := store.Create(t.Context(), key, 0)
	require.NoError(t, err)
	for _, e := range envs {
		_, err = p.Write(e.Append(nil))
		require.NoError(t, err)
	}
	_, err = p.Commit(t.Context())
	require.NoError(t, err)
	return p.Name()
}

// The story of an object has all that the store, the source and the destinations
// know of it, and nothing of others.
func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a.json", 2, 10)
		res, err := s.store.Claim(t.Context(), "worker 7", "n", []string{"a.json"}, time.Minute)
		require.NoError(t, err)
		l := res[0].Lease
		l.Progress = `{"v":"v1","f":"whatever","o":4096,"r":[[5000,6000]]}`
		require.NoError(t, s.store.Release(t.Context(), []claim.Return{{Lease: l, Counted: true, Reason: "read cut short", Delay: time.Hour}}))
		failed := part(t, s.cfg.FailedURL, "a.json",
			destination.Envelope{Object: "a.json", Attempt: 3, Class: "retryable", Reason: "no luck", Data: []byte(strings.Repeat("x", 1<<20))},
			destination.Envelope{Object: "a.json", Attempt: 2, Class: "retryable", Reason: "no luck", Stage: "ticket"})
		part(t, s.cfg.FailedURL, "a.json2", destination.Envelope{Object: "a.json2", Class: "retryable"})
		part(t, s.cfg.CorruptionURL, "a.json", destination.Envelope{Object: "a.json", Class: "corrupt", Reason: "cut off"})

		stories, err := processor.Explain(t.Context(), s.inspectConfig(), "a.json", "nobody")
		require.NoError(t, err)
		a := stories[0]
		assert.Equal(t, processor.StandingWaiting, a.Standing)
		assert.Equal(t, "worker 7", a.Owner)
		assert.Equal(t, "read cut short", a.Reason)
		assert.Equal(t, 1, a.Attempt)
		assert.Equal(t, time.Hour, time.Until(a.Expires))
		assert.Equal(t, &processor.Checkpoint{Offset: 4096, Version: "v1", Spans: [][2]int64{{5000, 6000}}}, a.Checkpoint)
		require.NotNil(t, a.Stored)
		assert.Positive(t, a.Stored.Size)
		require.Len(t, a.Parts, 2)
		assert.Equal(t, failed, a.Parts[0].Name)
		assert.Equal(t, []int{2, 1, 3}, []int{a.Parts[0].Records, a.Parts[0].Tickets, a.Parts[0].Attempt})
		assert.Equal(t, []string{"no luck"}, a.Parts[0].Reasons)
		assert.Equal(t, "corruption", a.Parts[1].Destination)
		assert.Equal(t, processor.Story{Key: "nobody", Standing: processor.StandingNew}, bare(stories[1]))
	})
}

// bare is a story without what is not for users.
func bare(s processor.Story) processor.Story {
	return processor.Story{
		Key: s.Key, Standing: s.Standing, Owner: s.Owner, Attempt: s.Attempt, Reason: s.Reason, ClaimedAt: s.ClaimedAt,
		Expires: s.Expires, FinishedAt: s.FinishedAt, Checkpoint: s.Checkpoint, Stored: s.Stored, Parts: s.Parts,
	}
}

// Where versions are claimed, it is the version that is there now that is told
// of.
func TestExplainOfVersions(t *testing.T) {
	s := newScene(t)
	s.put("a", 1, 1)
	s.cfg.ClaimVersion = true
	s.drainedNow()
	cfg := s.inspectConfig()
	cfg.ClaimVersion = true
	stories, err := processor.Explain(t.Context(), cfg, "a")
	require.NoError(t, err)
	assert.Equal(t, processor.StandingFinished, stories[0].Standing)
	s.put("a", 1, 2)
	stories, err = processor.Explain(t.Context(), cfg, "a")
	require.NoError(t, err)
	assert.Equal(t, processor.StandingNew, stories[0].Standing)
}

// Only what nobody works on is given back; attempts and progress stay.
func TestReleaseByAnOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		dies(t, s.store, 2, "dead")
		_, err := s.store.Claim(t.Context(), "worker", "n", []string{"live"}, time.Hour)
		require.NoError(t, err)
		s.finish("done")
		out, err := processor.Release(t.Context(), s.inspectConfig(), "dead", "live", "done", "nobody")
		require.NoError(t, err)
		did := []processor.Did{out[0].Did, out[1].Did, out[2].Did, out[3].Did}
		assert.Equal(t, []processor.Did{processor.DidRelease, processor.DidNothingHeld, processor.DidNothingFinished, processor.DidNothingNew}, did)
		assert.Equal(t, "worker", out[1].Owner)
		entries, err := s.store.Inspect(t.Context(), []string{"dead", "live", "nobody"})
		require.NoError(t, err)
		assert.Equal(t, []claim.State{claim.Free, claim.Processing, claim.Free}, []claim.State{entries[0].State, entries[1].State, entries[2].State})
		assert.Equal(t, []int{2, 1, 0}, []int{entries[0].Attempt, entries[1].Attempt, entries[2].Attempt})
	})
}

// Records that failed are tried again, and nothing else of their object is.
func TestRetryBringsFailedRecordsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("a", 10, 10)
		s.put("b", 1, 10)
		s.cfg.MaxRetries = -1
		var broken atomic.Bool
		broken.Store(true)
		s.cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if broken.Load() && strings.Contains(string(rec.Data), "/3") {
				return errors.New("mend me")
			}
			out.Write(rec.Data)
			out.End()
			return nil
		})
		s.drainedNow()
		assert.Equal(t, []string{"a/3"}, s.ids("failed"))

		broken.Store(false)
		out, err := processor.Retry(t.Context(), s.inspectConfig(), false, "a", "b")
		require.NoError(t, err)
		assert.Equal(t, []processor.Outcome{{Key: "a", Did: processor.DidRetry, Parts: 1}, {Key: "b", Did: processor.DidNothingFinished}}, out)
		assert.Empty(t, s.envelopes("failed"))
		s.age()
		time.Sleep(time.Minute)
		s.drained(t.Context())
		s.exactlyOnce()
	})
}

// An object that was given up as a whole is processed from its beginning, by
// whoever put the ticket there; with whole, so is any that is finished.
func TestRetryForgetsWhatHasATicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.cfg.MaxRetries = -1
		s.put("by checker", 3, 10)
		s.put("by worker", 3, 10)
		s.put("fine", 3, 10)
		dies(t, s.store, 1, "by checker", "by worker")
		time.Sleep(time.Hour)
		_, err := s.store.Claim(t.Context(), "late worker", "n", []string{"by worker"}, time.Minute)
		require.NoError(t, err)
		r, err := processor.Check(t.Context(), s.checkConfig())
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Failed)
		time.Sleep(time.Hour)
		s.drainedNow()
		require.Len(t, s.envelopes("failed"), 2)
		assert.Len(t, s.sent(), 3)

		out, err := processor.Retry(t.Context(), s.inspectConfig(), false, "by checker", "by worker", "fine")
		require.NoError(t, err)
		assert.Equal(t, []processor.Outcome{
			{Key: "by checker", Did: processor.DidForget, Parts: 1}, {Key: "by worker", Did: processor.DidForget, Parts: 1},
			{Key: "fine", Did: processor.DidNothingFinished},
		}, out)
		assert.Empty(t, s.envelopes("failed"))
		s.drainedNow()
		s.exactlyOnce()

		out, err = processor.Retry(t.Context(), s.inspectConfig(), true, "fine")
		require.NoError(t, err)
		assert.Equal(t, processor.DidForget, out[0].Did)
		s.drainedNow()
		assert.Equal(t, 2, s.sent()["fine/0"])
	})
}

// A ticket whose object is not finished after all, because its writer died, is
// good for a retry as well; a live worker is not disturbed, and what is gone from
// the source is not forgotten.
func TestRetryIsCareful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.put("half", 1, 10)
		s.put("live", 1, 10)
		ticket := func(key string) destination.Envelope {
			return destination.Envelope{Object: key, Class: "retryable", Stage: "ticket", Attempt: 12}
		}
		dies(t, s.store, 12, "half")
		for _, key := range []string{"half", "live", "gone"} {
			part(t, s.cfg.FailedURL, key, ticket(key))
		}
		s.finish("gone")
		_, err := s.store.Claim(t.Context(), "worker", "n", []string{"live"}, time.Hour)
		require.NoError(t, err)
		out, err := processor.Retry(t.Context(), s.inspectConfig(), true, "half", "live", "gone")
		require.NoError(t, err)
		assert.Equal(t, []processor.Did{processor.DidForget, processor.DidNothingHeld, processor.DidNothingGone},
			[]processor.Did{out[0].Did, out[1].Did, out[2].Did})
		assert.Len(t, s.envelopes("failed"), 2)
		entries, err := s.store.Inspect(t.Context(), []string{"half", "gone"})
		require.NoError(t, err)
		assert.Zero(t, entries[0].Attempt)
		assert.Equal(t, claim.Finished, entries[1].State)
	})
}

// What replaces a part is durable before the part is deleted; what is forgotten
// is so before its ticket is deleted.
func TestRetryDeletesNothingTooSoon(t *testing.T) {
	s := newScene(t)
	s.put("whole", 1, 10)
	part(t, s.cfg.FailedURL, "x/records", destination.Envelope{Object: "x/records", Class: "retryable", Data: []byte(`{}`)})
	part(t, s.cfg.FailedURL, "whole", destination.Envelope{Object: "whole", Class: "retryable", Stage: "ticket"})
	s.finish("x/records", "whole")
	require.NoError(t, os.Mkdir(s.cfg.RetryURL, 0o700))
	require.NoError(t, os.WriteFile(s.cfg.RetryURL+"/x", nil, 0o600)) // a file where a folder is to be
	cfg := s.inspectConfig()
	cfg.Claims = &watchedClaims{Claims: s.store, forget: func([]string) error { return errors.New("killed here") }}
	for _, key := range []string{"x/records", "whole"} {
		_, err := processor.Retry(t.Context(), cfg, false, key)
		require.ErrorContains(t, err, key)
	}
	assert.Len(t, s.envelopes("failed"), 2)
}

// A store that is open for reading can be surveyed and explained, and not
// changed.
func TestInspectReadOnly(t *testing.T) {
	s := newScene(t)
	folder := t.TempDir()
	store, err := disk.Open(folder, disk.Config{})
	require.NoError(t, err)
	s.cfg.Claimer = store
	s.put("a", 1, 1)
	s.drainedNow()
	reading, err := disk.OpenReadOnly(folder)
	require.NoError(t, err)
	cfg := s.inspectConfig()
	cfg.Claims = reading
	r, err := processor.Survey(t.Context(), cfg)
	require.NoError(t, err)
	assert.EqualValues(t, 1, r.Source.Finished)
	_, err = processor.Release(t.Context(), cfg, "a")
	require.ErrorContains(t, err, "reading only")
	_, err = processor.Retry(t.Context(), cfg, true, "a")
	require.ErrorContains(t, err, "reading only")
	require.NoError(t, reading.Close())
	require.NoError(t, store.Close())
}

func TestInspectNamesEveryMistake(t *testing.T) {
	_, err := processor.Survey(t.Context(), processor.InspectConfig{ClaimVersion: true, FailedURL: "gopher://x"})
	for _, field := range []string{"Claims: ", "Source: ", "FailedURL: "} {
		require.ErrorContains(t, err, field)
	}
	_, err = processor.Retry(t.Context(), processor.InspectConfig{}, false, "a")
	for _, field := range []string{"Claims: ", "RetryURL: ", "FailedURL: "} {
		require.ErrorContains(t, err, field)
	}
}
