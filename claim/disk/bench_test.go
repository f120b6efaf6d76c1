package disk_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
)

// benchKeys are keys as a listing gives them.
func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("2026/11/21/object-%09d.json", i)
	}
	return keys
}

// claimAndComplete takes keys through the store in one block.
func claimAndComplete(b testing.TB, s *disk.Store, nonce string, keys []string) {
	results, err := s.Claim(b.Context(), "worker", nonce, keys, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	leases := make([]claim.Lease, len(results))
	for i := range results {
		if results[i].Status != claim.Granted {
			b.Fatalf("%q is %v", keys[i], results[i].Status)
		}
		leases[i] = results[i].Lease
	}
	if err := s.Complete(b.Context(), leases); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDisk claims and durably completes new keys; one operation is one
// key. Workers share the syncs.
func BenchmarkDisk(b *testing.B) {
	for _, size := range []int{256, 1000} {
		for _, workers := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("block=%d/workers=%d", size, workers), func(b *testing.B) {
				s, err := disk.Open(b.TempDir(), disk.Config{})
				if err != nil {
					b.Fatal(err)
				}
				blocks := slices.Collect(slices.Chunk(benchKeys(b.N), size))
				var next atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				done := make(chan struct{})
				for range workers {
					go func() {
						defer func() { done <- struct{}{} }()
						for {
							i := int(next.Add(1)) - 1
							if i >= len(blocks) {
								return
							}
							claimAndComplete(b, s, fmt.Sprint(i), blocks[i])
						}
					}()
				}
				for range workers {
					<-done
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkDiskFinished claims keys that are finished already, in the order in
// which they were listed, as a second pass over a source does.
func BenchmarkDiskFinished(b *testing.B) {
	const size = 256
	s, err := disk.Open(b.TempDir(), disk.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	keys := benchKeys(1_000_000)
	for i, block := range slices.Collect(slices.Chunk(keys, size)) {
		claimAndComplete(b, s, fmt.Sprint(i), block)
	}
	b.ReportAllocs()
	i := 0
	for left := b.N; b.Loop(); left-- {
		if i%size == 0 {
			block := keys[i : i+size]
			results, err := s.Claim(b.Context(), "worker", fmt.Sprint("again", i), block, time.Minute)
			if err != nil || results[0].Status != claim.Done {
				b.Fatal(results[0].Status, err)
			}
		}
		i = (i + 1) % (len(keys) / size * size)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}
