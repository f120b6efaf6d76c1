package redis

import (
	"fmt"
	"strconv"
	"time"
)

// layout says which key of Redis holds what is known of a name.
//
// The store has a key of its own, which is the same whatever the layout:
//
//	{prefix}:layout                 string: this layout as text
//
// Each shard has keys of one hash slot:
//
//	{prefix:tag}:meta               hash: this layout as text, the last token
//	{prefix:tag}:work               hash: name -> lease, or what is left of it;
//	                                and filler under the empty name
//	{prefix:tag}:back               sorted set of names in work that were given
//	                                back with nothing to remember, by the time
//	                                they may be cleared away
//	{prefix:tag}:done               hash: period -> number of processed names
//	{prefix:tag}:done:PERIOD:BUCKET hash: name -> how it was processed
//
// A period is a stretch of the time of names, by which their buckets expire;
// it is empty where there is no horizon, and for names without a time.
type layout struct {
	text    string // the same for all workers of a store
	whole   string // the key that it is noted under
	horizon time.Duration
	period  time.Duration // length
	shards  []shard
	buckets uint32 // of each shard; where there is a horizon, of each period
}

// shard is the keys of one hash slot.
type shard struct{ meta, work, back, done string }

// format is the version of the layout and of the values in it. It changes when
// workers of two versions cannot share a store.
const format = 1

// periods is how many periods a horizon has: processed names are kept longer
// than they must by at most one of them.
const periods = 16

func newLayout(prefix string, shards, buckets int, horizon time.Duration) layout {
	l := layout{
		text:    fmt.Sprintf("%d shards=%d buckets=%d horizon=%v", format, shards, buckets, horizon),
		whole:   "{" + prefix + "}:layout",
		horizon: horizon,
		period:  horizon / periods,
		shards:  make([]shard, shards),
		buckets: uint32(max(1, buckets/shards)),
	}
	if horizon > 0 {
		l.buckets = max(1, l.buckets/periods)
	}
	for i := range l.shards {
		start := "{" + tag(prefix, i, shards) + "}:"
		l.shards[i] = shard{start + "meta", start + "work", start + "back", start + "done"}
	}
	return l
}

// place returns the shard of a name, and its bucket in it.
func (l *layout) place(name string) (shard int, bucket uint32) {
	h := hash(name)
	return int(h >> 32 % uint64(len(l.shards))), uint32(h) % l.buckets
}

// periodOf returns the period of a name with the given time.
func (l *layout) periodOf(t time.Time) string {
	return strconv.FormatInt(micros(t)/l.period.Microseconds(), 10)
}

// bucket returns the key of a bucket.
func (s *shard) bucket(period string, bucket uint32) string {
	return s.done + ":" + period + ":" + strconv.FormatUint(uint64(bucket), 10)
}

// micros returns t as Unix time in µs, as far as a script can reckon with it.
func micros(t time.Time) int64 {
	const last = 1 << 52 // in 2112
	return min(max(0, t.UnixMicro()), last)
}

// hash spreads names over shards and buckets. It is FNV-1a, whose high bits
// depend too little on the last bytes, and then the finaliser of MurmurHash3.
// Stores rest on it: it must never change.
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// slots is the number of hash slots of Redis Cluster.
const slots = 16384

// tag returns the hash tag of shard i of n. Servers own ranges of slots, so
// the slot of shard i lies in the i-th of n equal ranges.
func tag(prefix string, i, n int) string {
	for try := 0; ; try++ {
		t := prefix + ":" + strconv.Itoa(i)
		if try > 0 {
			t += "." + strconv.Itoa(try)
		}
		if slot(t)*n/slots == i {
			return t
		}
	}
}

// slot returns the hash slot of a tag: CRC-16/XMODEM of it, as the
// specification of Redis Cluster says.
func slot(tag string) int {
	crc := uint16(0)
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
