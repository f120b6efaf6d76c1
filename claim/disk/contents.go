package disk

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/unspool-go/unspool/claim"
	"github.com/unspool-go/unspool/claim/internal/lease"
)

// contents is all that a store knows, and answers the questions of operators.
// Finished keys are in three places, of which the first that knows a key is
// right: recent, frozen, and the segments from the youngest to the oldest.
type contents struct {
	clock lease.Clock

	mu     sync.Mutex // guards what follows
	table  lease.Table
	recent *memtable
	frozen *memtable // being written to a segment, or nil
	shape
	closed bool

	finders sync.Pool // of *finder
}

// shape is the part of contents that lies in segments.
type shape struct {
	segments []*segment // from the oldest to the youngest; the slice is never changed
	spills   uint64     // how many memtables went into segments
	finished int64      // number of finished keys in the segments
}

// memtable holds the keys that were finished or forgotten of late.
type memtable struct {
	index map[string]int32
	pairs sorted // in order of arrival, which often is nearly that of the keys
	bytes int    // of key text
	net   int64  // keys finished less keys forgotten
}

func newMemtable() *memtable { return &memtable{index: make(map[string]int32)} }

func (m *memtable) get(key string) (finish, bool) {
	i, ok := m.index[key]
	if !ok {
		return finish{}, false
	}
	return m.pairs[i].finish, true
}

// set notes a finished key that was not finished before, or a forgotten one
// that was.
func (m *memtable) set(key string, f finish) {
	if i, ok := m.index[key]; ok {
		m.pairs[i].finish = f
	} else {
		m.index[key] = int32(len(m.pairs))
		m.pairs = append(m.pairs, pair{key, f})
		m.bytes += len(key)
	}
	if f.forgotten() {
		m.net--
	} else {
		m.net++
	}
}

func (m *memtable) reset() {
	clear(m.index)
	clear(m.pairs)
	m.pairs, m.bytes, m.net = m.pairs[:0], 0, 0
}

// recently looks key up among the keys that are not in segments.
func (c *contents) recently(key string) (f finish, known bool) {
	if f, known = c.recent.get(key); !known && c.frozen != nil {
		f, known = c.frozen.get(key)
	}
	return f, known
}

// view is the segments at one moment. They stay open until it is released.
type view struct{ shape }

// viewLocked returns a view. The caller holds mu and releases the view.
func (c *contents) viewLocked() view {
	for _, s := range c.segments {
		s.acquire()
	}
	return view{c.shape}
}

func (v view) release() {
	for _, s := range v.segments {
		s.release()
	}
}

// finder looks up keys in segments. It remembers the last block of each, since
// keys that were finished one after the other are asked for likewise.
type finder struct{ at map[uint64]*place } // by number of the segment

// place is where a finder found its last key in a segment.
type place struct {
	block int // whose bytes are data
	data  []byte
	key   string  // or none
	next  scanner // behind key
}

// search looks for key in the block at hand. A key above the last one is
// looked for from there.
func (p *place) search(key string) (f finish, found, valid bool) {
	scan, matched := scanner{data: p.data}, 0
	if p.key != "" {
		n := 0
		for m := min(len(p.key), len(key)); n < m && p.key[n] == key[n]; {
			n++
		}
		if n < len(key) && (n == len(p.key) || p.key[n] < key[n]) {
			scan, matched = p.next, n
		}
	}
	f, found, valid = scan.search(key, matched)
	if found {
		p.key, p.next = key, scan
	}
	return f, found, valid
}

// finder returns one for use with a view, to be handed back with done.
func (c *contents) finder() *finder {
	if f, ok := c.finders.Get().(*finder); ok {
		return f
	}
	return &finder{at: make(map[uint64]*place)}
}

// done hands a finder back for others to use, without the blocks of segments
// that are gone.
func (c *contents) done(f *finder, v view) {
	if len(f.at) > len(v.segments) {
		for id := range f.at {
			if !slices.ContainsFunc(v.segments, func(s *segment) bool { return s.info.ID == id }) {
				delete(f.at, id)
			}
		}
	}
	c.finders.Put(f)
}

