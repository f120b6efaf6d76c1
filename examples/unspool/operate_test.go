package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// to is the command line of an operator's command on the spool.
func (s spool) to(command string, more ...string) []string {
	return append([]string{command, "--source", s.folder, "--claims", "disk:" + s.state}, more...)
}

// drain drains the spool into nowhere.
func (s spool) drain(t *testing.T) processor.Response {
	t.Helper()
	code, out, errs := runHere(t, "run", "--source", s.folder, "--claims", "disk:"+s.state, "--summary", "json",
		"--sink", "file://"+filepath.Join(t.TempDir(), "out"))
	require.Equal(t, exitOK, code, errs)
	return summaryOf(t, []byte(out))
}

// die leaves the claims as a worker does that is killed with files in hand,
// times over.
func (s spool) die(t *testing.T, times int, files ...string) {
	t.Helper()
	for range times {
		store, err := disk.Open(s.state, disk.Config{})
		require.NoError(t, err)
		results, err := store.Claim(t.Context(), "worker/1", "nonce", files, time.Hour)
		require.NoError(t, err)
		for _, r := range results {
			require.Equal(t, claim.Granted, r.Status)
		}
		require.NoError(t, store.Close())
	}
}

func unmarshal[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// While a run is going on, one can look at what it does, and is told clearly that
// nothing can be changed.
func TestOperatorsBesideARun(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: 30})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	c := startChild(t, q.env(), s.args(q, "--watch", "--linger", "10ms")...)
	require.Eventually(t, func() bool { return len(q.got()) == 30 }, 30*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		code, out, errs := runHere(t, s.to("status", "--json")...)
		require.Equal(t, exitOK, code, errs)
		return unmarshal[processor.SurveyReport](t, out).Source.Finished == 30
	}, 30*time.Second, 10*time.Millisecond)
	file := spooltest.Make(s.cfg, 0).Name
	code, out, errs := runHere(t, s.to("explain", file)...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "state       finished")
	for _, args := range [][]string{s.to("release", file), s.to("retry", file), s.to("check")} {
		code, out, errs := runHere(t, args...)
		assert.Equal(t, exitFailed, code, args)
		assert.Empty(t, out)
		assert.Contains(t, errs, "in use by another process")
	}
	c.signal(t, os.Interrupt)
	c.wait()
	q.requireAll(t, s.want.Delivered, 1)
}

func TestStatus(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 20})
	code, _, errs := runHere(t, s.to("status")...)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, "there is no claim store in "+s.state)
	assert.NoDirExists(t, s.state)

	s.drain(t)
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "late.json"), []byte(`{"id":1}`), 0o600))
	code, out, errs := runHere(t, s.to("status")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "claims      20 finished\n")
	assert.Contains(t, out, "source      21 objects: 1 new, 20 finished\n")
	assert.Regexp(t, `(?m)^lag         \S+: the age`, out)
	assert.Contains(t, out, "failed      0 parts in "+s.state+"-failed\n")
}

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := processor.SurveyReport{
		Time: now, Counts: claim.Counts{Processing: 3, Expired: 1, Waiting: 2, Finished: 12345}, Stuck: 1,
		LongestStuck: []processor.StuckObject{{Key: "\x00retry/a", Owner: "host/7", Attempt: 2, Expires: now.Add(-50 * time.Hour)}},
		Source:       &processor.Backlog{Objects: 10, New: 4, Finished: 6, Oldest: now.Add(-90 * time.Minute), LagSeconds: 5400},
		Destinations: []processor.DestinationSurvey{{Name: "retry", URL: "/r", Parts: 1, Oldest: now.Add(-time.Minute)}},
	}
	assert.Equal(t, `claims      12,345 finished, 3 processing, 1 expired, 2 waiting
stuck       1
            "\x00retry/a": attempt 2, expired 2d2h ago, last by host/7
source      10 objects: 4 new, 6 finished
lag         1h30m: the age of the oldest file that is not finished
retry       1 parts in /r, the oldest from 1m0s ago
`, statusText(r))
}

