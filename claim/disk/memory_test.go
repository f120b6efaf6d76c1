package disk_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/internal/testtool"
)

// manyEnv is how many keys TestMemoryOfManyFinishedKeys finishes, where that is
// not its short default. Ten million take a minute.
const manyEnv = "UNSPOOL_DISK_TEST_KEYS"

// What a store of n finished keys needs grows by 1.25 bytes a key for the
// filter, which is outside the heap, and a third of a byte for the index. The
// rest is the same for any number.
func TestMemoryOfManyFinishedKeys(t *testing.T) {
	n := 300_000
	if testtool.Brief() {
		n = 100_000
	}
	if text := os.Getenv(manyEnv); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
		require.NotZero(t, n)
	} else if testing.Short() {
		t.Skip("takes seconds")
	}
	const size = 1000
	key := func(i int) string { return fmt.Sprintf("2026/11/%02d/object-%09d.json.gz", i*31/n, i) }
	block := func(i int) []string {
		keys := make([]string, min(size, n-i))
		for j := range keys {
			keys[j] = key(i + j)
		}
		return keys
	}
	dir := t.TempDir()
	s := open(t, dir, disk.Config{})
	begin := time.Now()
	var peak, least uint64
	for i := 0; i < n; i += size {
		finishAll(t, s, block(i)...)
		if i/size%100 == 0 {
			peak = max(peak, heap())
		}
	}
	took := time.Since(begin)
	runtime.GC()
	least = heap()
	t.Logf("finished %d keys in %v, %.0f keys/s; heap peak %.1f MB, then %.1f MB; %s",
		n, took, float64(n)/took.Seconds(), mb(peak), mb(least), rss())
	budget := 24<<20 + uint64(n)/2
	require.Less(t, peak, budget)

	begin = time.Now()
	for i := 0; i < n; i += size { // as a second pass over the source does
		keys := block(i)
		results, err := s.Claim(t.Context(), "w", fmt.Sprint("again", i), keys, ttl)
		require.NoError(t, err)
		for j, r := range results {
			require.Equal(t, claim.Done, r.Status, "%q", keys[j])
		}
	}
	took = time.Since(begin)
	t.Logf("listed again in %v, %.0f keys/s; heap %.1f MB; %s", took, float64(n)/took.Seconds(), mb(heap()), rss())
	unknown := block(0)
	for i := range unknown {
		unknown[i] = strings.Replace(unknown[i], ".json", ".other", 1)
	}
	allAre(t, s, claim.Granted, unknown...)
	require.NoError(t, s.Close())

	begin = time.Now()
	s = open(t, dir, disk.Config{})
	c, err := s.Count(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, n, c.Finished)
	t.Logf("opened again in %v; %s", time.Since(begin), rss())
	require.NoError(t, s.Close())
	require.Less(t, heap(), budget)
	if n >= 10_000_000 {
		var kB int
		if _, err := fmt.Sscanf(rss(), "VmHWM: %d kB", &kB); err == nil {
			require.Less(t, kB, 64<<10, "peak memory of the process")
		}
	}
}

// heap returns the bytes of objects in memory, dead ones not yet collected
// included.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func mb(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// rss tells the memory of the process, where the system does.
func rss() string {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "RSS unknown"
	}
	lines := slices.DeleteFunc(strings.Split(string(data), "\n"), func(l string) bool {
		return !strings.HasPrefix(l, "VmHWM") && !strings.HasPrefix(l, "VmRSS")
	})
	return strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
}
