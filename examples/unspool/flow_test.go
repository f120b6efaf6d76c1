//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// envFlow is how long TestFlow lasts and how many files appear in it each second.
const envFlow = "UNSPOOL_FLOW"

// pace is how long a flow lasts, how many files appear in it each second, and how
// often is looked for them.
type pace struct {
	lasts   time.Duration
	rate    int
	poll    time.Duration // --poll-interval of the workers
	archive time.Duration // between archivers
	after   time.Duration // --after of those: longer than a worker takes to work off a listing
	// shown says that this is the show: how quickly files are sent counts, too.
	shown bool
}

func paceOf(t *testing.T) pace {
	t.Helper()
	text := os.Getenv(envFlow)
	if text == "" {
		p := scale(pace{lasts: 2 * time.Second, rate: 250}, pace{lasts: 20 * time.Second, rate: 1000})
		if testing.Short() {
			p = pace{lasts: time.Second, rate: 100}
		}
		p.poll, p.archive, p.after = 500*time.Millisecond, time.Second, time.Second
		return p
	}
	lasts, rate, ok := strings.Cut(text, ",")
	require.True(t, ok, "%s=%s: want such as 10m,6000", envFlow, text)
	p := pace{poll: time.Second, archive: 2 * time.Second, after: 2 * time.Second, shown: true}
	var err error
	p.lasts, err = time.ParseDuration(lasts)
	require.NoError(t, err, envFlow)
	p.rate, err = strconv.Atoi(rate)
	require.NoError(t, err, envFlow)
	return p
}

// The show of a live feed: files appear in a folder at a steady rate under names
// that are times, nginx lists it, two workers with claims in Redis send what is in
// them to SQS, and checker and archiver run beside. Every record arrives, once, the
// folder is emptied, and at the end the claims know nothing any more. What it costs
// is told.
//
// It is brief in a plain run, and lasts longer at full scale. By hand, at any rate:
//
//	TMPDIR=/dev/shm UNSPOOL_FLOW=10m,6000 go test -timeout 0 -run 'TestFlow$' -v ./examples/unspool
//
// Then 99% of the records have to be in the queue within 5 seconds, and folder,
// Redis and the memory of the workers have to stay as they are. TMPDIR is where the
// files and what Redis writes down go.
func TestFlow(t *testing.T) {
	waits(t)
	const soon = 5 * time.Second
	p := paceOf(t)
	files := int(p.lasts.Seconds() * float64(p.rate))
	f := newFlow(t, files)
	feed := newFeeder(f.folder, files, p.rate)
	workers := f.startWorkers("--watch", "--name-time", flowLayout, "--partitions", path.Dir(flowLayout), "--poll-interval", p.poll.String())
	archiver := f.every(p.archive, "archive", "--source", f.folder, "--delete", "--after", p.after.String(), "--json")
	checker := f.every(5*time.Second, "check", "--source", f.folder, "--json")
	gauges := f.measure(workers, max(time.Second, p.lasts/100))

	require.NoError(t, feed.run(t.Context()))
	f.waitForAll(files)
	gauges.stop()
	archiver.stop(t)
	checker.stop(t)
	f.archiveRest()
	f.waitForClaims(claim.Counts{})

	costs := costs{files: files}
	var delivered, finished, vanished int64
	for i, w := range workers {
		require.NoError(t, w.cmd.Process.Signal(syscall.SIGTERM))
		r := f.summary(w)
		delivered, finished, vanished = delivered+r.Delivered, finished+r.Finished, vanished+r.Vanished
		costs.add(fmt.Sprintf("worker %d (%.0f%% of the files)", i+1, 100*float64(r.Finished)/float64(files)), w.cpu())
	}
	require.NoError(t, f.judge.verdict(files))
	assert.Equal(t, recordsIn(files), delivered)
	assert.EqualValues(t, files, finished)
	assert.NoDirExists(t, f.state+"-retry")
	assert.NoDirExists(t, f.state+"-failed")
	assert.NoDirExists(t, f.state+"-corruption")

	costs.add("archiver", archiver.cpu)
	costs.add("checker", checker.cpu)
	costs.add("feeder", feed.cpu)
	f.addServers(&costs, feed.cpu)
	t.Logf("%d files in %v: %.0f files/s, %d records sent after: %v", files, feed.took.Round(10*time.Millisecond),
		float64(files)/feed.took.Seconds(), f.judge.came, &f.judge.late)
	t.Logf("processor time per file: %v", &costs)
	t.Logf("%s, and %d files were archived between being listed and being opened", f.asked(files), vanished)
	t.Logf("%v", gauges)
	if p.shown {
		assert.Less(t, f.judge.late.quantile(.99), soon)
		assert.InDelta(t, p.lasts.Seconds(), feed.took.Seconds(), p.lasts.Seconds()/20, "the feeder kept its pace")
		gauges.requireFlat(t)
	}
}