func TestStoryText(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	assert.Equal(t, `file        "a\n.json"
source      3.0 KiB of 2026-11-22T11:00:00Z (1h0m ago)
state       waiting: given back; the next worker takes it
owner       host/7
attempts    2
reason      read cut short
claimed     2026-11-22T11:59:00Z (1m0s ago)
not before  2026-11-22T12:00:05Z (in 5s)
checkpoint  settled up to byte 4,096, 1 stretches further on
failed      a-retry01~0.ndjson: 2 records, 1 tickets, 3 attempts
            no luck
`, storyText(processor.Story{
		Key: "a\n.json", Standing: processor.StandingWaiting, Owner: "host/7", Attempt: 2, Reason: "read cut short",
		ClaimedAt: now.Add(-time.Minute), Expires: now.Add(5 * time.Second),
		Checkpoint: &processor.Checkpoint{Offset: 4096, Spans: [][2]int64{{5000, 6000}}},
		Stored:     &processor.StoredObject{Size: 3072, ModTime: now.Add(-time.Hour)},
		Parts: []processor.PartStory{{
			Destination: "failed", Name: "a-retry01~0.ndjson", Records: 2, Tickets: 1, Attempt: 3, Reasons: []string{"no luck"},
		}},
	}, true, now))
}

// A file may be named by its key or by a path.
func TestFilesAreNamedByKeyOrPath(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 1})
	name := spooltest.Make(s.cfg, 0).Name
	t.Chdir(filepath.Dir(s.folder))
	at := &site{folder: s.folder}
	for _, file := range []string{name, filepath.Join(s.folder, name), "in/" + name, "./in/" + name} {
		assert.Equal(t, []string{filepath.ToSlash(name)}, at.keys([]string{file}), file)
	}
	assert.Equal(t, []string{"no/such.json", "../x"}, at.keys([]string{"no/such.json", "../x"}))
	assert.Equal(t, []string{"gone.json"}, at.keys([]string{filepath.Join(s.folder, "gone.json")}))
}

func TestExplain(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 10, CorruptEvery: 2})
	s.drain(t)
	var bad string
	for object := range s.want.Corrupt {
		bad = object
	}
	code, out, errs := runHere(t, s.to("explain", "--json", bad, "nobody.json")...)
	assert.Equal(t, exitFailed, code, "one is unknown: "+errs)
	assert.Empty(t, errs)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 2)
	story := unmarshal[processor.Story](t, lines[0])
	assert.Equal(t, processor.StandingFinished, story.Standing)
	require.NotEmpty(t, story.Parts)
	assert.Equal(t, "corruption", story.Parts[0].Destination)
	assert.Equal(t, processor.StandingNew, unmarshal[processor.Story](t, lines[1]).Standing)
}

// A file that killed its worker too often is given up by the next run; retry has
// it processed after all.
func TestRetryOfAFileThatWasGivenUp(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 5})
	file := filepath.ToSlash(spooltest.Make(s.cfg, 2).Name)
	s.die(t, 11, file)
	r := s.drain(t)
	assert.EqualValues(t, 1, r.FailedErrors)
	assert.EqualValues(t, 4, r.Delivered)

	code, out, errs := runHere(t, s.to("retry", file, filepath.ToSlash(spooltest.Make(s.cfg, 1).Name))...)
	assert.Equal(t, exitFailed, code, "one was left alone: "+errs)
	assert.Contains(t, out, file+": forgotten: the next run processes it from its beginning, 1 parts deleted from failed\n")
	assert.Contains(t, out, "left alone: it is finished, and nothing of it failed\n")
	assert.Empty(t, errs)
	assert.EqualValues(t, 1, s.drain(t).Delivered)

	code, out, errs = runHere(t, s.to("retry", "--whole", "--json", file)...)
	require.Equal(t, exitOK, code, errs)
	assert.Equal(t, processor.DidForget, unmarshal[processor.Outcome](t, out).Did)
	assert.EqualValues(t, 1, s.drain(t).Delivered)
}

// Records that failed are brought back; the file itself is not touched.
func TestRetryOfRecords(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 3})
	s.drain(t)
	file := filepath.ToSlash(spooltest.Make(s.cfg, 1).Name)
	failed, err := destination.Open(destination.Config{URL: s.state + "-failed"})
	require.NoError(t, err)
	part, err := failed.Create(t.Context(), file, 0)
	require.NoError(t, err)
	env := destination.Envelope{Object: file, Attempt: 11, Class: "retryable", Reason: "no luck", Data: []byte(`{"id":99}`)}
	_, err = part.Write(env.Append(nil))
	require.NoError(t, err)
	_, err = part.Commit(t.Context())
	require.NoError(t, err)

	code, out, errs := runHere(t, s.to("retry", file)...)
	require.Equal(t, exitOK, code, errs)
	assert.Equal(t, file+": 1 parts moved from failed to retry: the next run tries them again\n", out)
	back := envelopes(t, s.state+"-retry")
	require.Len(t, back, 1)
	assert.Zero(t, back[0].Attempt)
	assert.Empty(t, envelopes(t, s.state+"-failed"))
}

