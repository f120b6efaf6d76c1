package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/claim"
	claims "github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/lambdatest"
	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source/dir"
)

// day is a stretch of time in which files arrive and the three functions are started on
// their schedules, whether or not an earlier invocation goes on.
type day struct {
	minute  time.Duration // how long a minute of the day takes
	minutes int
	spool   string // where two files arrive each minute
	// abandon claims a key for a worker that dies at once.
	abandon func(key string)
	// take returns an instance of a function that is free, and give takes it back.
	take func(function string) *lambdatest.Function
	give func(function string, f *lambdatest.Function)
	// drain is added to the limits of invocations, which are told to keep so much back.
	drain time.Duration

	running, most atomic.Int64 // loaders at the same time
	files         int
}

// limits are the time limits of the functions in the template, in minutes.
var limits = map[string]int{"loader": 15, "checker": 5, "archiver": 15}

// pass lets the day pass, and an evening in which nothing arrives any more.
func (d *day) pass(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(d.minute)
	defer tick.Stop()
	var calls sync.WaitGroup
	for minute := range d.minutes {
		<-tick.C
		d.arrive(t)
		for function, phase := range map[string][2]int{"loader": {5, 0}, "checker": {5, 2}, "archiver": {60, 33}} {
			if minute%phase[0] == phase[1] {
				f := d.take(function)
				calls.Go(func() { d.call(t, function, f) })
			}
		}
	}
	calls.Wait()
}

// arrive puts two files into the spool, of which a worker takes one in fifty and dies.
func (d *day) arrive(t *testing.T) {
	t.Helper()
	for range 2 {
		name := fmt.Sprintf("%06d.json", d.files)
		part := filepath.Join(d.spool, "."+name) // hidden until it is whole
		require.NoError(t, os.WriteFile(part, fmt.Appendf(nil, "# comment\n{\"id\":%d}", d.files), 0o600))
		if d.files%50 == 49 {
			d.abandon(name)
		}
		require.NoError(t, os.Rename(part, filepath.Join(d.spool, name)))
		d.files++
	}
}

// call is one invocation of an instance.
func (d *day) call(t *testing.T, function string, f *lambdatest.Function) {
	t.Helper()
	defer d.give(function, f)
	if function == "loader" {
		n := d.running.Add(1)
		defer d.running.Add(-1)
		for most := d.most.Load(); n > most && !d.most.CompareAndSwap(most, n); most = d.most.Load() {
		}
	}
	answer, err := f.Invoke([]byte(`{}`), time.Now().Add(time.Duration(limits[function])*d.minute+d.drain))
	if !assert.NoError(t, err) || !assert.Nil(t, answer.Failure, function) {
		return
	}
	assert.True(t, answer.InTime(), function)
	assert.NotEqual(t, "error", gjson.GetBytes(answer.Payload, "Status").String(), "%s: %s", function, answer.Payload)
}

// close has what is left drained and archived, and judges the day: every record was
// sent, once but for those of lost leases, every file is in the archive, and nothing is
// stuck.
func (d *day) close(t *testing.T, archive string, sent func() map[int]int, counts func() claim.Counts) {
	t.Helper()
	done := func() bool { c := counts(); return c == claim.Counts{} }
	end := time.Now().Add(10*time.Hour + patience)
	for tick := time.NewTicker(d.minute); !done(); <-tick.C {
		require.True(t, time.Now().Before(end), "stuck: %+v", counts())
		for _, function := range []string{"loader", "checker", "archiver"} {
			d.call(t, function, d.take(function))
		}
	}
	times := sent()
	require.Len(t, times, d.files, "records lost")
	for id, n := range times {
		assert.Equal(t, 1, n, "record %d", id)
	}
	left, err := os.ReadDir(d.spool)
	require.NoError(t, err)
	assert.Empty(t, left)
	kept, err := os.ReadDir(archive)
	require.NoError(t, err)
	assert.Len(t, kept, d.files)
	assert.Greater(t, d.most.Load(), int64(1), "loaders overlapped")
	t.Logf("%d files, at most %d loaders at the same time", d.files, d.most.Load())
}

// The three functions on overlapping schedules for a day, in fake time, with a queue
// that is slow at times and workers that die: every file is processed once and
// archived, and nothing is stuck.
func TestDay(t *testing.T) {
	minutes := 24 * 60
	if testtool.Brief() {
		minutes = 3 * 60
	}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(began)) // files have times of the real clock, which this one must not be behind
		root := t.TempDir()
		spool, archive := filepath.Join(root, "in"), filepath.Join(root, "archive")
		require.NoError(t, os.Mkdir(spool, 0o700))
		require.NoError(t, os.Mkdir(archive, 0o700))
		source, err := dir.Open(spool, dir.Config{})
		require.NoError(t, err)
		defer source.Close()
		store := claims.New()
		var sends atomic.Int64
		queue := memory.New(memory.Config{Hook: func(ctx context.Context, _ []sink.Message) error {
			if sends.Add(1)%3 != 0 {
				return nil
			}
			select {
			case <-time.After(8 * time.Minute):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		service, err := processor.New(processor.Config{
			Source: source, Claimer: store, Sink: queue, Lease: 20 * time.Minute, SendTimeout: 9 * time.Minute,
			RetryURL: root + "/retry", FailedURL: root + "/failed", CorruptionURL: root + "/corrupt",
		})
		require.NoError(t, err)
		handlers := map[string]any{
			"loader": service.Run,
			"checker": func(ctx context.Context) (processor.CheckReport, error) {
				return processor.Check(ctx, processor.CheckConfig{Claims: store, RetryURL: root + "/retry", FailedURL: root + "/failed"})
			},
			"archiver": func(ctx context.Context) (processor.ArchiveReport, error) {
				return processor.Archive(ctx, processor.ArchiveConfig{Source: source, Claims: store, To: archive, RetryURL: root + "/retry"})
			},
		}
		d := &day{
			minute: time.Minute, minutes: minutes, spool: spool,
			abandon: func(key string) {
				_, err := store.Claim(t.Context(), "dead", key, []string{key}, time.Minute)
				require.NoError(t, err)
			},
			take: func(function string) *lambdatest.Function { return lambdatest.Serve(t, handlers[function]) },
			give: func(string, *lambdatest.Function) {},
		}
		d.pass(t)
		d.close(t, archive, func() map[int]int {
			times := map[int]int{}
			for _, m := range queue.Messages() {
				var records []struct{ ID int }
				require.NoError(t, json.Unmarshal(m.Body, &records))
				for _, r := range records {
					times[r.ID]++
				}
			}
			return times
		}, func() claim.Counts {
			counts, err := store.Count(t.Context())
			require.NoError(t, err)
			return counts
		})
	})
}
