package sorted

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// memory is what all open objects of a source take.
type memory struct {
	limit int64
	taken atomic.Int64
}

// take takes n bytes, unless that is too much and not needed in any case.
func (m *memory) take(n int64, needed bool) bool {
	if m.taken.Add(n) <= m.limit || needed {
		return true
	}
	m.taken.Add(-n)
	return false
}

func (m *memory) give(n int64) { m.taken.Add(-n) }

// sizes are what memory is taken by, and when runs are merged.
type sizes struct {
	chunk   int // bytes that are allocated at once
	entries int // lines that an object may hold in any case
	fanIn   int // runs that are merged at once
}

var defaultSizes = sizes{chunk: 1 << 20, entries: 1 << 14, fanIn: 64}

const entryBytes = 24

// table holds lines in memory, with their keys.
type table struct {
	memory  *memory
	sizes   sizes
	taken   int64
	chunks  [][]byte // each line, and behind it its key
	free    [][]byte // chunks to be used again
	entries []entry
}

// entry is one line of a table.
type entry struct {
	prefix    uint64 // the first bytes of the key
	chunk, at uint32 // in the order of the object
	line, key uint32 // lengths
}

func (t *table) line(e *entry) []byte { return t.chunks[e.chunk][e.at : e.at+e.line] }

func (t *table) key(e *entry) []byte {
	return t.chunks[e.chunk][e.at+e.line : e.at+e.line+e.key]
}

// add adds a line, unless memory is short; an empty table takes any.
func (t *table) add(line, key []byte) bool {
	if !t.room(len(line)+len(key)) || !t.roomForEntry() {
		return false
	}
	c := &t.chunks[len(t.chunks)-1]
	at := len(*c)
	*c = append(append(*c, line...), key...)
	t.entries = append(t.entries, entry{prefixOf(key), uint32(len(t.chunks) - 1), uint32(at), uint32(len(line)), uint32(len(key))})
	return true
}

// room has the last chunk take n bytes.
func (t *table) room(n int) bool {
	if last := len(t.chunks) - 1; last >= 0 && cap(t.chunks[last])-len(t.chunks[last]) >= n {
		return true
	}
	if k := len(t.free); k > 0 && n <= cap(t.free[k-1]) {
		t.chunks = append(t.chunks, t.free[k-1])
		t.free = t.free[:k-1]
		return true
	}
	size := max(n, t.sizes.chunk)
	if !t.take(int64(size), len(t.entries) == 0) {
		return false
	}
	t.chunks = append(t.chunks, make([]byte, 0, size))
	return true
}

func (t *table) roomForEntry() bool {
	n := len(t.entries)
	if n < cap(t.entries) {
		return true
	}
	more := max(n/2, t.sizes.entries)
	if !t.take(int64(more*entryBytes), n == 0) {
		return false
	}
	grown := make([]entry, n, n+more)
	copy(grown, t.entries)
	t.entries = grown
	return true
}

func (t *table) take(n int64, needed bool) bool {
	if !t.memory.take(n, needed) {
		return false
	}
	t.taken += n
	return true
}

// clear makes the table empty. It keeps the memory for the next lines, but for
// chunks of an unusual size.
func (t *table) clear() {
	for _, c := range t.chunks {
		if cap(c) == t.sizes.chunk {
			t.free = append(t.free, c[:0])
			continue
		}
		t.taken -= int64(cap(c))
		t.memory.give(int64(cap(c)))
	}
	clear(t.chunks)
	t.chunks, t.entries = t.chunks[:0], t.entries[:0]
}

// release gives all memory back.
func (t *table) release() {
	t.memory.give(t.taken)
	*t = table{memory: t.memory, sizes: t.sizes}
}

// sort puts the entries in order. Those with equal keys stay in that of the object.
func (t *table) sort() {
	slices.SortFunc(t.entries, func(a, b entry) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if a.key > prefixBytes && b.key > prefixBytes {
			if c := bytes.Compare(t.key(&a)[prefixBytes:], t.key(&b)[prefixBytes:]); c != 0 {
				return c
			}
		}
		if a.chunk != b.chunk {
			return cmp.Compare(a.chunk, b.chunk)
		}
		return cmp.Compare(a.at, b.at)
	})
}

const prefixBytes = 8

// prefixOf returns the first bytes of a key as a number that compares as they do.
// No key is the beginning of another one, so that two of which one is not longer
// are equal if their prefixes are.
func prefixOf(key []byte) uint64 {
	if len(key) >= prefixBytes {
		return binary.BigEndian.Uint64(key)
	}
	var b [prefixBytes]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