func TestRelease(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 5})
	file := filepath.ToSlash(spooltest.Make(s.cfg, 2).Name)
	s.die(t, 1, file)
	code, out, errs := runHere(t, s.to("release", file, "nobody.json")...)
	assert.Equal(t, exitFailed, code, errs)
	assert.Equal(t, file+": released: any worker can take it\nnobody.json: left alone: nobody has claimed it\n", out)
}

// Claims on disk are given back by opening them, and counted.
func TestCheckOnDisk(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 5})
	s.die(t, 1, "a", "b")
	code, out, errs := runHere(t, s.to("check", "--json")...)
	require.Equal(t, exitOK, code, errs)
	r := unmarshal[processor.CheckReport](t, out)
	assert.Equal(t, []int64{2, 2, 0}, []int64{r.Expired, r.Released, r.Failed})
	code, out, errs = runHere(t, s.to("check")...)
	require.Equal(t, exitOK, code, errs)
	assert.Regexp(t, `(?s)^status      ok after .*\nexpired     0\n`, out)
}

// What was drained is moved, and then deleted elsewhere, without being drained
// again.
func TestArchive(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 30})
	s.drain(t)
	to := filepath.Join(t.TempDir(), "archive")
	code, out, errs := runHere(t, s.to("archive", "--to", to, "--after", "24h")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "left        30, 30 finished too recently\n")
	late := filepath.Join(s.folder, "late.json")
	require.NoError(t, os.WriteFile(late, []byte(`{"id":1}`), 0o600))
	code, out, errs = runHere(t, s.to("archive", "--to", to, "--after", "0", "--json")...)
	require.Equal(t, exitOK, code, errs)
	r := unmarshal[processor.ArchiveReport](t, out)
	assert.Equal(t, []int64{31, 30, 1}, []int64{r.Objects, r.Archived, r.Unfinished})
	first := spooltest.Make(s.cfg, 0)
	text, err := os.ReadFile(filepath.Join(to, first.Name))
	require.NoError(t, err)
	assert.Equal(t, first.Data, text)

	assert.EqualValues(t, 1, s.drain(t).Finished)
	code, out, errs = runHere(t, s.to("archive", "--delete", "--after", "0s")...)
	require.Equal(t, exitOK, code, errs)
	assert.Contains(t, out, "objects     1 archived, 8 bytes\nleft        0\n")
	assert.NoFileExists(t, late)
	assert.Zero(t, s.drain(t).Loaded)
}

// kill -9 at any moment of archiving: each file is in one place or the other, and
// the next archiver finishes; nothing is drained again. On another file system
// files are copied.
func TestArchiverKilled(t *testing.T) {
	waits(t)
	t.Run("move", func(t *testing.T) { testArchiverKilled(t, t.TempDir(), scale(200, 20_000)) })
	t.Run("copy", func(t *testing.T) {
		elsewhere, err := os.MkdirTemp("/dev/shm", "unspool-test-") //nolint:usetesting // t.TempDir is on the same one
		if err != nil {
			t.Skip("no other file system here")
		}
		t.Cleanup(func() { assert.NoError(t, os.RemoveAll(elsewhere)) })
		testArchiverKilled(t, elsewhere, scale(100, 5_000))
	})
}

