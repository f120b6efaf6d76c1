package benchtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
)

// order is what is taken from a line of an object that is pushed.
type order struct {
	ID      int64   `json:"id"`
	User    string  `json:"user"`
	Country string  `json:"country"`
	Cents   int64   `json:"cents"`
	Rate    float64 `json:"rate"`
}

// writeOrders writes a file of n lines of JSON, of about 500 bytes each.
func writeOrders(tb testing.TB, name string, n int) {
	tb.Helper()
	file, err := os.Create(name)
	require.NoError(tb, err)
	w := bufio.NewWriterSize(file, 1<<20)
	r := rand.New(rand.NewPCG(3, 4))
	text := strings.Repeat("delivered to the neighbour, ", 20)
	for i := range n {
		fmt.Fprintf(w, `{"id":%d,"user":"user-%06d","country":"%c%c","cents":%d,"rate":%.3f,"time":"2026-11-22T10:%02d:%02dZ","tags":["a%d","b"],"note":%q}`+"\n",
			i, r.IntN(1e6), 'A'+r.IntN(26), 'A'+r.IntN(26), r.IntN(1e6), r.Float64(), r.IntN(60), r.IntN(60), r.IntN(1e6), text[:300+r.IntN(100)])
	}
	require.NoError(tb, w.Flush())
	require.NoError(tb, file.Close())
}

// decoded decodes the line with encoding/json, as most do.
func decoded(line []byte) (int64, error) {
	var o order
	err := json.Unmarshal(line, &o)
	return o.Cents, err
}

// hashed goes over the line so often that it takes about 4 microseconds.
func hashed(line []byte) (int64, error) {
	const rounds = 3000 // bytes
	var h uint64 = 14695981039346656037
	for done := 0; done < rounds; done += len(line) {
		for _, c := range line {
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	return int64(h >> 32), nil
}

// measured looks at the length of the line only: next to nothing.
func measured(line []byte) (int64, error) { return int64(len(line)), nil }

// scanned sums up with a bufio.Scanner in one goroutine, as people do.
func scanned(name string, work func([]byte) (int64, error)) (sum int64, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		n, err := work(lines.Bytes())
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, lines.Err()
}

// summing is a custom processor that does the same.
type summing struct {
	work func([]byte) (int64, error)
	sum  atomic.Int64
}

func (s *summing) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	n, err := s.work(data)
	s.sum.Add(n)
	return err
}

func (s *summing) ProcessBatch(_ context.Context, batch []source.Record, _ processor.Reporter) error {
	var sum int64
	for i := range batch {
		n, err := s.work(batch[i].Data)
		if err != nil {
			return err
		}
		sum += n
	}
	s.sum.Add(sum)
	return nil
}

// pushed sums up with unspool.
func pushed(tb testing.TB, name string, work func([]byte) (int64, error), workers, batch int) int64 {
	tb.Helper()
	there := tb.TempDir()
	sum := &summing{work: work}
	svc, err := processor.New(processor.Config{
		Processor: sum, Concurrency: workers, BatchSize: batch,
		RetryURL: there + "/retry", FailedURL: there + "/failed", CorruptionURL: there + "/corrupt",
	})
	require.NoError(tb, err)
	file, err := os.Open(name)
	require.NoError(tb, err)
	_, err = svc.Do(tb.Context(), processor.NewRequest(file, file, name))
	require.NoError(tb, err)
	return sum.sum.Load()
}

var lineCount = 1_000_000

// BenchmarkPush is one object of a million lines through Do with a custom
// processor, beside a loop with a bufio.Scanner that does the same work.
func BenchmarkPush(b *testing.B) {
	name := filepath.Join(b.TempDir(), "orders.ndjson")
	writeOrders(b, name, lineCount)
	for _, job := range []struct {
		name string
		work func([]byte) (int64, error)
	}{{"json", decoded}, {"4us", hashed}, {"nothing", measured}} {
		want, err := scanned(name, job.work)
		require.NoError(b, err)
		unspool := func(workers, batch int) func(testing.TB) {
			return func(tb testing.TB) {
				tb.Helper()
				require.Equal(tb, want, pushed(tb, name, job.work, workers, batch))
			}
		}
		b.Run(job.name, func(b *testing.B) {
			race(b, "line", lineCount,
				contestant{"unspool", unspool(2, 0)},
				contestant{"unspool_of_20_workers", unspool(0, 0)},
				contestant{"unspool_in_batches_of_100", unspool(2, 100)},
				contestant{"scanner", func(tb testing.TB) {
					tb.Helper()
					sum, err := scanned(name, job.work)
					require.NoError(tb, err)
					require.Equal(tb, want, sum)
				}},
				contestant{"two_at_once", func(tb testing.TB) {
					tb.Helper()
					var other sync.WaitGroup
					other.Go(func() { _, _ = scanned(name, job.work) })
					_, err := scanned(name, job.work)
					other.Wait()
					require.NoError(tb, err)
				}})
		})
	}
}
