package main

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// Show 3: kill -9 at random moments, then a last run. No record is lost. What
// comes twice is only what was sent shortly before a kill and not yet durably
// finished. With --per-object it comes in messages that are the same to the byte,
// under the same ids: on a FIFO queue, which knows them by their ids, nothing
// comes twice.
func TestKilled(t *testing.T) {
	waits(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	machine := watchStalls(t)
	target := scale("4096", "16384") // many messages, of which some are there when it is killed
	all := newSpool(t, spooltest.Config{Files: scale(800, 60_000), Seed: seed, OddEvery: 10})
	for i, c := range []struct {
		name, queue string
		args        []string
	}{
		{"across objects", "feeds", nil},
		{"per object", "feeds", []string{"--per-object"}},
		{"per object to a FIFO queue", "feeds.fifo", []string{"--per-object"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			waits(t)
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			s := all.anew(t)
			q := startQueue(t, c.queue, sqstest.QueueConfig{})
			args := append(s.args(q, "--target-bytes", target, "--linger", "20ms", "--rate", scale("150", "3000")), c.args...)

			var kills []time.Time
			ended := false // before it was killed: there was nothing left to do
			for range scale(2, 20) {
				if ended {
					break
				}
				child := startChild(t, q.env(), args...)
				select {
				case <-q.arrived:
				case <-child.done: // there was nothing left to send
				}
				select {
				case <-time.After(time.Duration(r.Int64N(int64(scale(500*time.Millisecond, 1500*time.Millisecond))))):
				case <-child.done:
					require.NotEmpty(t, kills, "it ended before it was killed once: %s", child.stderr.String())
					ended = true
					continue
				}
				child.signal(t, os.Kill)
				child.wait()
				hungUp, cancel := context.WithTimeout(t.Context(), time.Minute)
				require.NoError(t, q.WaitHangup(hungUp)) // what it had sent has arrived
				cancel()
				kills = append(kills, time.Now())
				drainToken(q)
			}
			last := startChild(t, q.env(), s.args(q, append(c.args, "--target-bytes", target)...)...)
			require.Equal(t, exitOK, last.wait(), last.stderr.String())
			summaryOf(t, last.stdout.Bytes())

			q.requireAll(t, s.want.Delivered, 0)
			assert.Empty(t, envelopes(t, s.state+"-retry"))
			assert.Empty(t, envelopes(t, s.state+"-failed"))
			// MaxUnconfirmed is 250 ms by default; the rest is for writing the
			// completion down on a busy machine.
			window := 250*time.Millisecond + time.Second + machine.allow()
			oldest, mixed := time.Duration(0), 0
			for _, d := range q.got() {
				if d.times > 1 {
					oldest = max(oldest, untilNext(kills, d.first))
				}
				if d.mixed {
					mixed++
				}
			}
			t.Logf("%d records, %d kills, %d deliveries again, of what was sent up to %v before a kill (at most %v)",
				len(s.want.Delivered), len(kills), q.duplicates(), oldest, window)
			assert.LessOrEqual(t, oldest, window)
			if len(c.args) > 0 {
				assert.Zero(t, mixed, "records that came again in another message")
			}
			if c.queue == "feeds.fifo" {
				assert.Zero(t, q.duplicates())
			}
		})
	}
}

// drainToken forgets the messages that have arrived.
func drainToken(q *queue) {
	select {
	case <-q.arrived:
	default:
	}
}

// untilNext returns the time from at to the first kill after it, or as good as
// for ever if there was none.
func untilNext(kills []time.Time, at time.Time) time.Duration {
	for _, k := range kills {
		if d := k.Sub(at); d >= 0 {
			return d
		}
	}
	return math.MaxInt64
}

// The first signal drains: what is in flight is sent and noted, the rest given
// back, and nothing comes twice.
func TestSignalDrains(t *testing.T) {
	waits(t)
	all := newSpool(t, spooltest.Config{Files: scale(900, 1500), OddEvery: 10})
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			waits(t)
			s := all.anew(t)
			q := startQueue(t, "feeds", sqstest.QueueConfig{})
			args := s.args(q, "--target-bytes", "2048")
			c := startChild(t, q.env(), append(args, "--rate", "150")...) // for six seconds or more
			<-q.arrived
			c.signal(t, sig)
			require.Equal(t, exitStopped, c.wait(), c.stderr.String())
			assert.Contains(t, c.stderr.String(), "stopping")
			first := summaryOf(t, c.stdout.Bytes())
			assert.Equal(t, processor.StatusStopped, first.Status)
			assert.Less(t, first.Delivered, int64(len(s.want.Delivered)))

			next := startChild(t, q.env(), args...)
			require.Equal(t, exitOK, next.wait(), next.stderr.String())
			second := summaryOf(t, next.stdout.Bytes())
			assert.EqualValues(t, len(s.want.Delivered), first.Delivered+second.Delivered)
			q.requireAll(t, s.want.Delivered, 1)
		})
	}
}

// The second signal stops at once, whatever hangs. The first one come twice, as
// timeout(1) sends it, is not the second.
func TestSecondSignalStops(t *testing.T) {
	waits(t)
	s := newSpool(t, spooltest.Config{Files: 20})
	q := startQueue(t, "feeds", sqstest.QueueConfig{})
	called := make(chan struct{}, 1000)
	q.Inject(func(c *sqstest.Call) sqstest.Fault {
		if c.Entries == 0 {
			return sqstest.Fault{}
		}
		called <- struct{}{}
		return sqstest.Fault{Delay: time.Hour}
	})
	var took time.Duration
	for range 10 { // what comes late, on a machine without time, is another signal
		c := startChild(t, q.env(), s.args(q, "--deadline-reduction", "1h")...)
		<-called
		c.signal(t, os.Interrupt)
		require.Eventually(t, func() bool { return strings.Contains(c.stderr.String(), "stopping") }, time.Minute, time.Millisecond)
		start := time.Now()
		c.signal(t, os.Interrupt)
		another := time.AfterFunc(2*sameSignal, func() { _ = c.cmd.Process.Signal(os.Interrupt) }) // it may have ended
		assert.Equal(t, exitStopped, c.wait())
		another.Stop()
		took = time.Since(start)
		assert.Less(t, took, time.Minute, "the deadline reduction is an hour")
		assert.Empty(t, c.stdout.String())
		if took >= 2*sameSignal {
			break
		}
		for len(called) > 0 {
			<-called
		}
	}
	assert.GreaterOrEqual(t, took, 2*sameSignal, "the first signal, doubled")
}
