package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// mostMemory is what the command may need at most, whatever the input: the
// library's MaxInFlightBytes and 64 MB.
const mostMemory = 256<<20 + 64<<20

// Show 5: a sink that throttles, fails entries, cuts connections and goes away
// for a while. Nothing of that is a record's fault: all is delivered, once, and
// nothing goes to the retry destination.
func TestSinkInTrouble(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: scale(700, 40_000), OddEvery: 10, CorruptEvery: 100})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	inject := sqstest.Faults{
		Seed: 1, Throttle: 0.1, Unavailable: 0.05, Cut: 0.05, FailEntries: 0.1, Delay: 5 * time.Millisecond,
	}.Injector()
	var calls atomic.Int64
	q.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Entries > 0 && calls.Add(1) == 10 {
			q.Outage(scale(time.Second, 20*time.Second))
		}
		return inject(c)
	})
	c := startChild(t, q.env(), s.args(q, "--target-bytes", "1024")...)
	require.Equal(t, exitOK, c.wait(), c.stderr.String())
	r := summaryOf(t, c.stdout.Bytes())
	assert.EqualValues(t, len(s.want.Delivered), r.Delivered)
	assert.EqualValues(t, s.want.CorruptRecords(), r.CorruptionErrors)
	assert.Zero(t, r.RetryErrors+r.FailedErrors)
	assert.NotZero(t, r.Resent)
	assert.GreaterOrEqual(t, r.RuntimeMs, int64(scale(1_000, 20_000)))
	q.requireAll(t, s.want.Delivered, 1)
	assert.NoDirExists(t, s.state+"-retry")
	assert.Less(t, c.peakMemory(t), int64(mostMemory))
}

// A response that is lost after the messages were accepted is the one thing that
// makes duplicates: no more than what those calls held.
func TestResponsesLost(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: scale(400, 10_000)})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	var calls, lost atomic.Int64
	q.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Entries > 0 && calls.Add(1)%5 == 0 {
			lost.Add(int64(c.Entries))
			return sqstest.Fault{LoseResponse: true}
		}
		return sqstest.Fault{}
	})
	c := startChild(t, q.env(), s.args(q, "--pack", "single")...)
	require.Equal(t, exitOK, c.wait(), c.stderr.String())
	r := summaryOf(t, c.stdout.Bytes())
	assert.EqualValues(t, len(s.want.Delivered), r.Delivered)
	q.requireAll(t, s.want.Delivered, 0)
	assert.NotZero(t, lost.Load())
	assert.LessOrEqual(t, int64(q.duplicates()), lost.Load())
}

// Entries that the queue refuses for good do not hold up the others: they are
// in the failed destination.
func TestPoison(t *testing.T) {
	s := newSpool(t, spooltest.Config{Files: 200})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	q.setenv(t)
	var calls atomic.Int64
	q.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Entries > 0 && calls.Add(1) == 3 {
			return sqstest.Fault{Entries: map[int]string{0: "InvalidMessageContents"}}
		}
		return sqstest.Fault{}
	})
	code, out, errs := runHere(t, s.args(q, "--pack", "single", "--concurrency", "1")...)
	require.Equal(t, exitOK, code, errs)
	r := summaryOf(t, []byte(out))
	assert.EqualValues(t, 199, r.Delivered)
	assert.EqualValues(t, 1, r.FailedErrors+r.CorruptionErrors)
	bad := append(envelopes(t, s.state+"-failed"), envelopes(t, s.state+"-corruption")...)
	require.Len(t, bad, 1)
	assert.NotEmpty(t, bad[0].Reason)
}

