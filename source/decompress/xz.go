package decompress

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzDecoder decodes the .xz file format 1.2.1 (tukaani.org/xz/xz-file-format.txt):
// one stream or several, and the padding between and behind them. The container
// is read here, so that a dictionary is known to be small enough before it is
// made, an index of millions of blocks is not kept, and a file that ends between
// two blocks is not taken for a whole one. The LZMA2 data inside is decoded by
// package lzma. Of the filters only LZMA2 is supported.
type xzDecoder struct {
	in      *bufio.Reader
	allowed func(n int64) bool // whether n bytes may come of what was used up
	window  int64              // most bytes of a dictionary

	first  bool // no stream was read
	stream bool // inside of a stream
	check  byte // its kind of check
	blocks xzIndex
	dicts  int64 // bytes of all dictionaries made

	block   *xzBlock // nil between blocks
	scratch [1024]byte
}

// xzBlock is a block that is being decoded.
type xzBlock struct {
	data       *lzma.Reader2
	packed     counted // what data reads from
	size       int64   // decoded so far
	header     int64   // bytes of the header
	wantPacked int64   // bytes of data as the header has it, or -1
	wantSize   int64   // and of what comes of it
	sum        hash.Hash
}

// xzIndex stands for the list of blocks, as it was met or as the index has it.
type xzIndex struct {
	count uint64
	hash  hash.Hash
}

func newXZIndex() xzIndex { return xzIndex{hash: sha256.New()} }

func (x *xzIndex) add(unpadded, size uint64) {
	x.count++
	var rec [16]byte
	binary.LittleEndian.PutUint64(rec[:8], unpadded)
	binary.LittleEndian.PutUint64(rec[8:], size)
	x.hash.Write(rec[:])
}

func (x *xzIndex) equals(y xzIndex) bool {
	return x.count == y.count && bytes.Equal(x.hash.Sum(nil), y.hash.Sum(nil))
}

// What is wrong with an .xz file.
var (
	errXZHeader  = errors.New("damaged header")
	errXZIndex   = errors.New("damaged index")
	errXZFooter  = errors.New("damaged footer")
	errXZPadding = errors.New("damaged padding")
	errXZSize    = errors.New("a block is not as long as its header has it")
	errXZCheck   = errors.New("checksum of a block differs")
	errXZFilter  = errors.New("filter or check that is not supported")
	errXZBlocks  = errors.New("too many blocks for as little data")
)

func (d *xzDecoder) reset() error {
	d.first, d.stream, d.block, d.dicts = true, false, nil, 0
	return nil
}

// Read implements [io.Reader].
func (d *xzDecoder) Read(p []byte) (int, error) {
	for {
		var err error
		switch {
		case !d.stream:
			if err = d.nextStream(); err == io.EOF {
				return 0, err
			}
		case d.block == nil:
			err = d.nextBlock()
		default:
			var n int
			n, err = d.readBlock(p)
			if n > 0 {
				return n, unexpected(err)
			}
		}
		if err != nil {
			return 0, unexpected(err)
		}
	}
}

const (
	xzMagic       = "\xfd7zXZ\x00"
	xzFooterMagic = "YZ"
)

// nextStream reads the padding and the header of the next stream. It returns
// io.EOF if there is none.
func (d *xzDecoder) nextStream() error {
	for {
		head, err := d.in.Peek(4)
		switch {
		case len(head) == 0 && !d.first:
			return err // io.EOF where the object ends
		case err != nil && err != io.EOF:
			return err
		case d.first || len(head) > 0 && head[0] != 0:
		case string(head) != "\x00\x00\x00\x00":
			return errXZPadding
		default:
			_, _ = d.in.Discard(4) // they are there
			continue
		}
		break
	}
	head, err := d.take(12)
	switch {
	case err != nil:
		return err
	case string(head[:6]) != xzMagic && d.first:
		return errXZHeader
	case string(head[:6]) != xzMagic:
		return errTrailing
	case crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]):
		return errXZHeader
	case head[6] != 0 || newXZCheck(head[7]) == nil:
		return errXZFilter
	}
	d.check, d.blocks = head[7], newXZIndex()
	d.first, d.stream = false, true
	return nil
}

// newXZCheck returns the hash of a kind of check: nil if it is unknown.
func newXZCheck(kind byte) hash.Hash {
	switch kind {
	case 0:
		return noCheck{}
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		return sha256.New()
	}
	return nil
}

// nextBlock reads the header of the next block, or the index behind the last.
func (d *xzDecoder) nextBlock() error {
	first, err := d.in.Peek(1)
	if err != nil {
		return unexpected(err)
	}
	if first[0] == 0 {
		return d.index()
	}
	size := 4 * (int(first[0]) + 1)
	head, err := d.take(size)
	if err != nil {
		return err
	}
	if crc32.ChecksumIEEE(head[:size-4]) != binary.LittleEndian.Uint32(head[size-4:]) {
		return errXZHeader
	}
	b := &xzBlock{header: int64(size), wantPacked: -1, wantSize: -1, sum: newXZCheck(d.check)}
	dict, err := b.parse(head[1 : size-4])
	if err != nil {
		return err
	}
	if dict > d.window {
		return overWindow(d.window)
	}
	if d.dicts += dict; !d.allowed(d.dicts) { // as many blocks of nothing would cost
		return errXZBlocks
	}
	b.packed.in = d.in
	if b.data, err = (lzma.Reader2Config{DictCap: int(dict)}).NewReader2(&b.packed); err != nil {
		return err
	}
	d.block = b
	return nil
}

