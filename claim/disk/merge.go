package disk

import (
	"bytes"
	"slices"
	"strings"
)

// sorted is the keys of a memtable, in order once sort was called.
type sorted []pair

type pair struct {
	key    string
	finish finish
}

func (s sorted) sort() {
	slices.SortFunc(s, func(a, b pair) int { return strings.Compare(a.key, b.key) })
}

// run is a sorted sequence of keys: a segment, or a memtable.
type run interface {
	advance() (bool, error)
	// head is valid after advance was true, until the next call.
	head() ([]byte, finish)
}

func (c *cursor) head() ([]byte, finish) { return c.key, c.value }

// tableRun is the run of a memtable.
type tableRun struct {
	rest sorted
	key  []byte
}

func (r *tableRun) advance() (bool, error) {
	if r.key != nil {
		r.rest = r.rest[1:]
	}
	if len(r.rest) == 0 {
		return false, nil
	}
	r.key = append(r.key[:0], r.rest[0].key...)
	return true, nil
}

func (r *tableRun) head() ([]byte, finish) { return r.key, r.rest[0].finish }

// merger walks through several runs at once in order of their keys. Where runs
// share a key the youngest one is right.
type merger struct {
	heap []source
	last []byte
	some bool // last is set
}

// source is a run in the heap, with its head at hand.
type source struct {
	run   run
	key   []byte
	value finish
	age   int // 0 is the youngest
}

// newMerger starts to merge runs, the oldest first.
func newMerger(runs []run) (*merger, error) {
	m := &merger{}
	for i, r := range runs {
		ok, err := r.advance()
		if err != nil {
			return nil, err
		}
		if ok {
			s := source{run: r, age: len(runs) - i}
			s.key, s.value = r.head()
			m.heap = append(m.heap, s)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

func (m *merger) less(i, j int) bool {
	a, b := &m.heap[i], &m.heap[j]
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.age < b.age
}

func (m *merger) down(i int) {
	for {
		small := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heap); c++ {
			if m.less(c, small) {
				small = c
			}
		}
		if small == i {
			return
		}
		m.heap[i], m.heap[small] = m.heap[small], m.heap[i]
		i = small
	}
}

// next returns the next key, forgotten ones included. The key is valid until
// the next call. A nil key without an error is the end.
func (m *merger) next() ([]byte, finish, error) {
	for len(m.heap) > 0 {
		top := &m.heap[0]
		fresh := !m.some || !bytes.Equal(top.key, m.last)
		value := top.value
		if fresh {
			m.last, m.some = append(m.last[:0], top.key...), true
		}
		ok, err := top.run.advance()
		if err != nil {
			return nil, finish{}, err
		}
		if ok {
			top.key, top.value = top.run.head()
		} else {
			n := len(m.heap) - 1
			m.heap[0] = m.heap[n]
			m.heap[n] = source{}
			m.heap = m.heap[:n]
		}
		m.down(0)
		if fresh {
			return m.last, value, nil
		}
	}
	return nil, finish{}, nil
}
