package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"sync/atomic"
)

// segment reads one segment file. It is immutable, and closed by the last one
// who releases it.
type segment struct {
	info   segmentInfo
	file   *os.File
	keys   uint64
	last   string // the greatest key
	filter filter

	// Block i starts at starts[i] and its separator is splits[ends[i]:ends[i+1]].
	// Texts lie in one slice, so that an index of many blocks is few objects.
	starts []int64 // one more than there are blocks
	splits []byte
	ends   []uint32

	refs    atomic.Int32
	garbage atomic.Bool // to be removed with the last reference
}

func openSegment(dir string, info segmentInfo) (*segment, error) {
	f, err := os.Open(fileName(dir, info.ID, segmentExt))
	if err != nil {
		return nil, err
	}
	s := &segment{info: info, file: f}
	if err := s.load(); err != nil {
		free(s.filter)
		f.Close()
		return nil, err
	}
	s.refs.Store(1)
	return s, nil
}

// load reads the index and the filter.
func (s *segment) load() error {
	name := s.file.Name()
	st, err := s.file.Stat()
	if err != nil {
		return err
	}
	end := st.Size() - footerBytes
	if end < int64(len(segmentMagic)) {
		return corrupt(name, st.Size(), "file is too short")
	}
	magic := make([]byte, len(segmentMagic))
	if _, err := s.file.ReadAt(magic, 0); err != nil {
		return err
	}
	if string(magic) != segmentMagic {
		return corrupt(name, 0, "no segment, or of another version")
	}
	var foot [footerBytes]byte
	if _, err := s.file.ReadAt(foot[:], end); err != nil {
		return err
	}
	le := binary.LittleEndian
	if le.Uint32(foot[footerBytes-4:]) != crc32.Checksum(foot[:footerBytes-4], castagnoli) {
		return corrupt(name, end, "checksum mismatch in the footer")
	}
	s.keys = le.Uint64(foot[0:])
	at, indexLen, filterLen := int64(le.Uint64(foot[8:])), int64(le.Uint64(foot[16:])), int64(le.Uint64(foot[24:]))
	if at+indexLen+filterLen != end || filterLen == 0 || filterLen%filterLine != 0 {
		return corrupt(name, end, "lengths in the footer do not add up")
	}
	index := make([]byte, indexLen)
	if _, err := s.file.ReadAt(index, at); err != nil {
		return err
	}
	if le.Uint32(foot[32:]) != crc32.Checksum(index, castagnoli) {
		return corrupt(name, at, "checksum mismatch in the index")
	}
	if s.filter, err = allocate(int(filterLen)); err != nil {
		return fmt.Errorf("allocate a filter of %d bytes: %w", filterLen, err)
	}
	if _, err := s.file.ReadAt(s.filter, at+indexLen); err != nil {
		return err
	}
	if le.Uint32(foot[36:]) != crc32.Checksum(s.filter, castagnoli) {
		return corrupt(name, at+indexLen, "checksum mismatch in the filter")
	}
	return s.parseIndex(index, at)
}

func (s *segment) parseIndex(index []byte, at int64) error {
	size, n := binary.Uvarint(index)
	if n <= 0 || size > uint64(len(index)-n) {
		return corrupt(s.file.Name(), at, "malformed index")
	}
	s.last = string(index[n : n+int(size)])
	index = index[n+int(size):]
	s.splits = make([]byte, 0, len(index))
	offset := int64(len(segmentMagic))
	s.ends = append(s.ends, 0)
	for len(index) > 0 {
		length, n := binary.Uvarint(index)
		size, m := binary.Uvarint(index[max(n, 0):])
		if n <= 0 || m <= 0 || size > uint64(len(index)-n-m) || length > uint64(at) {
			return corrupt(s.file.Name(), at, "malformed index")
		}
		s.starts = append(s.starts, offset)
		s.splits = append(s.splits, index[n+m:][:size]...)
		s.ends = append(s.ends, uint32(len(s.splits)))
		offset += int64(length) + 4
		index = index[n+m+int(size):]
	}
	if offset != at {
		return corrupt(s.file.Name(), at, "blocks do not end where the index starts")
	}
	s.starts = append(s.starts, offset)
	return nil
}

func (s *segment) blocks() int { return len(s.starts) - 1 }

