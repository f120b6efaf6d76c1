package storetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
)

// Bench claims and completes keys of a store in blocks of several sizes, and
// tells the cost for this process, which the server is not in.
func Bench(b *testing.B, open func(b *testing.B) Store) {
	b.Helper()
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("block=%d", size), func(b *testing.B) {
			store, ctx, keys := open(b), context.Background(), Keys(b.N)
			b.ReportAllocs()
			b.ResetTimer()
			begin, call := cpu(b), 0
			for block := range slices.Chunk(keys, size) {
				call++
				results, err := store.Claim(ctx, "w", strconv.Itoa(call), block, time.Minute)
				if err != nil {
					b.Fatal(err)
				}
				leases := make([]claim.Lease, len(results))
				for i := range results {
					leases[i] = results[i].Lease
				}
				if err := store.Complete(ctx, leases); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
			b.ReportMetric(float64((cpu(b)-begin).Microseconds())/float64(b.N), "cpu-µs/file")
		})
	}
}

// cpu is the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
