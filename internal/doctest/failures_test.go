package doctest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// failures makes happen what each line of the README's table of failures says,
// by the text of its first cell.
var failures = map[string]func(*testing.T, scene){
	"a file is broken":                      aFileIsBroken,
	"a record is larger than a message":     aRecordIsTooLarge,
	"your transform fails or panics":        aTransformFails,
	"SQS throttles, or is away":             theQueueIsAway,
	"the queue does not exist":              thereIsNoQueue,
	"the process is killed":                 theProcessIsKilled,
	"the deadline comes first":              theDeadlineComesFirst,
	"a second process uses the same claims": aSecondProcess,
	"a destination cannot be written":       aDestinationCannotBeWritten,
	"a file vanishes before it is read":     aFileVanishes,
	"the configuration is wrong":            theConfigurationIsWrong,
}

func TestFailuresOfREADME(t *testing.T) {
	var told []string
	for _, row := range table(t, read(t, "README.md"), "When something fails") {
		require.Len(t, row, 3, "%s", row)
		told = append(told, row[0])
		t.Run(row[0], func(t *testing.T) {
			happen, ok := failures[row[0]]
			require.True(t, ok, "the README tells of a failure that no test makes happen")
			happen(t, newScene(t))
		})
	}
	for name := range failures {
		assert.Contains(t, told, name, "a failure that the README does not tell of")
	}
}

func aFileIsBroken(t *testing.T, s scene) {
	s.put(t, "1.json", "// a comment\n"+`{"id":1}`)
	s.put(t, "2.json", `{"id":2}`+"\n"+`{"id":3 "x"}`+"\n"+`{"id":4}`)
	s.put(t, "3.json", `{"id":5,"text":"cut o`)

	report, err := s.drain(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, report.Status)
	assert.Equal(t, []int64{1, 2, 4}, s.ids(t))
	assert.EqualValues(t, 2, report.CorruptionErrors)
	assert.EqualValues(t, 3, report.Finished)
	for _, a := range s.setAside(t, "corrupt") {
		assert.Contains(t, []string{"2.json", "3.json"}, a.Object)
		assert.NotEmpty(t, a.Reason)
	}
}

func aRecordIsTooLarge(t *testing.T, s scene) {
	s.put(t, "1.json", `{"id":1}`+"\n"+`{"id":2,"user":{"screen_name":"`+strings.Repeat("x", 2<<20)+`"}}`+"\n"+`{"id":3}`)

	report, err := s.drain(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 3}, s.ids(t))
	assert.EqualValues(t, 1, report.CorruptionErrors)
	put := s.setAside(t, "corrupt")
	require.Len(t, put, 1)
	assert.Contains(t, put[0].Reason, "1048576", "the reason names the limit")
}

func aTransformFails(t *testing.T, s scene) {
	s.put(t, "1.json", `{"id":1}`+"\n"+`{"id":2}`+"\n"+`{"id":3}`)
	fails := func(cfg *processor.Config) {
		cfg.MaxRetries, cfg.RetryDelay = 2, time.Millisecond
		cfg.Transform = transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			switch {
			case strings.Contains(string(rec.Data), "2"):
				return errors.New("no luck today")
			case strings.Contains(string(rec.Data), "3"):
				panic("oops")
			}
			out.Emit(rec.Data)
			return nil
		})
	}
	failed := int64(0)
	for range 100 { // "by this run or the next": as the delays allow
		report, err := s.drain(t.Context(), fails)
		require.NoError(t, err)
		if failed += report.FailedErrors; failed == 2 {
			break
		}
	}
	assert.Equal(t, []int64{1}, s.ids(t))
	assert.EqualValues(t, 2, failed)
	put := s.setAside(t, "failed")
	require.Len(t, put, 2)
	reasons := put[0].Reason + put[1].Reason
	assert.Contains(t, reasons, "no luck today")
	assert.Contains(t, reasons, "panic")
	assert.Empty(t, s.setAside(t, "retry"))
}

func theQueueIsAway(t *testing.T, s scene) {
	s.put(t, "1.json", `{"id":1}`)

	const limit = 30 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s.Outage(time.Hour)
	report, err := s.drain(ctx, func(cfg *processor.Config) {
		cfg.DeadlineReduction = limit - time.Second // however slow the machine, it has time to give everything back
	})
	require.NoError(t, err)
	assert.Equal(t, processor.StatusStopped, report.Status)
	assert.Zero(t, report.RetryErrors+report.FailedErrors+report.CorruptionErrors)
	assert.Empty(t, s.setAside(t, "retry"))

	s.Outage(0)
	s.Inject(sqstest.Faults{Max: 4, Throttle: 1}.Injector())
	report, err = s.drain(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, report.Status)
	assert.Equal(t, []int64{1}, s.ids(t))
}

func thereIsNoQueue(t *testing.T, s scene) {
	s.put(t, "1.json", `{"id":1}`)
	s.queue.name = "another"

	report, err := s.drain(t.Context(), nil)
	require.ErrorContains(t, err, "another")
	if report != nil {
		assert.Equal(t, processor.StatusError, report.Status)
		assert.Zero(t, report.Finished)
	}
	s.queue.name = "jobs"
	_, err = s.drain(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []int64{1}, s.ids(t), "nothing was lost")
}