// covers reports whether key is in the range of the segment's keys.
func (s *segment) covers(key string) bool {
	return s.blocks() > 0 && key <= s.last && string(s.splits[:s.ends[1]]) <= key
}

// find returns the number of the block that holds key if any does. The segment
// must cover it.
func (s *segment) find(key string) int {
	lo, hi := 0, s.blocks() // the first block whose separator is above key
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if string(s.splits[s.ends[mid]:s.ends[mid+1]]) > key {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo - 1
}

// readBlock reads block i into buf, which it may replace, and checks it.
func (s *segment) readBlock(i int, buf []byte) ([]byte, error) {
	start, size := s.starts[i], int(s.starts[i+1]-s.starts[i])
	if cap(buf) < size {
		buf = make([]byte, size, size+size/2)
	}
	buf = buf[:size]
	if _, err := s.file.ReadAt(buf, start); err != nil {
		return nil, fmt.Errorf("read block at offset %d: %w", start, err)
	}
	body := buf[:size-4]
	if binary.LittleEndian.Uint32(buf[size-4:]) != crc32.Checksum(body, castagnoli) {
		return nil, corrupt(s.file.Name(), start, "checksum mismatch in a block")
	}
	return body, nil
}

// acquire adds a reference.
func (s *segment) acquire() { s.refs.Add(1) }

// release gives a reference back. The last one closes the file, and removes it
// if a merge has replaced it. Errors do not matter: the file was only read, and
// what stays behind is removed by the next Open.
func (s *segment) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	free(s.filter)
	s.file.Close()
	if s.garbage.Load() {
		_ = remove(s.file.Name())
	}
}

// entry is one entry of a block, the key without what it shares.
type entry struct {
	shared int
	rest   []byte
	finish finish
}

// scanner walks through the entries of a block.
type scanner struct {
	data []byte
	prev finish
}

// next returns the next entry. It is false at the end, and at what is no
// entry; then data is not empty.
func (b *scanner) next() (e entry, ok bool) {
	d := b.data
	if len(d) == 0 {
		return e, false
	}
	shared, n := binary.Uvarint(d)
	if n <= 0 {
		return e, false
	}
	d = d[n:]
	size, n := binary.Uvarint(d)
	if n <= 0 || size > uint64(len(d)-n) {
		return e, false
	}
	rest := d[n : n+int(size)]
	d = d[n+int(size):]
	grant, n := binary.Varint(d)
	if n <= 0 {
		return e, false
	}
	d = d[n:]
	at, n := binary.Varint(d)
	if n <= 0 {
		return e, false
	}
	b.data = d[n:]
	b.prev = finish{b.prev.grant + uint64(grant), b.prev.at + at}
	return entry{int(shared), rest, b.prev}, true
}

// search looks for key, which is above the entry before the scanner's place
// and shares its first matched bytes. It compares without restoring keys.
func (b *scanner) search(key string, matched int) (f finish, found, valid bool) {
	for {
		e, ok := b.next()
		if !ok {
			return f, false, len(b.data) == 0
		}
		if e.shared > matched {
			continue // differs from key where the one before did: below it too
		}
		if e.shared < matched {
			return f, false, true // above the one before within the shared part
		}
		tail := key[matched:]
		i := 0
		for n := min(len(e.rest), len(tail)); i < n && e.rest[i] == tail[i]; {
			i++
		}
		switch {
		case i == len(e.rest) && i == len(tail):
			return e.finish, true, true
		case i == len(tail) || i < len(e.rest) && e.rest[i] > tail[i]:
			return f, false, true
		}
		matched += i
	}
}

// cursor walks through all entries of a segment in order.
type cursor struct {
	seg   *segment
	next  int // block
	buf   []byte
	scan  scanner
	key   []byte
	value finish
}

// advance goes to the next entry; false without an error is the end.
func (c *cursor) advance() (bool, error) {
	for len(c.scan.data) == 0 {
		if c.next == c.seg.blocks() {
			return false, nil
		}
		body, err := c.seg.readBlock(c.next, c.buf)
		if err != nil {
			return false, err
		}
		c.buf, c.scan = body, scanner{data: body}
		c.next++
	}
	e, ok := c.scan.next()
	if !ok || e.shared > len(c.key) {
		return false, corrupt(c.seg.file.Name(), c.seg.starts[c.next-1], "malformed block")
	}
	c.key = append(c.key[:e.shared], e.rest...)
	c.value = e.finish
	return true, nil
}
