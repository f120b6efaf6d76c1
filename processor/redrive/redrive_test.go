package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/destination"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
)

// What matches goes to the target; the rest of its file stays, and files without a
// match are not touched.
func TestWhatMatchesIsReplayedAndRemoved(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	put(t, at, "a/x.json", record("a/x.json", 1), record("a/x.json", 2))
	put(t, at, "a/y.json", record("a/y.json", 3), record("a/y.json", 5))
	put(t, at, "b.json", record("b.json", 4))
	to := &target{batch: 10}
	report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to, Where: redrive.Filter{Reason: "timed"}})
	require.NoError(t, err)
	assert.Equal(t, dataOf(1, 3, 5), to.data())
	files, left := contents(t, at)
	assert.Equal(t, dataOf(2, 4), left)
	assert.Equal(t, 2, files)
	assert.EqualValues(t, 5, report.Seen)
	assert.EqualValues(t, 3, report.Matched)
	assert.EqualValues(t, 3, report.Replayed)
	assert.Equal(t, map[string]int64{"timed out": 3}, report.Reasons)
}

// Each part of a filter chooses by what it says.
func TestFilter(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	odd := record("b/y.json", 3)
	odd.Class = "corrupt"
	put(t, at, "a/x.json", record("a/x.json", 1), record("a/x.json", 2))
	put(t, at, "b/y.json", odd, record("b/y.json", 4))
	id := processor.RecordID(source.Object{Key: "a/x.json", Version: "v"}, 2, 0)
	for name, c := range map[string]struct {
		where redrive.Filter
		want  []string
	}{
		"all":     {redrive.Filter{}, dataOf(1, 2, 3, 4)},
		"reason":  {redrive.Filter{Reason: "throttled"}, dataOf(2, 4)},
		"class":   {redrive.Filter{Class: "corrupt"}, dataOf(3)},
		"object":  {redrive.Filter{Object: "a/"}, dataOf(1, 2)},
		"since":   {redrive.Filter{Since: noon.Add(3 * time.Minute)}, dataOf(3, 4)},
		"before":  {redrive.Filter{Before: noon.Add(3 * time.Minute)}, dataOf(1, 2)},
		"field":   {redrive.Filter{Fields: []redrive.Field{{Path: "odd", Value: "true"}}}, dataOf(1, 3)},
		"fields":  {redrive.Filter{Fields: []redrive.Field{{Path: "odd", Value: "true"}, {Path: "id", Value: "3"}}}, dataOf(3)},
		"no such": {redrive.Filter{Fields: []redrive.Field{{Path: "no", Value: ""}}}, nil},
		"record":  {redrive.Filter{Record: id}, dataOf(2)},
		"several": {redrive.Filter{Reason: "throttled", Object: "b/"}, dataOf(4)},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), Where: c.where, DryRun: true, Examples: 10})
			require.NoError(t, err)
			var got []string
			for _, e := range report.Examples {
				got = append(got, e.Data)
			}
			slices.Sort(got)
			assert.Equal(t, c.want, got)
		})
	}
	_, left := contents(t, at)
	assert.Equal(t, dataOf(1, 2, 3, 4), left, "a dry run changes nothing")
}

// A dry run counts all, by reason, and shows the first.
func TestDryRun(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	var envs []destination.Envelope
	for n := range 100 {
		env := record("a", n)
		env.Reason = fmt.Sprint("reason ", n)
		envs = append(envs, env)
	}
	put(t, at, "a", envs...)
	report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), DryRun: true})
	require.NoError(t, err)
	assert.EqualValues(t, 100, report.Matched)
	assert.Zero(t, report.Replayed)
	assert.Len(t, report.Reasons, 51)
	assert.EqualValues(t, 50, report.Reasons[redrive.OtherReasons])
	require.Len(t, report.Examples, 5)
	assert.Equal(t, processor.RecordID(source.Object{Key: "a", Version: "v"}, 1, 0), report.Examples[1].RecordID)

	report, err = redrive.Run(t.Context(), redrive.Config{From: place(t, at), DryRun: true, Limit: 3, Examples: -1})
	require.NoError(t, err)
	assert.EqualValues(t, 3, report.Matched)
	assert.Empty(t, report.Examples)
}

// Tickets stand for objects, and what cannot be taken stays: both where they were.
func TestTicketsAndRefusedLettersStay(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	ticket := record("a", 1)
	ticket.Stage, ticket.Data = "ticket", nil
	put(t, at, "a", ticket, record("a", 2), record("a", 3))
	to := &target{answer: func(data string) error {
		if data == dataOf(3)[0] {
			return errRefused
		}
		return nil
	}}
	report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Tickets)
	assert.EqualValues(t, 1, report.Refused)
	assert.EqualValues(t, 1, report.Replayed)
	require.Len(t, report.Errors, 1)
	assert.Contains(t, report.Errors[0], "too ugly")
	_, left := contents(t, at)
	assert.Equal(t, append([]string{""}, dataOf(3)...), left)
}

