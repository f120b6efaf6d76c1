package redis_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/redis"
)

func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("logs/2026/11/%02d/region-%d/object-%09d.json.gz", i%30+1, i%7, i)
	}
	return keys
}

// BenchmarkClaimComplete claims and completes b.N keys in blocks.
func BenchmarkClaimComplete(b *testing.B) {
	for _, shards := range []int{1, 16} {
		for _, block := range []int{1, 16, 256, 1000} {
			b.Run(fmt.Sprintf("shards=%d/block=%d", shards, block), func(b *testing.B) {
				s := store(b, start(b).client(b), redis.Config{Shards: shards})
				keys := benchKeys(b.N)
				calls := 0
				b.ReportAllocs()
				b.ResetTimer()
				for block := range slices.Chunk(keys, block) {
					calls++
					results, err := s.Claim(b.Context(), "worker", "bench-"+strconv.Itoa(calls), block, time.Minute)
					if err != nil {
						b.Fatal(err)
					}
					leases := make([]claim.Lease, len(results))
					for i := range results {
						leases[i] = results[i].Lease
					}
					if err := s.Complete(b.Context(), leases); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
			})
		}
	}
}

// BenchmarkClaim only claims, beside a pipeline of as many SET NX PX, which is
// the least that a claim could be.
func BenchmarkClaim(b *testing.B) {
	for _, size := range []int{1, 100, 256} {
		b.Run(fmt.Sprintf("script/block=%d", size), func(b *testing.B) {
			s := store(b, start(b).client(b), redis.Config{})
			keys := benchKeys(b.N)
			calls := 0
			b.ResetTimer()
			for block := range slices.Chunk(keys, size) {
				calls++
				if _, err := s.Claim(b.Context(), "worker", "bench-"+strconv.Itoa(calls), block, time.Hour); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
		b.Run(fmt.Sprintf("SETNX/block=%d", size), func(b *testing.B) {
			c := start(b).client(b)
			keys := benchKeys(b.N)
			b.ResetTimer()
			for block := range slices.Chunk(keys, size) {
				_, err := c.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
					for _, key := range block {
						p.SetNX(b.Context(), key, "worker", time.Hour)
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

// BenchmarkMemory reports what Redis needs for a processed name of 60 bytes.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{65_536, 1_000_000} {
		for _, length := range []int{60, 100} {
			for _, listpack := range []string{"64", "256"} {
				b.Run(fmt.Sprintf("names=%d/bytes=%d/hash-max-listpack-value=%s", n, length, listpack), func(b *testing.B) {
					server := start(b, "--hash-max-listpack-value", listpack)
					c := server.client(b)
					for range b.N {
						c.FlushAll(b.Context())
						before := used(b, c)
						fill(b, store(b, c, redis.Config{}), n, length)
						b.ReportMetric(float64(used(b, c)-before)/float64(n), "bytes/name")
					}
				})
			}
		}
	}
}

// fill claims and completes n names of the given length.
func fill(b *testing.B, s *redis.Store, n, length int) {
	keys := benchKeys(n)
	for i := range keys {
		keys[i] = strings.Repeat("x", length-len(keys[i])) + keys[i]
	}
	calls := 0
	for block := range slices.Chunk(keys, 500) {
		calls++
		results, err := s.Claim(b.Context(), "worker", "fill-"+strconv.Itoa(calls), block, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		leases := make([]claim.Lease, len(results))
		for i := range results {
			leases[i] = results[i].Lease
		}
		if err := s.Complete(b.Context(), leases); err != nil {
			b.Fatal(err)
		}
	}
}

// used returns the bytes that the server has allocated.
func used(b *testing.B, c *goredis.Client) int64 {
	info, err := c.Info(context.Background(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("INFO has no used_memory")
	return 0
}
