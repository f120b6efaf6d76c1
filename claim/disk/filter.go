package disk

import (
	"encoding/binary"
	"math/bits"
)

const (
	// filterBitsPerKey makes about 1 % of the keys that are not in a segment
	// cost a look into one of its blocks.
	filterBitsPerKey = 10
	// filterProbes is the number of bits that a key sets.
	filterProbes = 6
	// filterLine is the number of bytes in which all bits of a key lie: one
	// cache line, so that a look costs one miss.
	filterLine = 64
)

// filter is a blocked Bloom filter: it knows which keys are certainly not in
// a segment. (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom
// Filters, 2007.) Its memory is from allocate.
type filter []byte

// filterBytes is the size of a filter of as many keys.
func filterBytes(keys int) int {
	lines := (keys*filterBitsPerKey + filterLine*8 - 1) / (filterLine * 8)
	return max(1, lines) * filterLine
}

func (f filter) line(h uint64) []byte {
	n, _ := bits.Mul64(h, uint64(len(f)/filterLine))
	return f[n*filterLine:][:filterLine]
}

func (f filter) add(h uint64) {
	line := f.line(h)
	for range filterProbes {
		h = next(h)
		line[h>>58] |= 1 << (h >> 55 & 7)
	}
}

func (f filter) mayHold(h uint64) bool {
	line := f.line(h)
	for range filterProbes {
		h = next(h)
		if line[h>>58]&(1<<(h>>55&7)) == 0 {
			return false
		}
	}
	return true
}

// next steps a probe sequence: a linear congruential generator, whose upper
// bits are used.
func next(h uint64) uint64 { return h*6364136223846793005 + 1442695040888963407 }

// hashKey is a 64-bit hash by folded multiplication, 8 bytes at a time. It is
// part of the file format: filters are stored. A collision costs time, never
// an answer, since keys themselves are compared.
func hashKey[T string | []byte](key T) uint64 {
	h := uint64(len(key)) * 0x9e3779b97f4a7c15
	var word [8]byte
	for len(key) >= 8 {
		copy(word[:], key)
		h = fold(h^binary.LittleEndian.Uint64(word[:]), 0xa0761d6478bd642f)
		key = key[8:]
	}
	word = [8]byte{}
	copy(word[:], key)
	h = fold(h^binary.LittleEndian.Uint64(word[:]), 0xe7037ed1a0b428db)
	return fold(h, 0x8ebc6af09c88c6e3)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
