package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The check value of CRC-16/XMODEM, and examples of CLUSTER KEYSLOT.
func TestSlotsAreThoseOfRedis(t *testing.T) {
	assert.Equal(t, 0x31c3, slot("123456789"))
	assert.Equal(t, 12182, slot("foo"))
	assert.Equal(t, 5061, slot("bar"))
}

func TestShardsAreSpreadOverTheSlots(t *testing.T) {
	for _, n := range []int{1, 3, 16, 100, maxShards} {
		l := newLayout("unspool", n, defaultBuckets, 0)
		seen := make(map[string]bool)
		for i, s := range l.shards {
			tag := s.meta[1 : len(s.meta)-len("}:meta")]
			require.Equal(t, i, slot(tag)*n/slots, "%s of %d", tag, n)
			require.False(t, seen[s.meta])
			seen[s.meta] = true
		}
	}
}

// A store that is read by a later version must be found where it is.
func TestNamesStayWhereTheyAre(t *testing.T) {
	assert.Equal(t, uint64(0xefd01f60ba992926), hash(""))
	assert.Equal(t, uint64(0x3194eda2d5ec1c40), hash("2026/11/22/object.json.gz"))
	l := newLayout("unspool", 16, defaultBuckets, 0)
	assert.Equal(t, "1 shards=16 buckets=65536 horizon=0s", l.text)
	assert.Equal(t, "{unspool:0.13}:meta", l.shards[0].meta)
	n, bucket := l.place("2026/11/22/object.json.gz")
	assert.Equal(t, "{unspool:2.3}:done::3136", l.shards[n].bucket("", bucket))
	l = newLayout("unspool", 1, defaultBuckets, 48*time.Hour)
	assert.Equal(t, "166233", l.periodOf(time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)))
}

func TestNamesAreSpreadEvenly(t *testing.T) {
	l := newLayout("unspool", 8, 8*64, 0)
	var shards [8]int
	buckets := make(map[string]int)
	const names = 512 * 100
	for i := range names {
		n, b := l.place(fmt.Sprintf("2026/11/22/object-%d.json.gz", i))
		shards[n]++
		buckets[l.shards[n].bucket("", b)]++
	}
	for _, n := range shards {
		assert.InDelta(t, names/8, n, names/8*0.1)
	}
	assert.Len(t, buckets, 512)
	for _, n := range buckets {
		assert.Less(t, n, 200)
	}
}