// find looks key up in all segments of a view. Keys that are listed in order
// are beyond the range of most, which spares the filters.
func (f *finder) find(v view, key string) (finish, bool, error) {
	if len(v.segments) == 0 {
		return finish{}, false, nil
	}
	h := hashKey(key)
	for _, s := range slices.Backward(v.segments) {
		if !s.covers(key) || !s.filter.mayHold(h) {
			continue
		}
		i := s.find(key)
		p := f.at[s.info.ID]
		if p == nil {
			p = &place{block: -1}
			f.at[s.info.ID] = p
		}
		if p.block != i {
			p.block, p.key = -1, ""
			data, err := s.readBlock(i, p.data)
			if err != nil {
				return finish{}, false, err
			}
			p.block, p.data = i, data
		}
		value, found, valid := p.search(key)
		if !valid {
			return finish{}, false, corrupt(s.file.Name(), s.starts[i], "malformed block")
		}
		if found {
			return value, true, nil
		}
	}
	return finish{}, false, nil
}

// Inspect implements [claim.Inspector].
func (c *contents) Inspect(ctx context.Context, keys []string) ([]claim.Entry, error) {
	if err := lease.Begin(ctx, "inspect"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, claim.ErrClosed
	}
	// What the memory does not know is looked up in the segments of the same
	// moment, without the lock.
	v := c.viewLocked()
	entries := make([]claim.Entry, len(keys))
	var unknown []int
	for i, key := range keys {
		entries[i].Key = key
		if e, ok := c.table.Entry(key); ok {
			entries[i] = e.Describe(key)
		} else if f, known := c.recently(key); !known {
			unknown = append(unknown, i)
		} else if !f.forgotten() {
			entries[i] = f.describe(key)
		}
	}
	c.mu.Unlock()
	defer v.release()

	fi := c.finder()
	defer c.done(fi, v)
	for _, i := range unknown {
		f, found, err := fi.find(v, keys[i])
		if err != nil {
			return nil, failed(err)
		}
		if found && !f.forgotten() {
			entries[i] = f.describe(keys[i])
		}
	}
	return entries, nil
}

// Expired implements [claim.Inspector]. It lists what was expired when the
// iteration began.
func (c *contents) Expired(ctx context.Context, grace time.Duration) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		c.mu.Lock()
		closed := c.closed
		limit := c.clock.Now() - int64(grace)
		var expired []claim.Entry
		for key, e := range c.table.All {
			if e.Held && e.Expires <= limit {
				expired = append(expired, e.Describe(key))
			}
		}
		c.mu.Unlock()
		if closed {
			yield(claim.Entry{}, claim.ErrClosed)
			return
		}
		for _, e := range expired {
			if err := lease.Begin(ctx, "list expired claims"); err != nil {
				yield(claim.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Completed implements [claim.Inspector]. It lists, in order of the keys, what
// was finished when the iteration began, and reads it from the disk bit by
// bit. [claim.Entry.DoneAt] is exact to the millisecond.
func (c *contents) Completed(ctx context.Context) iter.Seq2[claim.Entry, error] {
	return func(yield func(claim.Entry, error) bool) {
		if err := c.completed(ctx, yield); err != nil {
			yield(claim.Entry{}, err)
		}
	}
}

func (c *contents) completed(ctx context.Context, yield func(claim.Entry, error) bool) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return claim.ErrClosed
	}
	v := c.viewLocked()
	var frozen, recent sorted
	if c.frozen != nil {
		frozen = slices.Clone(c.frozen.pairs)
	}
	recent = slices.Clone(c.recent.pairs)
	c.mu.Unlock()
	defer v.release()

	runs := make([]run, 0, len(v.segments)+2)
	for _, s := range v.segments {
		runs = append(runs, &cursor{seg: s})
	}
	frozen.sort()
	recent.sort()
	runs = append(runs, &tableRun{rest: frozen}, &tableRun{rest: recent})
	m, err := newMerger(runs)
	if err != nil {
		return failed(err)
	}
	for {
		if err := lease.Begin(ctx, "list completed claims"); err != nil {
			return err
		}
		key, f, err := m.next()
		if err != nil {
			return failed(err)
		}
		if key == nil {
			return nil
		}
		if !f.forgotten() && !yield(f.describe(string(key)), nil) {
			return nil
		}
	}
}

// Count implements [claim.Inspector].
func (c *contents) Count(ctx context.Context) (claim.Counts, error) {
	if err := lease.Begin(ctx, "count"); err != nil {
		return claim.Counts{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return claim.Counts{}, claim.ErrClosed
	}
	n := claim.Counts{Finished: c.finished + c.recent.net}
	if c.frozen != nil {
		n.Finished += c.frozen.net
	}
	c.table.Counts(c.clock.Now(), &n)
	return n, nil
}

func (f finish) describe(key string) claim.Entry {
	return claim.Entry{Key: key, State: claim.Finished, DoneAt: time.UnixMilli(f.at)}
}