// parse reads the fields of a block header and returns the size of the
// dictionary.
func (b *xzBlock) parse(fields []byte) (dict int64, err error) {
	const (
		filters   = 0x03
		hasPacked = 0x40
		hasSize   = 0x80
		reserved  = 0x3c
	)
	flags := fields[0]
	fields = fields[1:]
	if flags&(filters|reserved) != 0 {
		return 0, errXZFilter // more than one, or unknown
	}
	for _, f := range []struct {
		flag byte
		to   *int64
	}{{hasPacked, &b.wantPacked}, {hasSize, &b.wantSize}} {
		if flags&f.flag == 0 {
			continue
		}
		n, used := binary.Uvarint(fields)
		if used <= 0 || n > 1<<62 {
			return 0, errXZHeader
		}
		*f.to, fields = int64(n), fields[used:]
	}
	const lzma2 = 0x21
	switch {
	case len(fields) < 3:
		return 0, errXZHeader
	case fields[0] != lzma2 || fields[1] != 1:
		return 0, errXZFilter
	}
	if dict, err = lzma.DecodeDictCap(fields[2]); err != nil {
		return 0, errXZHeader
	}
	for _, c := range fields[3:] {
		if c != 0 {
			return 0, errXZPadding
		}
	}
	return max(dict, lzma.MinDictCap), nil
}

// readBlock reads from the block, and what follows its data at its end.
func (d *xzDecoder) readBlock(p []byte) (int, error) {
	b := d.block
	n, err := b.data.Read(p)
	b.sum.Write(p[:n])
	b.size += int64(n)
	switch {
	case b.wantSize >= 0 && b.size > b.wantSize, b.wantPacked >= 0 && b.packed.n > b.wantPacked:
		return n, errXZSize
	case err == io.EOF && b.data.EOS():
		return n, d.endBlock()
	}
	return n, unexpected(err)
}

// endBlock checks the block that was read.
func (d *xzDecoder) endBlock() error {
	b := d.block
	if b.wantSize >= 0 && b.size != b.wantSize || b.wantPacked >= 0 && b.packed.n != b.wantPacked {
		return errXZSize
	}
	if err := d.padding(b.packed.n); err != nil {
		return err
	}
	sum := b.sum.Sum(nil)
	if d.check != 10 { // the others are stored with the lowest byte first
		for i, j := 0, len(sum)-1; i < j; i, j = i+1, j-1 {
			sum[i], sum[j] = sum[j], sum[i]
		}
	}
	stored, err := d.take(len(sum))
	switch {
	case err != nil:
		return err
	case !bytes.Equal(stored, sum):
		return errXZCheck
	}
	d.blocks.add(uint64(b.header+b.packed.n)+uint64(len(sum)), uint64(b.size))
	d.block = nil
	return nil
}

// padding reads the zeroes behind n bytes that make them a multiple of four.
func (d *xzDecoder) padding(n int64) error {
	zeroes, err := d.take(int(-n & 3))
	if err != nil {
		return err
	}
	for _, c := range zeroes {
		if c != 0 {
			return errXZPadding
		}
	}
	return nil
}

// index reads the index and the footer of the stream, and compares them with
// what was met.
func (d *xzDecoder) index() error {
	in := counted{in: d.in, sum: crc32.NewIEEE()}
	_, _ = in.ReadByte() // the indicator, which was seen
	count, err := binary.ReadUvarint(&in)
	if err != nil {
		return indexError(err)
	}
	if count != d.blocks.count {
		return errXZIndex
	}
	told := newXZIndex()
	for range count {
		unpadded, err := binary.ReadUvarint(&in)
		if err != nil {
			return indexError(err)
		}
		size, err := binary.ReadUvarint(&in)
		if err != nil {
			return indexError(err)
		}
		told.add(unpadded, size)
	}
	if !told.equals(d.blocks) {
		return errXZIndex
	}
	for in.n%4 != 0 {
		if c, err := in.ReadByte(); err != nil || c != 0 {
			return errors.Join(errXZPadding, unexpected(err))
		}
	}
	size := in.n + 4
	sum := in.sum.Sum32()
	foot, err := d.take(16)
	switch {
	case err != nil:
		return err
	case binary.LittleEndian.Uint32(foot) != sum:
		return errXZIndex
	case string(foot[14:]) != xzFooterMagic,
		binary.LittleEndian.Uint32(foot[4:]) != crc32.ChecksumIEEE(foot[8:14]),
		4*(int64(binary.LittleEndian.Uint32(foot[8:]))+1) != size,
		foot[12] != 0, foot[13] != d.check:
		return errXZFooter
	}
	d.stream = false
	return nil
}

// indexError is the error of a number in the index.
func indexError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", errXZIndex, err)
}

// take reads the next n bytes, valid until the next call.
func (d *xzDecoder) take(n int) ([]byte, error) {
	if n > len(d.scratch) {
		return nil, errXZHeader
	}
	got, err := io.ReadFull(d.in, d.scratch[:n])
	return d.scratch[:got], unexpected(err)
}

// counted counts, and sums up, what is read.
type counted struct {
	in  *bufio.Reader
	n   int64
	sum hash.Hash32
}

// Read implements [io.Reader].
func (r *counted) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.n += int64(n)
	return n, err
}

// ReadByte implements [io.ByteReader].
func (r *counted) ReadByte() (byte, error) {
	c, err := r.in.ReadByte()
	if err == nil {
		r.n++
		if r.sum != nil {
			r.sum.Write([]byte{c})
		}
	}
	return c, err
}

// noCheck is the check of a file that has none.
type noCheck struct{}

func (noCheck) Write(p []byte) (int, error) { return len(p), nil }
func (noCheck) Sum(b []byte) []byte         { return b }
func (noCheck) Reset()                      {}
func (noCheck) Size() int                   { return 0 }
func (noCheck) BlockSize() int              { return 1 }
