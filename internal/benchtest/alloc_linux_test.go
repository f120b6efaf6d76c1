//go:build !race

package benchtest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/memory"
)

// The race detector makes pools forget at random, so this is tested without.

// perUnit is how often a run allocates for each unit of work: the difference of
// two runs of different length, so that what every run needs does not count.
func perUnit(t *testing.T, short, long int, run func(n int)) float64 {
	t.Helper()
	allocations := func(n int) float64 {
		before := mallocs()
		run(n)
		return float64(mallocs() - before)
	}
	run(short) // what is made once is made
	first := allocations(short)
	return (allocations(long) - first) / float64(long-short)
}

// A small file costs less than one allocation, from its name in the listing to
// its durable completion.
func TestSmallFileAllocatesLessThanOnce(t *testing.T) {
	folders := map[int]string{300: makeFolder(t, 300), 1500: makeFolder(t, 1500)}
	for name, withClaims := range map[string]func(f func(claim.Claimer)){
		"claims in memory": func(f func(claim.Claimer)) { f(memory.New()) },
		"claims on disk":   func(f func(claim.Claimer)) { onDisk(t, f) },
	} {
		t.Run(name, func(t *testing.T) {
			each := perUnit(t, 300, 1500, func(n int) {
				withClaims(func(claims claim.Claimer) {
					job{folder: folders[n], claims: claims, sink: new(nowhere)}.do(t, n)
				})
			})
			t.Logf("%.3f allocations a file", each)
			require.Less(t, each, 1.0)
		})
	}
}

// A record of a large file costs none: what there is goes with windows and
// messages, of which there is one for hundreds of records.
func TestRecordDoesNotAllocate(t *testing.T) {
	folders, records := map[int]string{}, map[int]int{}
	for _, mb := range []int{4, 20} {
		folders[mb] = t.TempDir()
		records[mb] = writeLines(t, filepath.Join(folders[mb], "large.ndjson"), true, int64(mb)<<20)
	}
	perMB := perUnit(t, 4, 20, func(mb int) {
		job{folder: folders[mb], claims: memory.New(), sink: new(nowhere)}.do(t, records[mb])
	})
	each := perMB * 16 / float64(records[20]-records[4])
	t.Logf("%.4f allocations a record", each)
	require.Less(t, each, 0.05)
}