// A backlog that nginx lists goes to SQS by two workers with claims in Redis:
// nothing is lost, and nothing comes twice. How many files is in UNSPOOL_BACKLOG.
func TestBacklog(t *testing.T) {
	waits(t)
	files := scale(300, 100_000)
	if text := os.Getenv("UNSPOOL_BACKLOG"); text != "" {
		var err error
		files, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	f := newFlow(t, files)
	require.NoError(t, newFeeder(f.folder, files, 0).run(t.Context()))
	start := time.Now()
	workers := f.startWorkers("--name-time", flowLayout)
	costs := costs{files: files}
	var delivered, finished int64
	for i, w := range workers {
		r := f.summary(w)
		delivered, finished = delivered+r.Delivered, finished+r.Finished
		costs.add(fmt.Sprintf("worker %d (%.0f%% of the files, %d s)", i+1, 100*float64(r.Finished)/float64(files), r.RuntimeMs/1000), w.cpu())
	}
	took := time.Since(start)
	require.NoError(t, f.judge.verdict(files))
	assert.Equal(t, recordsIn(files), delivered)
	assert.EqualValues(t, files, finished)
	f.waitForClaims(claim.Counts{Finished: int64(files)})
	f.addServers(&costs, 0)
	t.Logf("%d files in %v: %.0f files/s", files, took.Round(10*time.Millisecond), float64(files)/took.Seconds())
	t.Logf("processor time per file: %v", &costs)
	t.Log(f.asked(files))
}

// flow is a folder that nginx lists, claims in Redis, and a queue with a judge.
type flow struct {
	*testing.T
	folder string
	state  string // what the names of destinations begin with
	web    string // URL of the folder
	claims string // URL of the claims
	redis  *goredis.Client
	queue  *queue
	judge  *judge
}

func newFlow(t *testing.T, files int) *flow {
	t.Helper()
	f := &flow{T: t, folder: filepath.Join(t.TempDir(), "in"), judge: newJudge(files)}
	f.state = f.folder + ".unspool"
	require.NoError(t, os.Mkdir(f.folder, 0o755))
	f.web = startNginx(t, f.folder)
	f.claims = startRedis(t)
	opts, _, err := redisClaims(f.claims)
	require.NoError(t, err)
	f.redis = goredis.NewClient(opts)
	t.Cleanup(func() { f.redis.Close() })
	for _, set := range [][2]string{{"appendonly", "yes"}, {"appendfsync", "always"}} {
		require.NoError(t, f.redis.ConfigSet(t.Context(), set[0], set[1]).Err())
	}
	f.queue = &queue{name: "feeds"}
	f.queue.Server = sqstest.Start(t, sqstest.Config{DiscardBodies: true, OnMessage: f.judge.add})
	_, err = f.queue.AddQueue(f.queue.name, sqstest.QueueConfig{})
	require.NoError(t, err)
	return f
}

// places are the options that all commands have.
func (f *flow) places() []string {
	return []string{
		"--claims", f.claims, "--retry", f.state + "-retry", "--failed", f.state + "-failed", "--corruption", f.state + "-corruption",
	}
}

// startWorkers starts two workers.
func (f *flow) startWorkers(more ...string) (workers []*process) {
	f.Helper()
	args := append([]string{
		"run", "--source", f.web, "--sink", "sqs:" + f.queue.name, "--select", flowSelect(), "--summary", "json",
	}, f.places()...)
	for range 2 {
		w, err := startProcess(f.Context(), f.queue.env(), append(args, more...)...)
		require.NoError(f, err)
		f.Cleanup(func() { w.wait() })
		workers = append(workers, w)
	}
	return workers
}

// summary waits for the end of a worker, which must be a good one.
func (f *flow) summary(w *process) processor.Response {
	f.Helper()
	status, stdout, stderr := w.wait()
	require.Contains(f, []int{exitOK, exitStopped}, status, stderr)
	return summaryOf(f.T, []byte(stdout))
}

// waitForAll waits until as many records have come as there are in the files.
func (f *flow) waitForAll(files int) {
	f.Helper()
	want, last, since := recordsIn(files), int64(0), time.Now()
	for {
		came := f.judge.arrived()
		if came >= want {
			return
		}
		if came > last {
			last, since = came, time.Now()
		}
		const patience = time.Minute
		require.Less(f, time.Since(since), patience, "%d of %d records came: %v", came, want, lazily(func() string { return fmt.Sprint(f.judge.verdict(files)) }))
		time.Sleep(20 * time.Millisecond)
	}
}

// await waits until done says so, and fails with what is said after a minute.
func (f *flow) await(done func() bool, said func() string) {
	f.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		require.True(f, time.Now().Before(end), "%v", lazily(said))
	}
}

