package dir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

// consumer takes what was fed.
type consumer struct {
	source.Changes
	root    string
	remove  bool          // what was taken
	pause   time.Duration // between listings, where Wait does not tell
	seen    []bool        // by number
	left    int
	again   int // listed before
	latency []time.Duration
}

func newConsumer(c source.Changes, root string, files int) *consumer {
	return &consumer{Changes: c, root: root, pause: time.Second, seen: make([]bool, files), left: files}
}

// list takes what is there. during is called after the first file.
func (c *consumer) list(t testing.TB, during func()) {
	for o, err := range c.Objects(t.Context(), false) {
		require.NoError(t, err)
		number, came, ok := fed(o.Key)
		if !ok {
			continue
		}
		if c.seen[number] {
			c.again++
			continue
		}
		c.seen[number] = true
		c.left--
		c.latency = append(c.latency, time.Since(came))
		if c.remove {
			require.NoError(t, os.Remove(filepath.Join(c.root, o.Key)))
		}
		if during != nil {
			during()
			during = nil
		}
	}
}

// cpu is the time that this process has used, but for its tests' other process.
func cpu() time.Duration {
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)*p/100, len(d)-1)]
}

// TestWatchKeepsUp: thousands of files a second, each put there in another way,
// and removed when they are taken; for three seconds nobody takes any. None is
// missed. With UNSPOOL_FULL=1 that is 6,000 a second for a minute.
func TestWatchKeepsUp(t *testing.T) {
	files, rate, stall := 3000, 3000, 100*time.Millisecond
	if os.Getenv("UNSPOOL_FULL") != "" {
		files, rate, stall = 360_000, 6000, 3*time.Second
	}
	root := localFolder(t)
	w := watch(t, open(t, root, dir.Config{}))
	c := newConsumer(w.Changes, root, files)
	c.remove = true
	begun, used := time.Now(), cpu()
	startFeeder(t, feedJob{Root: root, Files: files, Rate: rate, Styles: []string{renamed, moved, linked, written, foldered}})
	stalled := false
	for last, progress := c.left, time.Now(); c.left > 0; c.Wait(t.Context(), c.pause) {
		var during func()
		if !stalled && c.left < files*2/3 {
			stalled = true
			during = func() { time.Sleep(stall) }
		}
		c.list(t, during)
		if c.left < last {
			last, progress = c.left, time.Now()
		}
		require.Less(t, time.Since(progress), time.Minute, "%d of %d files were not told", c.left, files)
	}
	took, used := time.Since(begun), cpu()-used
	t.Logf("%d files in %.1f s: %.1f µs of CPU a file, the removal included; listed after %v (p50), %v (p90), %v (p99), %v (last, after a stall of %v); %d listed twice",
		files, took.Seconds(), float64(used.Microseconds())/float64(files), percentile(c.latency, 50), percentile(c.latency, 90), percentile(c.latency, 99), percentile(c.latency, 100), stall, c.again)
	assert.True(t, dir.IsLive(w.Changes))
}

// BenchmarkWatch is what it costs to learn of a file at 6,000 a second: told by
// the kernel, and by polling, with files that stay there in the beginning. An
// operation is a file.
func BenchmarkWatch(b *testing.B) {
	for _, c := range []struct {
		name  string
		cfg   dir.Config
		style string
		stay  int
		pause time.Duration
	}{
		{"told, renamed", dir.Config{}, renamed, 0, time.Second},
		{"told, moved", dir.Config{}, moved, 0, time.Second},
		{"told, written", dir.Config{}, written, 0, time.Second},
		{"told, linked", dir.Config{}, linked, 0, time.Second},
		{"told, moved, 100000 stay", dir.Config{}, moved, 100_000, time.Second},
		{"polled every 100ms, moved", dir.Config{Poll: true}, moved, 0, 100 * time.Millisecond},
		{"polled every second, moved", dir.Config{Poll: true}, moved, 0, time.Second},
		{"polled every second, moved, 100000 stay", dir.Config{Poll: true}, moved, 100_000, time.Second},
	} {
		b.Run(c.name, func(b *testing.B) {
			root := localFolder(b)
			for i := range min(c.stay, 100*b.N) {
				require.NoError(b, os.WriteFile(filepath.Join(root, fmt.Sprint("stays-", i)), nil, 0o600))
			}
			w := watch(b, open(b, root, c.cfg))
			taker := newConsumer(w.Changes, root, b.N)
			b.ResetTimer()
			used := cpu()
			startFeeder(b, feedJob{Root: root, Files: b.N, Rate: 6000, Styles: []string{c.style}})
			for taker.left > 0 {
				taker.list(b, nil)
				taker.Wait(b.Context(), c.pause)
			}
			b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/file")
			b.ReportMetric(percentile(taker.latency, 50).Seconds()*1e3, "p50-ms")
			b.ReportMetric(percentile(taker.latency, 99).Seconds()*1e3, "p99-ms")
		})
	}
}
