package parquet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/parquet-go/parquet-go/format"
)

const (
	mostWindow  = 256 << 10 // read at once
	leastWindow = 8 << 10
	mostHeader  = 8 << 20 // of a page: it may hold its least and greatest value
)

var (
	errChunk    = errors.New("column lies outside of the object")
	errHeader   = errors.New("header of a page is not what it should be")
	errLevels   = errors.New("levels of a page are not what they should be")
	errChecksum = errors.New("checksum of a page is wrong")
	errMemory   = errors.New("pages need more memory than is allowed")
	errBomb     = errors.New("object has too many values for its size")
)

// column reads the values of one column of one row group.
type column struct {
	node *node
	file *file
	meta *format.ColumnMetaData

	at, end   int64 // of the next page, and of the column
	window    []byte
	start     int64 // of window
	packed    []byte
	page      []byte
	dict      []value // whose bytes are dictBytes
	dictBytes int
	held      int64 // memory that is accounted for
	entries   int64 // left in the column
	inPage    int   // left in the page
	reps      hybrid
	defs      hybrid
	values    values

	// The entry at hand, unless the column is at its end.
	ended    bool
	rep, def int
	value    value
	row      int64 // of the row group
}

// newColumn returns the column at its first entry.
func newColumn(n *node, f *file, meta *format.ColumnMetaData) (*column, error) {
	c := &column{node: n, file: f, meta: meta, at: meta.DataPageOffset, entries: meta.NumValues, row: -1}
	if d := meta.DictionaryPageOffset; d > 0 && d < c.at {
		c.at = d
	}
	const magic = 4
	if meta.Type != n.leaf.typ || meta.NumValues < 0 || meta.TotalCompressedSize < 0 ||
		c.at < magic || c.at > f.data || meta.TotalCompressedSize > f.data-c.at {
		return nil, errChunk
	}
	c.end = c.at + meta.TotalCompressedSize
	return c, c.advance()
}

// close gives back what memory is accounted for.
func (c *column) close() {
	c.file.memory -= c.held
	c.held = 0
}

// account notes how much memory the column holds.
func (c *column) account() error {
	n := int64(cap(c.window)+cap(c.packed)+cap(c.page)+c.dictBytes) + int64(cap(c.dict))*valueBytes
	c.file.memory += n - c.held
	c.held = n
	if c.file.memory > c.file.cfg.MaxMemoryBytes {
		return errMemory
	}
	return nil
}

const valueBytes = 32 // of a value in memory

// room returns an error if n bytes more are too much.
func (c *column) room(n int64) error {
	if c.file.memory+n > c.file.cfg.MaxMemoryBytes {
		return errMemory
	}
	return nil
}

// advance goes to the next entry.
func (c *column) advance() error {
	for c.inPage == 0 {
		if c.entries == 0 {
			c.ended, c.row = true, c.row+1
			return nil
		}
		if err := c.nextPage(); err != nil {
			return err
		}
	}
	if c.file.budget--; c.file.budget < 0 {
		return errBomb
	}
	c.inPage--
	c.entries--
	rep, err := c.reps.next()
	if err != nil {
		return err
	}
	def, err := c.defs.next()
	if err != nil {
		return err
	}
	if int(rep) > c.node.rep || int(def) > c.node.def {
		return errLevels
	}
	c.rep, c.def = int(rep), int(def)
	if rep == 0 {
		c.row++
	} else if c.row < 0 {
		return errLevels
	}
	if c.def == c.node.def {
		c.value, err = c.values.next()
	}
	return err
}

// nextPage goes to the next page, and remembers a dictionary.
func (c *column) nextPage() error {
	if err := c.file.ctx.Err(); err != nil {
		return err
	}
	h, err := c.header()
	if err != nil {
		return err
	}
	size, full := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	if size < 0 || full < 0 || size > c.end-c.at {
		return errHeader
	}
	if err := c.room(size + full); err != nil {
		return err
	}
	c.packed = grow(c.packed, int(size))
	if err := c.read(c.packed, c.at); err != nil {
		return err
	}
	c.at += size
	if err := c.account(); err != nil {
		return err
	}
	if h.CRC != 0 && crc32.ChecksumIEEE(c.packed) != uint32(h.CRC) {
		return errChecksum
	}
	switch {
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		err = c.dataPage(&h.DataPageHeader.V, int(full))
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		err = c.dataPageV2(&h.DataPageHeaderV2.V, int(full))
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		err = c.dictionary(&h.DictionaryPageHeader.V, int(full))
	case h.Type == format.IndexPage:
	default:
		return errHeader
	}
	if err == nil {
		err = c.account()
	}
	return err
}

// header reads the header of the page at hand.
func (c *column) header() (h format.PageHeader, err error) {
	for want := int64(512); ; want *= 8 {
		want = min(want, c.end-c.at)
		data, err := c.look(int(want))
		if err != nil {
			return h, err
		}
		n, err := measure(data)
		switch {
		case err == errShort && want < min(c.end-c.at, mostHeader):
			continue
		case err != nil:
			return h, errHeader
		}
		c.at += int64(n)
		if err := unmarshal(data[:n], &h); err != nil {
			return h, errHeader
		}
		return h, nil
	}
}

