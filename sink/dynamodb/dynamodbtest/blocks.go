package dynamodbtest

import (
	"iter"
	"slices"
	"strings"
)

// maxBlock is how many items a block holds before it is halved.
const maxBlock = 512

// entry is an item under its key.
type entry struct {
	key  string
	item item
}

// blocks is a map in the order of its keys: sorted blocks of sorted entries. No
// block is empty.
type blocks struct {
	blocks [][]entry
	count  int
}

// find returns where a key is or belongs: the block, and the place in it.
func (m *blocks) find(key string) (block, at int, found bool) {
	block, found = slices.BinarySearchFunc(m.blocks, key, func(b []entry, key string) int { return strings.Compare(b[0].key, key) })
	if found {
		return block, 0, true
	}
	if block == 0 {
		return 0, 0, false
	}
	block--
	at, found = slices.BinarySearchFunc(m.blocks[block], key, func(e entry, key string) int { return strings.Compare(e.key, key) })
	return block, at, found
}

// get returns the item of a key, the empty one where there is none.
func (m *blocks) get(key string) item {
	if b, i, ok := m.find(key); ok {
		return m.blocks[b][i].item
	}
	return ""
}

// put stores an item.
func (m *blocks) put(key string, it item) {
	b, i, ok := m.find(key)
	if ok {
		m.blocks[b][i].item = it
		return
	}
	m.count++
	if len(m.blocks) == 0 {
		m.blocks = [][]entry{nil}
	}
	m.blocks[b] = slices.Insert(m.blocks[b], i, entry{key, it})
	if full := m.blocks[b]; len(full) > maxBlock {
		m.blocks = slices.Insert(m.blocks, b+1, slices.Clone(full[maxBlock/2:]))
		clear(full[maxBlock/2:])
		m.blocks[b] = full[: maxBlock/2 : maxBlock/2]
	}
}

// remove removes the item of a key, if there is one.
func (m *blocks) remove(key string) {
	b, i, ok := m.find(key)
	if !ok {
		return
	}
	m.count--
	m.blocks[b] = slices.Delete(m.blocks[b], i, i+1)
	if len(m.blocks[b]) == 0 {
		m.blocks = slices.Delete(m.blocks, b, b+1)
	}
}

// from goes through the entries in order, from the first whose key is not below
// key.
func (m *blocks) from(key string) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if len(m.blocks) == 0 {
			return
		}
		b, i, _ := m.find(key)
		for ; b < len(m.blocks); b++ {
			for _, e := range m.blocks[b][i:] {
				if !yield(e) {
					return
				}
			}
			i = 0
		}
	}
}

// downTo goes through the entries in falling order, from the last whose key is
// below key.
func (m *blocks) downTo(key string) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if len(m.blocks) == 0 {
			return
		}
		b, i, _ := m.find(key)
		for {
			for i--; i >= 0; i-- {
				if !yield(m.blocks[b][i]) {
					return
				}
			}
			if b--; b < 0 {
				return
			}
			i = len(m.blocks[b])
		}
	}
}