// drainFolder makes the test's program drain this folder and end, instead of
// testing: it is the process that is killed.
const drainFolder = "UNSPOOL_DOCTEST_DRAIN"

func TestMain(m *testing.M) {
	if folder := os.Getenv(drainFolder); folder != "" {
		_, err := drain(context.Background(), folder, os.Getenv("AWS_ENDPOINT_URL_SQS"), "jobs", smallMessages)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func smallMessages(cfg *processor.Config) { cfg.Pack.TargetBytes = 1 << 10 }

func theProcessIsKilled(t *testing.T, s scene) {
	want, err := spooltest.Write(s.path("spool"), spooltest.Config{Files: 500})
	require.NoError(t, err)

	self, err := os.Executable()
	require.NoError(t, err)
	victim := exec.CommandContext(t.Context(), self)
	victim.Env = append(append(os.Environ(), s.environment()...), drainFolder+"="+s.folder)
	var calls atomic.Int32
	started := make(chan struct{})
	s.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Operation == "SendMessageBatch" && calls.Add(1) == 5 {
			<-started
			assert.NoError(t, victim.Process.Kill())
		}
		return sqstest.Fault{}
	})
	require.NoError(t, victim.Start())
	close(started)
	require.Error(t, victim.Wait())
	s.Inject(nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.WaitHangup(ctx), "what it had sent has arrived")
	before := len(s.ids(t))
	require.Positive(t, before, "it was killed in the middle")

	report, err := s.drain(t.Context(), smallMessages)
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, report.Status)
	ids := s.ids(t)
	assert.LessOrEqual(t, len(ids)-len(want.Delivered), before, "only what was sent before may come again")
	assert.Equal(t, want.Delivered, slices.Compact(ids), "nothing is lost")
}

// Time is that of a bubble, for which the queue is one in memory: how long work may
// take after the deadline began to press is part of what is promised.
func theDeadlineComesFirst(t *testing.T, s scene) {
	want, err := spooltest.Write(s.path("spool"), spooltest.Config{Files: 500})
	require.NoError(t, err)

	synctest.Test(t, func(t *testing.T) {
		queue := sinkmemory.New(sinkmemory.Config{Limits: sinkmemory.SQSLimits()})
		intoMemory := func(cfg *processor.Config) {
			cfg.Sink = queue
			smallMessages(cfg)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err := s.drain(ctx, func(cfg *processor.Config) {
			cfg.Rate.Records = 100
			intoMemory(cfg)
		})
		require.NoError(t, err)
		require.NoError(t, ctx.Err(), "it returns before the deadline")
		assert.Equal(t, processor.StatusStopped, report.Status)
		assert.Less(t, report.Finished, int64(500))

		report, err = s.drain(t.Context(), intoMemory)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, report.Status)
		assert.Equal(t, want.Delivered, idsOf(t, queue.Messages()), "everything once, over both runs")
	})
}

func aSecondProcess(t *testing.T, s scene) {
	first, err := disk.Open(s.path("claims"), disk.Config{})
	require.NoError(t, err)
	defer first.Close()
	_, err = s.drain(t.Context(), nil)
	require.ErrorIs(t, err, disk.ErrLocked)
}

func aDestinationCannotBeWritten(t *testing.T, s scene) {
	s.put(t, "1.json", `{"id":1}`)
	s.put(t, "2.json", `{"id":`)
	require.NoError(t, os.WriteFile(s.path("corrupt"), []byte("in the way"), 0o600))

	synctest.Test(t, func(t *testing.T) {
		queue := sinkmemory.New(sinkmemory.Config{Limits: sinkmemory.SQSLimits()})
		intoMemory := func(cfg *processor.Config) { cfg.Sink = queue }
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		report, err := s.drain(ctx, intoMemory)
		require.Error(t, err)
		assert.Equal(t, processor.StatusError, report.Status)
		assert.Contains(t, strings.Join(report.Errors, "\n"), "corrupt")

		require.NoError(t, os.Remove(s.path("corrupt")))
		report, err = s.drain(t.Context(), intoMemory)
		require.NoError(t, err)
		assert.Equal(t, processor.StatusOK, report.Status)
		assert.Equal(t, []int64{1}, idsOf(t, queue.Messages()))
		assert.Len(t, s.setAside(t, "corrupt"), 1)
	})
}

func aFileVanishes(t *testing.T, s scene) {
	s.put(t, "1.json", `{"id":1}`)
	s.put(t, "2.json", `{"id":2}`)
	report, err := s.drain(t.Context(), func(cfg *processor.Config) {
		cfg.Source = vanishing{cfg.Source, s.path("spool/2.json")}
	})
	require.NoError(t, err)
	assert.Equal(t, processor.StatusOK, report.Status)
	assert.EqualValues(t, 1, report.Vanished)
	assert.Equal(t, []int64{1}, s.ids(t))
}

func theConfigurationIsWrong(t *testing.T, _ scene) {
	_, err := processor.New(processor.Config{
		Sink: sink.Sink(nil), RetryURL: "retry", CorruptionURL: "nowhere://x", Lease: -time.Second,
	})
	require.Error(t, err)
	for _, field := range []string{"Sink", "FailedURL", "CorruptionURL", "Lease"} {
		assert.ErrorContains(t, err, field)
	}
}