// archiveRest archives what is finished until the folder is empty.
func (f *flow) archiveRest() {
	f.Helper()
	said := ""
	f.await(func() bool {
		code, out, errs := runHere(f.T, append([]string{"archive", "--source", f.folder, "--delete", "--after", "0"}, f.places()...)...)
		require.Equal(f, exitOK, code, errs)
		said = out
		return filesBelow(f.folder) == 0
	}, func() string { return said })
}

// waitForClaims waits until the claims know what they should: a worker that met a
// file which was archived just then gives it back, and that is remembered for a
// moment.
func (f *flow) waitForClaims(want claim.Counts) {
	f.Helper()
	store, closeStore, err := openClaims(f.Context(), f.claims, toDrain)
	require.NoError(f, err)
	defer func() { assert.NoError(f, closeStore()) }()
	var got claim.Counts
	f.await(func() bool {
		got, err = store.Count(f.Context())
		require.NoError(f, err)
		return got == want
	}, func() string { return fmt.Sprintf("%+v", got) })
}

var callsOf = regexp.MustCompile(`(?m)^cmdstat_(\w+):calls=(\d+)`)

// asked says what the claim store was asked: HEXISTS is in the script of Claim
// alone, once for each name.
func (f *flow) asked(files int) string {
	f.Helper()
	stats, err := f.redis.Info(f.Context(), "commandstats").Result()
	require.NoError(f, err)
	calls := map[string]float64{}
	for _, m := range callsOf.FindAllStringSubmatch(stats, -1) {
		calls[m[1]], err = strconv.ParseFloat(m[2], 64)
		require.NoError(f, err)
	}
	return fmt.Sprintf("asked for a claim on each file %.2f times, %.1f round trips per 1,000 files",
		calls["hexists"]/float64(files), 1000*calls["evalsha"]/float64(files))
}

// addServers adds what the servers cost. The queue is in this process, as is the
// judge.
func (f *flow) addServers(c *costs, feeder time.Duration) {
	f.Helper()
	var self syscall.Rusage
	require.NoError(f, syscall.Getrusage(syscall.RUSAGE_SELF, &self))
	c.add("nginx", cpuOfServer(f.T, "nginx"))
	c.add("Redis", cpuOfServer(f.T, "redis-server"))
	c.add("queue and judge", time.Duration(self.Utime.Nano()+self.Stime.Nano())-feeder)
}

// operator is a command that is started again and again, whether the one before
// has ended or not.
type operator struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	runs   int
	cpu    time.Duration
	failed error
}

// every starts a command at an interval.
func (f *flow) every(interval time.Duration, command string, more ...string) *operator {
	ctx, cancel := context.WithCancel(f.Context())
	o := &operator{cancel: cancel}
	f.Cleanup(func() { cancel(); o.done.Wait() })
	args := append(append([]string{command}, more...), f.places()...)
	o.done.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			p, err := startProcess(f.Context(), f.queue.env(), args...)
			if err != nil {
				o.ended(0, err)
				return
			}
			o.done.Go(func() {
				status, stdout, stderr := p.wait()
				if status != exitOK {
					err = fmt.Errorf("%s: exit status %d: %s%s", command, status, stdout, stderr)
				}
				o.ended(p.cpu(), err)
			})
		}
	})
	return o
}