// A destination that cannot be written is told, finishes no object that needs
// it, and loses nothing: with room again, the next run does the rest.
func TestDestinationFull(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: 400, CorruptEvery: 2})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	small := filepath.Join(t.TempDir(), "small")
	require.NoError(t, os.Mkdir(small, 0o755))
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount a small tmpfs, to be run as root: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(small, syscall.MNT_DETACH)) })
	args := s.args(q, "--corruption", filepath.Join(small, "corruption"), "--retry", filepath.Join(small, "retry"),
		"--failed", filepath.Join(small, "failed"), "--max-time")

	counted, told := int64(0), false
	for range 10 { // in three seconds a machine without time may not come to writing
		c := startChild(t, q.env(), append(args, "3s")...)
		code := c.wait()
		first := summaryOf(t, c.stdout.Bytes())
		require.Contains(t, []int{exitFailed, exitStopped}, code, "%s\n%+v", c.stderr.String(), first)
		counted += first.CorruptionErrors
		if told = strings.Contains(c.stderr.String()+c.stdout.String(), "no space left"); told {
			assert.NotEmpty(t, first.Errors)
			break
		}
	}
	assert.True(t, told, "it says that there is no space left")
	written := len(envelopes(t, filepath.Join(small, "corruption")))
	assert.EqualValues(t, written, counted, "what counts as corrupt is there")
	assert.Less(t, written, s.want.CorruptRecords())

	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
	c := startChild(t, q.env(), append(args, "5m")...)
	require.Equal(t, exitOK, c.wait(), c.stderr.String())
	summaryOf(t, c.stdout.Bytes())
	q.requireAll(t, s.want.Delivered, 0)
	got := byObject(envelopes(t, filepath.Join(small, "corruption")))
	for name, n := range s.want.Corrupt {
		require.GreaterOrEqual(t, got[name], n, name)
	}
}

// A deadline in the middle of one large file: it returns in time, the rest is
// done by the next runs, and every record counts as delivered exactly once. What
// comes twice is at most what was being sent when the time was up. Memory does
// not grow with the file.
func TestDeadlineInALargeFile(t *testing.T) {
	waits(t)
	folder := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.Mkdir(folder, 0o755))
	file, err := os.Create(filepath.Join(folder, "large.ndjson"))
	require.NoError(t, err)
	out := bufio.NewWriterSize(file, 1<<20)
	records, err := spooltest.WriteLines(out, 1, scale[int64](8<<20, 1<<30))
	require.NoError(t, err)
	require.NoError(t, out.Flush())
	require.NoError(t, file.Close())

	s := spool{folder: folder, state: folder + ".unspool"}
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	const workers, messageBytes, maxTime = 2, 4096, 3 * time.Second
	machine := watchStalls(t)
	var delivered, loaded int64
	for n := 0; ; n++ {
		args := s.args(q, "--concurrency", strconv.Itoa(workers), "--target-bytes", strconv.Itoa(messageBytes))
		if n < 2 {
			args = append(args, "--max-time", maxTime.String(), "--deadline-reduction", "1s", "--rate", strconv.Itoa(records/5))
		}
		start := time.Now()
		c := startChild(t, q.env(), args...)
		code := c.wait()
		r := summaryOf(t, c.stdout.Bytes())
		delivered += r.Delivered
		loaded += r.Loaded
		assert.Less(t, c.peakMemory(t), int64(mostMemory))
		t.Logf("run %d: %s, %d records in %d ms, %d given back, peak memory %d MiB", n+1, r.Status, r.Delivered, r.RuntimeMs, r.Returned, c.peakMemory(t)>>20)
		if n == 2 {
			require.Equal(t, exitOK, code, c.stderr.String())
			break
		}
		require.Equal(t, exitStopped, code, c.stderr.String())
		assert.Equal(t, processor.StatusStopped, r.Status)
		assert.Less(t, time.Duration(r.RuntimeMs)*time.Millisecond, maxTime+machine.allow())
		assert.Less(t, time.Since(start), maxTime+10*time.Second+machine.allow(), "with starting and ending")
		if machine.allow() < time.Second { // else it may have had no time to send anything
			assert.NotZero(t, r.Delivered)
		}
	}
	assert.EqualValues(t, records, delivered)
	assert.Equal(t, delivered, loaded)
	want := make([]int64, records)
	for i := range want {
		want[i] = spooltest.FirstID + int64(i) + 1
	}
	q.requireAll(t, want, 2)
	const senders, messagesOfACall, leastRecord = workers + 2, 10, 100
	assert.LessOrEqual(t, q.duplicates(), 2*senders*messagesOfACall*messageBytes/leastRecord)
	t.Logf("%d deliveries again", q.duplicates())
}
