package benchtest

import (
	"context"
	"flag"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var (
	rounds = flag.Int("rounds", 1, "how often each contestant of a benchmark has its turn")
	files  = flag.Int("files", 10_000, "files in the folder that is drained")
	large  = flag.Int64("large", 64, "size of the large file, in MB")
)

// contestant is one way of doing a job.
type contestant struct {
	name string
	run  func(tb testing.TB)
}

// turn is what one turn of a contestant cost.
type turn struct {
	wall, cpu time.Duration
	allocs    uint64
}

// race has the contestants do their job in turns, -rounds times each, so that
// whatever else the machine does disturbs all of them alike, and reports the
// least that any of its turns cost each of them: per unit of work, of which a
// job has n, and as a multiple of what it cost the one named unspool. CPU time
// is that of this process, in user and kernel mode, on all cores.
//
// Samples of a CPU profile carry the name of the contestant as a label.
func race(b *testing.B, unit string, n int, contestants ...contestant) {
	best := make([]turn, len(contestants))
	for round := range *rounds {
		for i, c := range contestants {
			var t turn
			pprof.Do(b.Context(), pprof.Labels("contestant", c.name), func(context.Context) { t = take(b, c) })
			if round == 0 {
				best[i] = t
			}
			best[i] = turn{min(best[i].wall, t.wall), min(best[i].cpu, t.cpu), min(best[i].allocs, t.allocs)}
		}
	}
	if *plots != "" {
		draw(b, unit, n, contestants, best)
	}
	var own turn
	for i, c := range contestants {
		if c.name == "unspool" {
			own = best[i]
		}
	}
	for i, c := range contestants {
		b.Run(c.name, func(b *testing.B) {
			t := best[i]
			b.ReportMetric(0, "ns/op") // the job is done: an operation is nothing
			b.ReportMetric(float64(t.wall.Nanoseconds())/float64(n), "wall-ns/"+unit)
			b.ReportMetric(float64(t.cpu.Nanoseconds())/float64(n), "cpu-ns/"+unit)
			b.ReportMetric(float64(t.allocs)/float64(n), "allocs/"+unit)
			b.ReportMetric(float64(t.wall)/float64(own.wall), "wall/unspool")
			b.ReportMetric(float64(t.cpu)/float64(own.cpu), "cpu/unspool")
		})
	}
}

// take gives a contestant a turn.
func take(b *testing.B, c contestant) turn {
	runtime.GC() // what the one before it left behind is not this one's cost
	allocs, used, began := mallocs(), cpu(b), time.Now()
	c.run(b)
	return turn{time.Since(began), cpu(b) - used, mallocs() - allocs}
}

// cpu is the CPU time that this process has used.
func cpu(tb testing.TB) time.Duration {
	var u unix.Rusage
	require.NoError(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// mallocs is how often this process has allocated.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