// A target that is away is tried again, for a time; nothing is removed before it has
// taken it, and what it took is.
func TestATargetThatIsAway(t *testing.T) {
	away := fault.Interrupted(errors.New("away"))
	for _, c := range []struct {
		name   string
		until  time.Duration
		want   []string
		failed bool
	}{{"for a minute", time.Minute, dataOf(1, 2, 3), false}, {"for good", time.Hour, dataOf(1), true}} {
		t.Run(c.name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "failed")
			put(t, at, "a", record("a", 1), record("a", 2), record("a", 3))
			synctest.Test(t, func(t *testing.T) {
				back := time.Now().Add(c.until)
				to := &target{answer: func(data string) error {
					if data != dataOf(1)[0] && time.Now().Before(back) {
						return away
					}
					return nil
				}}
				report, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to, MaxOutage: 2 * time.Minute})
				assert.Equal(t, c.failed, errors.Is(err, away), err)
				assert.Equal(t, c.want, to.data())
				assert.EqualValues(t, len(c.want), report.Replayed)
			})
			_, left := contents(t, at)
			assert.Len(t, left, 3-len(c.want))
		})
	}
}

// A target that will take nothing ends it at once, with everything where it was.
func TestATargetThatIsHopeless(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	put(t, at, "a", record("a", 1), record("a", 2))
	hopeless := fault.Fatal(errors.New("no such queue"))
	to := &target{answer: func(string) error { return hopeless }}
	_, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to})
	require.ErrorIs(t, err, hopeless)
	assert.Len(t, to.calls, 1)
	_, left := contents(t, at)
	assert.Equal(t, dataOf(1, 2), left)
}

// Rate bounds how many are replayed in a second.
func TestRate(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	var envs []destination.Envelope
	for n := range 101 {
		envs = append(envs, record("a", n))
	}
	put(t, at, "a", envs...)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		to := &target{batch: 7}
		_, err := redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to, Rate: 10})
		require.NoError(t, err)
		assert.Len(t, to.took, 101)
		assert.InDelta(t, 9.1, time.Since(start).Seconds(), 0.01, "ten at once, and ten a second then")
	})
}

// Whoever is stopped has removed what was replayed, and nothing else.
func TestStopped(t *testing.T) {
	at := filepath.Join(t.TempDir(), "failed")
	put(t, at, "a", record("a", 1), record("a", 2), record("a", 3))
	ctx, cancel := context.WithCancel(t.Context())
	to := &target{answer: func(data string) error {
		if data == dataOf(2)[0] {
			cancel()
		}
		return nil
	}}
	report, err := redrive.Run(ctx, redrive.Config{From: place(t, at), To: to})
	require.ErrorIs(t, err, context.Canceled)
	assert.EqualValues(t, 2, report.Replayed)
	_, left := contents(t, at)
	assert.Equal(t, dataOf(3), left)
}

// Lines without an envelope are plain records, and stay so.
func TestPlainLines(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "retry")
	require.NoError(t, os.MkdirAll(at, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(at, "numbers.txt"), []byte("1\n2\n"), 0o600))
	to, err := redrive.ToRetry(filepath.Join(dir, "again"))
	require.NoError(t, err)
	_, err = redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to, Limit: 1})
	require.NoError(t, err)
	_, left := contents(t, at)
	assert.Equal(t, []string{"2"}, left)
	_, moved := contents(t, filepath.Join(dir, "again"))
	assert.Equal(t, []string{"1"}, moved)
}

// A file that cannot be read to its end is left as it is, and does not hold up the
// others.
func TestUnreadableFilesStay(t *testing.T) {
	bad, good := &fakeBundle{letters: []redrive.Letter{{ID: "1"}}, torn: errTorn}, &fakeBundle{letters: []redrive.Letter{{ID: "2", Data: []byte("2")}}}
	to := &target{}
	report, err := redrive.Run(t.Context(), redrive.Config{From: fakeBox{bad, good}, To: to})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Unreadable)
	assert.Equal(t, []string{"2"}, to.data())
	assert.True(t, bad.left)
	assert.True(t, good.settled)
}

// If a letter cannot be kept nothing of its bundle is removed.
func TestNothingIsRemovedThatCannotBeKept(t *testing.T) {
	full := errors.New("disk is full")
	b := &fakeBundle{letters: []redrive.Letter{{ID: "1", Data: []byte("1")}, {ID: "2", Data: []byte("2")}}, keepErr: full}
	to := &target{answer: func(data string) error {
		if data == "2" {
			return errRefused
		}
		return nil
	}}
	_, err := redrive.Run(t.Context(), redrive.Config{From: fakeBox{b}, To: to})
	require.ErrorIs(t, err, full)
	assert.False(t, b.settled)
	assert.True(t, b.left)
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	_, err := redrive.Run(t.Context(), redrive.Config{Rate: -1, Limit: -1, MaxOutage: -1})
	for _, field := range []string{"From", "To", "Rate", "Limit", "MaxOutage"} {
		require.ErrorContains(t, err, "Config."+field+": ")
	}
	to, err := redrive.ToRetry(filepath.Join(dir, "retry", "below"))
	require.NoError(t, err)
	_, err = redrive.Run(t.Context(), redrive.Config{From: place(t, filepath.Join(dir, "retry")), To: to})
	require.ErrorContains(t, err, "Config.To: lies in From")
	_, err = redrive.ToSink(nil, "zip")
	require.ErrorContains(t, err, "no sink")
	require.ErrorContains(t, err, `"zip"`)
	_, err = redrive.NewPlace("gopher://x/y")
	require.Error(t, err)
	_, err = redrive.ToRetry("")
	require.Error(t, err)
}