// look returns the next n bytes of the column.
func (c *column) look(n int) ([]byte, error) {
	from := c.at - c.start
	if from < 0 || from+int64(n) > int64(len(c.window)) {
		size := min(int64(max(n, c.file.window)), c.end-c.at)
		c.window = grow(c.window, int(size))
		c.start = c.at
		if err := c.file.readAt(c.window, c.at); err != nil {
			c.window = c.window[:0]
			return nil, err
		}
		from = 0
	}
	return c.window[from : from+int64(n)], nil
}

// read reads into p from off on.
func (c *column) read(p []byte, off int64) error {
	if from := off - c.start; from >= 0 && from < int64(len(c.window)) {
		n := copy(p, c.window[from:])
		p, off = p[n:], off+int64(n)
	}
	if len(p) == 0 {
		return nil
	}
	if len(p) >= c.file.window {
		return c.file.readAt(p, off)
	}
	at := c.at
	c.at = off
	data, err := c.look(len(p))
	c.at = at
	copy(p, data)
	return err
}

// dictionary reads a page of it.
func (c *column) dictionary(h *format.DictionaryPageHeader, full int) error {
	if c.dict != nil || h.Encoding != format.Plain && h.Encoding != plainDictionary {
		return errHeader
	}
	data, err := c.file.unpack(c.meta.Codec, nil, c.packed, full)
	if err != nil {
		return err
	}
	n := int64(h.NumValues)
	if n < 0 || n > int64(len(data)) { // each takes a byte, or four
		return errHeader
	}
	if err := c.room(n * valueBytes); err != nil {
		return err
	}
	c.dict, c.dictBytes = make([]value, n), len(data)
	all := plainValues(c.node.leaf, data)
	for i := range c.dict {
		if c.dict[i], err = all.next(); err != nil {
			return err
		}
	}
	return nil
}

// dataPage begins with a page of the first format.
func (c *column) dataPage(h *format.DataPageHeader, full int) error {
	if h.NumValues < 0 || int64(h.NumValues) > c.entries {
		return errHeader
	}
	var err error
	if c.page, err = c.file.unpack(c.meta.Codec, c.page, c.packed, full); err != nil {
		return err
	}
	data := c.page
	for _, l := range []struct {
		to       *hybrid
		most     int
		encoding format.Encoding
	}{{&c.reps, c.node.rep, h.RepetitionLevelEncoding}, {&c.defs, c.node.def, h.DefinitionLevelEncoding}} {
		*l.to = hybrid{}
		if l.most == 0 {
			continue
		}
		if l.encoding != format.RLE || len(data) < 4 {
			return errLevels
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			return errLevels
		}
		*l.to = newHybrid(data[4:4+n], uint(bits.Len(uint(l.most))))
		data = data[4+n:]
	}
	c.inPage = int(h.NumValues)
	c.values, err = newValues(c.node.leaf, h.Encoding, data, c.dict, c.file.cfg.MaxRowBytes)
	return err
}

// dataPageV2 begins with a page of the second format, whose levels are not
// compressed.
func (c *column) dataPageV2(h *format.DataPageHeaderV2, full int) error {
	reps, defs := int64(h.RepetitionLevelsByteLength), int64(h.DefinitionLevelsByteLength)
	if h.NumValues < 0 || int64(h.NumValues) > c.entries || reps < 0 || defs < 0 || reps+defs > int64(min(len(c.packed), full)) {
		return errHeader
	}
	c.reps, c.defs = hybrid{}, hybrid{}
	if c.node.rep > 0 {
		c.reps = newHybrid(c.packed[:reps], uint(bits.Len(uint(c.node.rep))))
	}
	if c.node.def > 0 {
		c.defs = newHybrid(c.packed[reps:reps+defs], uint(bits.Len(uint(c.node.def))))
	}
	codec := c.meta.Codec
	if compressed, ok := h.IsCompressed.Get(); ok && !compressed {
		codec = format.Uncompressed
	}
	data := c.packed[reps+defs:]
	size := full - int(reps+defs)
	var err error
	if len(data) == 0 && size == 0 { // of nulls alone
		c.page = c.page[:0]
	} else if c.page, err = c.file.unpack(codec, c.page, data, size); err != nil {
		return err
	}
	c.inPage = int(h.NumValues)
	c.values, err = newValues(c.node.leaf, h.Encoding, c.page, c.dict, c.file.cfg.MaxRowBytes)
	return err
}

// file is what the columns of an object share.
type file struct {
	access
	unpacker
	ctx    context.Context
	cfg    *Config
	data   int64 // where the footer begins
	memory int64 // that columns hold
	budget int64 // entries that may still be read
	window int   // bytes of each column read at once
}

// ioError is an error of reading, and not of what was read.
type ioError struct{ error }

func (e ioError) Unwrap() error { return e.error }

// readAt reads all of p.
func (f *file) readAt(p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return ioError{fmt.Errorf("read %d bytes at offset %d: %w", len(p), off, err)}
}