func testArchiverKilled(t *testing.T, folder string, files int) {
	s := newSpool(t, spooltest.Config{Files: files})
	s.drain(t)
	to := filepath.Join(folder, "archive")
	for i := range scale(4, 20) {
		c := startChild(t, nil, s.to("archive", "--to", to, "--after", "0")...)
		select {
		case <-time.After(time.Duration(i) * 7 * time.Millisecond):
			c.signal(t, os.Kill)
		case <-c.done:
		}
		c.wait()
		assert.Zero(t, s.drain(t).Loaded, "drained again")
	}
	// On the word of a source that lists nothing, nothing would be forgotten.
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "late.json"), []byte(`{"id":1}`), 0o600))
	code, _, errs := runHere(t, s.to("archive", "--to", to, "--after", "0")...)
	require.Equal(t, exitOK, code, errs)
	for f := range spooltest.Files(s.cfg) {
		assert.NoFileExists(t, filepath.Join(s.folder, f.Name))
		text, err := os.ReadFile(filepath.Join(to, f.Name))
		require.NoError(t, err)
		require.Equal(t, f.Data, text)
	}
	code, out, errs := runHere(t, "status", "--claims", "disk:"+s.state, "--json")
	require.Equal(t, exitOK, code, errs)
	assert.Zero(t, unmarshal[processor.SurveyReport](t, out).Counts.Finished)
}

// A name that is taken in the archive is told, and nothing is replaced.
func TestArchiveCollision(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 2})
	s.drain(t)
	to := filepath.Join(t.TempDir(), "archive")
	first := filepath.Join(to, spooltest.Make(s.cfg, 0).Name)
	require.NoError(t, os.MkdirAll(filepath.Dir(first), 0o700))
	require.NoError(t, os.WriteFile(first, []byte("something else"), 0o600))
	code, out, errs := runHere(t, s.to("archive", "--to", to, "--after", "0")...)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, "1 objects could not be")
	assert.Contains(t, out, "left        1, 1 whose name is taken\nerror       archive ")
}

// What an operator's command line lacks is told as with run.
func TestMistakesOfOperators(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "--source: required, unless --claims is given"},
		{[]string{"explain", "--source", "."}, "explain: names no file"},
		{[]string{"status", "--source", ".", "x"}, `unexpected argument "x"`},
		{[]string{"status", "--sink", "stdout:"}, "flag provided but not defined: -sink"},
		{[]string{"check", "--claims", "gopher:x"}, `--claims: "gopher:x" is none of disk:PATH, memory:, redis://`},
		{[]string{"check", "--claims", "redis://:secret@h:1/0?prefix=%00"}, "--claims: "},
		{[]string{"check", "--claims", "redis://:secret@h:port"}, "--claims: malformed redis URL"},
		{[]string{"check", "--claims", "dynamodb:"}, "--claims: dynamodb: names no table"},
		{[]string{"archive", "--source", ".", "--after", "1h"}, "--to: required, unless with --delete or --forget"},
		{[]string{"archive", "--source", ".", "--forget", "1h", "--after", "1h"}, "--after: only with --to or --delete"},
		{[]string{"archive", "--source", ".", "--forget", "0"}, "--forget: 0s is below 1ms"},
		{[]string{"archive", "--source", ".", "--delete"}, "--after: required"},
		{[]string{"archive", "--delete", "--after", "1h"}, "--source: required"},
		{[]string{"archive", "--source", ".", "--delete", "--to", "x", "--after", "1h"}, "--delete: not with --to"},
		{[]string{"archive", "--source", ".", "--to", "./x", "--after", "1h"}, "--to: "},
		{[]string{"archive", "--source", "testdata", "--to", "testdata.unspool-failed", "--after", "1h"}, "--to: is the same folder as --failed"},
		{[]string{"archive", "--source", "s3://b/x", "--claims", "disk:c", "--to", "c", "--after", "1h"}, "--to: is the same folder as --claims"},
		{[]string{"archive", "--source", ".", "--to", "s3://b/x", "--after", "1h"}, "--to: s3://b/x is neither a local folder nor where --source is"},
		{[]string{"archive", "--source", ".", "--to", "ftp://b/x", "--after", "1h"}, "--to: ftp://b/x is neither"},
		{[]string{"check", "--claims", "s3://bucket"}, "--claims: s3: want s3://BUCKET/PREFIX"},
		{[]string{"check", "--claims", "disk:"}, "--claims: disk: names no folder"},
	} {
		code, out, errs := runHere(t, c.args...)
		assert.Equal(t, exitUsage, code, c.args)
		assert.Empty(t, out)
		assert.Contains(t, errs, "unspool: "+c.want)
		assert.Contains(t, errs, `unspool: see "unspool `+c.args[0]+` --help"`)
		assert.NotContains(t, errs, "secret")
	}
	code, _, errs := runHere(t, "status", "--claims", "memory:")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errs, "gone with the process")
}