// Whatever the filter, the faults of the target and the moments at which the process
// dies: a letter is in the target or where it was, those that do not match are there
// exactly once, and in the end everything that matches was taken.
func TestNothingIsLost(t *testing.T) {
	runs := uint64(300)
	if testtool.Brief() {
		runs = 15
	}
	for seed := range runs {
		rnd := rand.New(rand.NewPCG(seed, 0))
		among := func(least, most int) int { return least + rnd.IntN(most-least+1) }
		at := filepath.Join(t.TempDir(), "failed")
		n := 0
		for range among(1, 4) {
			var envs []destination.Envelope
			for range among(1, 6) {
				envs = append(envs, record("a", n))
				n++
			}
			put(t, at, "a", envs...)
		}
		to := &target{batch: among(1, 4)}
		odd := redrive.Config{To: to, Where: redrive.Filter{Reason: "timed"}}
		for range among(0, 5) {
			dying := odd
			dying.From = place(t, at)
			runAndDie(t, dying, to, among(1, 8))
			_, left := contents(t, at)
			for i := range n {
				data := dataOf(i)[0]
				if i%2 == 1 {
					require.True(t, to.took[data] > 0 || slices.Contains(left, data), "seed %d: %s is lost", seed, data)
				} else {
					require.Equal(t, 1, count(left, data), "seed %d", seed)
				}
			}
		}
		to.answer = nil
		odd.From = place(t, at)
		_, err := redrive.Run(t.Context(), odd)
		require.NoError(t, err)
		_, left := contents(t, at)
		for i := range n {
			data := dataOf(i)[0]
			require.Equal(t, i%2 == 1, to.took[data] > 0, "seed %d", seed)
			require.Equal(t, (i+1)%2, count(left, data), "seed %d", seed)
		}
	}
}

// runAndDie runs until the target was asked about a number of letters, and then ends
// as a process that dies: nothing of it is tidied up.
func runAndDie(t *testing.T, cfg redrive.Config, to *target, after int) {
	t.Helper()
	crash := errors.New("crash")
	to.answer = func(string) error {
		if after--; after == 0 {
			panic(crash)
		}
		return nil
	}
	defer func() {
		if v := recover(); v != nil && v != any(crash) {
			panic(v)
		}
	}()
	_, err := redrive.Run(t.Context(), cfg)
	require.NoError(t, err)
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// In the retry destination records begin anew: nothing but the attempts is forgotten.
func TestToRetry(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "failed"), "a", record("a", 1))
	to, err := redrive.ToRetry(filepath.Join(dir, "retry"))
	require.NoError(t, err)
	_, err = redrive.Run(t.Context(), redrive.Config{From: place(t, filepath.Join(dir, "failed")), To: to})
	require.NoError(t, err)
	want := record("a", 1)
	want.Attempt = 0
	for b, err := range place(t, filepath.Join(dir, "retry")).Bundles(t.Context()) {
		require.NoError(t, err)
		for l, err := range b.Letters(t.Context()) {
			require.NoError(t, err)
			got := destination.Envelope{
				Object: l.Object, Version: l.Version, Offset: l.Offset, Attempt: l.Attempt, Class: l.Class, Reason: l.Reason, Time: l.Time, Data: l.Data,
			}
			assert.Equal(t, want, got)
		}
	}
	files, _ := contents(t, filepath.Join(dir, "retry"))
	assert.Equal(t, 1, files)
}

// Records become messages of their own, in the packing that consumers know.
func TestToSink(t *testing.T) {
	for as, want := range map[redrive.Packing]string{"": `[{"id":1,"odd":true}]`, redrive.PackLines: "{\"id\":1,\"odd\":true}\n", redrive.PackSingle: `{"id":1,"odd":true}`} {
		at := filepath.Join(t.TempDir(), "failed")
		put(t, at, "a", record("a", 1))
		queue := memory.New(memory.Config{})
		to, err := redrive.ToSink(queue, as)
		require.NoError(t, err)
		_, err = redrive.Run(t.Context(), redrive.Config{From: place(t, at), To: to})
		require.NoError(t, err)
		messages := queue.Messages()
		require.Len(t, messages, 1)
		assert.Equal(t, want, string(messages[0].Body))
	}
}
