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
		for _, size := range []int{1, 16, 100, 256, 1000} {
			b.Run(fmt.Sprintf("shards=%d/block=%d", shards, size), func(b *testing.B) {
				c := start(b).client(b)
				s := store(b, c, redis.Config{Shards: shards})
				keys := benchKeys(b.N)
				calls := 0
				b.ReportAllocs()
				perKey(b, c, func() {
					for block := range slices.Chunk(keys, size) {
						calls++
						settle(b, s, "bench-"+strconv.Itoa(calls), block)
					}
				})
			})
		}
	}
}

// settle claims keys and completes them.
func settle(b *testing.B, s *redis.Store, nonce string, keys []string) {
	results, err := s.Claim(b.Context(), "worker", nonce, keys, time.Minute)
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

// perKey times f, which handles b.N keys, and reports keys per second and the
// time that the server's processor spends on each.
func perKey(b *testing.B, c *goredis.Client, f func()) {
	before := processorTime(b, c)
	b.ResetTimer()
	f()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric((processorTime(b, c)-before)*1e6/float64(b.N), "server-µs/key")
}

// BenchmarkClaim only claims, beside a pipeline of as many SET NX PX, which is
// the least that a claim could be.
func BenchmarkClaim(b *testing.B) {
	for _, size := range []int{1, 100, 256} {
		b.Run(fmt.Sprintf("script/block=%d", size), func(b *testing.B) {
			c := start(b).client(b)
			s := store(b, c, redis.Config{})
			keys := benchKeys(b.N)
			calls := 0
			perKey(b, c, func() {
				for block := range slices.Chunk(keys, size) {
					calls++
					if _, err := s.Claim(b.Context(), "worker", "bench-"+strconv.Itoa(calls), block, time.Hour); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
		b.Run(fmt.Sprintf("SETNX/block=%d", size), func(b *testing.B) {
			c := start(b).client(b)
			keys := benchKeys(b.N)
			perKey(b, c, func() {
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
			})
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
						b.ReportMetric((used(b, c)-before)/float64(n), "bytes/name")
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
		settle(b, s, "fill-"+strconv.Itoa(calls), block)
	}
}

// used returns the bytes that the server has allocated.
func used(b *testing.B, c *goredis.Client) float64 { return info(b, c, "memory", "used_memory") }

// processorTime returns the seconds of processor time that the server used.
func processorTime(b *testing.B, c *goredis.Client) float64 {
	return info(b, c, "cpu", "used_cpu_user") + info(b, c, "cpu", "used_cpu_sys")
}

// info returns a number from INFO.
func info(b *testing.B, c *goredis.Client, section, field string) float64 {
	text, err := c.Info(context.Background(), section).Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("INFO does not tell " + field)
	return 0
}
