//go:build linux

package chaostest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

const roleDrainer = "drainer"

// envDrained is how many files BenchmarkFleet has; 10,000 by default.
const envDrained = "BENCH_FILES"

// BenchmarkFleet has workers, each a process, drain one folder with their claims
// in Redis, which writes all down: files of 2.4 KB of which about 500 bytes are
// sent, to nowhere. It tells the time of the processors that workers and Redis
// spend on each file, so that it says something of machines with more of them;
// how often Redis was asked about each file; and in how many calls.
//
//	BENCH_FILES=100000 go test -run '^$' -bench Fleet -benchtime 3x ./internal/chaostest
func BenchmarkFleet(b *testing.B) {
	files := 10_000
	if v := os.Getenv(envDrained); v != "" {
		var err error
		files, err = strconv.Atoi(v)
		require.NoError(b, err)
	}
	folder := b.TempDir()
	for n := range files {
		name := filepath.Join(folder, keyOf(n))
		require.NoError(b, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(b, os.WriteFile(name, benchFile(n), 0o600))
	}
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			redis := startRedis(b, durable...)
			client := goredis.NewClient(&goredis.Options{Addr: redis.listen})
			defer client.Close()
			var sum drained
			var server time.Duration
			for range b.N {
				b.StopTimer()
				require.NoError(b, client.FlushAll(b.Context()).Err())
				fleet := startDrainers(b, workers, folder, redis.listen)
				before := spentBy(b, redis.cmd.Process.Pid)
				b.StartTimer()
				for _, d := range fleet {
					require.NoError(b, d.begin.Close())
				}
				for _, d := range fleet {
					sum.add(d.report(b))
				}
				b.StopTimer()
				server += spentBy(b, redis.cmd.Process.Pid) - before
				b.StartTimer()
			}
			require.EqualValues(b, b.N*files, sum.Delivered, "each file is delivered once")
			total := float64(b.N * files)
			b.ReportMetric(total/b.Elapsed().Seconds(), "files/s")
			b.ReportMetric(float64(sum.CPU.Microseconds())/total, "worker-µs/file")
			b.ReportMetric(float64(server.Microseconds())/total, "redis-µs/file")
			b.ReportMetric(float64(sum.Asked)/total, "asked/file")
			b.ReportMetric(1000*float64(sum.Calls)/total, "calls/1000-files")
		})
	}
}

// benchFile is a file of one record of 2.4 KB.
func benchFile(n int) []byte {
	return fmt.Appendf(nil, `{"id":%d,"text":%q,"user":{"id":%d,"name":%q,"about":%q},"rest":%q,"lang":"en"}`+"\n",
		n, padding[:250], n*7, padding[:120], padding[:180], strings.Repeat(padding, 7)[:1700])
}

// spentBy returns the time of the processors that a process has used.
func spentBy(b *testing.B, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third on: see proc_pid_stat(5)
	ticks := 0
	for _, at := range []int{14, 15} { // utime and stime
		n, err := strconv.Atoi(fields[at-3])
		require.NoError(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // Linux counts so for users, whatever its own clock
}

// drained is what a worker of a benchmark reports.
type drained struct {
	Delivered, Asked, Calls int64
	CPU                     time.Duration
}

func (d *drained) add(o drained) {
	d.Delivered += o.Delivered
	d.Asked += o.Asked
	d.Calls += o.Calls
	d.CPU += o.CPU
}

// drainer is the process of a worker of a benchmark. It begins when begin is
// closed.
type drainer struct {
	cmd    *exec.Cmd
	begin  io.Closer
	says   *json.Decoder // at first that it is ready
	stderr bytes.Buffer
}

// startDrainers starts workers and returns when they are ready.
func startDrainers(b *testing.B, n int, folder, addr string) []*drainer {
	exe, err := os.Executable()
	require.NoError(b, err)
	fleet := make([]*drainer, n)
	for i := range fleet {
		d := &drainer{cmd: exec.CommandContext(b.Context(), exe)}
		d.cmd.Env = append(os.Environ(), envRole+"="+roleDrainer, envFolder+"="+folder, envClaims+"="+addr)
		d.cmd.Stderr = &d.stderr
		d.begin, err = d.cmd.StdinPipe()
		require.NoError(b, err)
		stdout, err := d.cmd.StdoutPipe()
		require.NoError(b, err)
		require.NoError(b, d.cmd.Start())
		d.says = json.NewDecoder(stdout)
		require.NoError(b, d.says.Decode(new(drained)), "%s", &d.stderr)
		fleet[i] = d
	}
	return fleet
}

// report waits for the end.
func (d *drainer) report(b *testing.B) (r drained) {
	require.NoError(b, d.says.Decode(&r), "%s", &d.stderr)
	require.NoError(b, d.cmd.Wait(), "%s", &d.stderr)
	return r
}

// drainAll is the worker of a benchmark.
func drainAll() error {
	store, err := openRedis(os.Getenv(envClaims))
	if err != nil {
		return err
	}
	files, err := dir.Open(os.Getenv(envFolder), dir.Config{})
	if err != nil {
		return err
	}
	defer files.Close()
	claims := &counted{Claimer: store}
	svc, err := processor.New(processor.Config{
		Source: files, Claimer: claims, Sink: nowhere{}, Concurrency: 2,
		Transform: transform.MustProject("id", "text", "user_id=user.id", "user=user.name", "lang"),
		RetryURL:  "mem://retry", FailedURL: "mem://failed", CorruptionURL: "mem://corrupt",
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(drained{}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	began := cpuOfMine()
	var d drained
	for {
		rep, err := svc.Run(context.Background())
		if err != nil {
			return err
		}
		r := rep.BaseResponse()
		d.Delivered += r.Delivered
		if r.Held == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond) // others are at work
	}
	d.Asked, d.Calls, d.CPU = claims.asked.Load(), claims.calls.Load(), cpuOfMine()-began
	return out.Encode(d)
}

func cpuOfMine() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no reason to
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// counted counts the calls to a claim store, and the names that claims ask for.
type counted struct {
	claim.Claimer
	asked, calls atomic.Int64
}

func (c *counted) Claim(ctx context.Context, owner, nonce string, keys []string, ttl time.Duration) ([]claim.Result, error) {
	c.asked.Add(int64(len(keys)))
	c.calls.Add(1)
	return c.Claimer.Claim(ctx, owner, nonce, keys, ttl)
}

func (c *counted) Extend(ctx context.Context, leases []claim.Lease, ttl time.Duration) error {
	c.calls.Add(1)
	return c.Claimer.Extend(ctx, leases, ttl)
}

func (c *counted) Complete(ctx context.Context, leases []claim.Lease) error {
	c.calls.Add(1)
	return c.Claimer.Complete(ctx, leases)
}

// nowhere is a sink that takes everything.
type nowhere struct{}

func (nowhere) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{MessageBytes: 1 << 20, BatchBytes: 1 << 20, BatchMessages: 10, XMLChars: true}, nil
}

func (nowhere) Send(context.Context, []sink.Message) error { return nil }