func (o *operator) ended(cpu time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.runs++
	o.cpu += cpu
	o.failed = errors.Join(o.failed, err)
}

// stop starts it no more, and waits for those that run.
func (o *operator) stop(t *testing.T) {
	t.Helper()
	o.cancel()
	o.done.Wait()
	require.NoError(t, o.failed)
}

// costs is the processor time of all that takes part in a flow.
type costs struct {
	files int
	text  strings.Builder
	sum   time.Duration
}

func (c *costs) add(what string, cpu time.Duration) {
	c.sum += cpu
	fmt.Fprintf(&c.text, "%s %.1f µs, ", what, c.perFile(cpu))
}

func (c *costs) perFile(d time.Duration) float64 { return float64(d.Microseconds()) / float64(c.files) }

func (c *costs) String() string {
	return fmt.Sprintf("%sin all %.1f µs: %.0f files/s on a processor", &c.text, c.perFile(c.sum), 1e6/c.perFile(c.sum))
}

// filesBelow counts the files below a folder.
func filesBelow(folder string) int {
	open, err := os.Open(folder)
	if err != nil {
		return 0 // it is gone
	}
	defer open.Close()
	entries, _ := open.ReadDir(-1) // without the sorting of os.ReadDir
	n := 0
	for _, e := range entries {
		if e.IsDir() {
			n += filesBelow(filepath.Join(folder, e.Name()))
		} else {
			n++
		}
	}
	return n
}

// gauges is what must not grow while files come and go.
type gauges struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	files  gauge
	redis  gauge
	keys   gauge
	memory []gauge // of each worker
}

// gauge is a figure over time.
type gauge []int64

// halves returns the most of the first half and of the second.
func (g gauge) halves() (first, second int64) {
	for i, n := range g {
		if i < len(g)/2 {
			first = max(first, n)
		} else {
			second = max(second, n)
		}
	}
	return first, second
}

// measure begins to measure.
func (f *flow) measure(workers []*process, interval time.Duration) *gauges {
	ctx, cancel := context.WithCancel(f.Context())
	g := &gauges{cancel: cancel, memory: make([]gauge, len(workers))}
	f.Cleanup(g.stop)
	g.done.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			g.files = append(g.files, int64(filesBelow(f.folder)))
			for i, w := range workers {
				g.memory[i] = append(g.memory[i], w.memory())
			}
			info := f.redis.InfoMap(ctx, "memory")
			used, _ := strconv.ParseInt(info.Item("Memory", "used_memory"), 10, 64)
			g.redis = append(g.redis, used)
			g.keys = append(g.keys, f.redis.DBSize(ctx).Val())
		}
	})
	return g
}

func (g *gauges) stop() {
	g.cancel()
	g.done.Wait()
}

// String tells the most of each half.
func (g *gauges) String() string {
	var b strings.Builder
	b.WriteString("most in the first half and in the second: ")
	for _, e := range g.each() {
		first, second := e.gauge.halves()
		fmt.Fprintf(&b, "%s %d and %d, ", e.name, first/e.unit, second/e.unit)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

type named struct {
	name  string
	unit  int64
	slack int64
	gauge gauge
}

func (g *gauges) each() []named {
	all := []named{
		{"files in the folder", 1, 20_000, g.files},
		{"MiB of Redis", 1 << 20, 32 << 20, g.redis},
		{"keys of Redis", 1, 10_000, g.keys},
	}
	for i, m := range g.memory {
		all = append(all, named{fmt.Sprintf("MiB of worker %d", i+1), 1 << 20, 64 << 20, m})
	}
	return all
}

// requireFlat fails where the second half was worse than the first by half, and by
// more than what is no matter.
func (g *gauges) requireFlat(t *testing.T) {
	t.Helper()
	for _, e := range g.each() {
		first, second := e.gauge.halves()
		assert.LessOrEqual(t, second, first*3/2+e.slack, e.name)
	}
}
