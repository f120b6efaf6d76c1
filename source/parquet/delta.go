package parquet

import (
	"encoding/binary"
	"errors"

	"github.com/parquet-go/parquet-go/format"
)

// The delta encodings:
// https://github.com/apache/parquet-format/blob/master/Encodings.md#delta-encoding-delta_binary_packed--5

var (
	errDelta = errors.New("deltas are not what they should be")
	errLong  = errors.New("value is too long")
)

// deltas are numbers that are stored as differences, in blocks of smaller blocks
// of packed bits.
type deltas struct {
	data   []byte
	short  bool   // of 32 bits
	small  uint64 // numbers in a small block
	smalls int    // small blocks in a block
	left   uint64 // numbers not read yet
	last   int64
	first  bool // last was not read yet

	widths []byte // of the small blocks of the block that are not begun
	least  int64  // of the differences of the block
	inside uint64 // numbers left of the small block
	width  uint
	packed []byte // its bits
	bit    uint64
}

func newDeltas(data []byte, short bool) (*deltas, error) {
	r := &deltas{data: data, short: short, first: true}
	var head [3]uint64 // numbers in a block, small blocks in it, numbers in all
	for i := range head {
		v, n := binary.Uvarint(r.data)
		if n <= 0 {
			return nil, errDelta
		}
		head[i], r.data = v, r.data[n:]
	}
	const mostBlock = 1 << 16
	if head[0] == 0 || head[0] > mostBlock || head[1] == 0 || head[1] > head[0] || head[0]%head[1] != 0 || head[0]/head[1]%8 != 0 {
		return nil, errDelta
	}
	r.smalls, r.small, r.left = int(head[1]), head[0]/head[1], head[2]
	v, n := binary.Varint(r.data)
	if n <= 0 {
		return nil, errDelta
	}
	r.last, r.data = v, r.data[n:]
	return r, nil
}

// next implements [values].
func (r *deltas) next() (value, error) {
	if r.left == 0 {
		return value{}, errValues
	}
	r.left--
	if r.first {
		r.first = false
		return value{n: r.clip()}, nil
	}
	if r.inside == 0 {
		if err := r.begin(r.left + 1); err != nil {
			return value{}, err
		}
	}
	r.inside--
	var d uint64
	for got := uint(0); got < r.width; {
		b := r.packed[r.bit/8] >> (r.bit % 8)
		take := min(8-uint(r.bit%8), r.width-got)
		d |= uint64(b) & (1<<take - 1) << got
		got, r.bit = got+take, r.bit+uint64(take)
	}
	r.last += r.least + int64(d)
	return value{n: r.clip()}, nil
}

// clip returns the last number, which wraps around.
func (r *deltas) clip() int64 {
	if r.short {
		r.last = int64(int32(r.last))
	}
	return r.last
}

// begin begins with the next small block, of which n numbers are wanted.
func (r *deltas) begin(n uint64) error {
	if len(r.widths) == 0 {
		v, size := binary.Varint(r.data)
		if size <= 0 || len(r.data)-size < r.smalls {
			return errDelta
		}
		r.least, r.widths, r.data = v, r.data[size:size+r.smalls], r.data[size+r.smalls:]
	}
	r.width, r.widths = uint(r.widths[0]), r.widths[1:]
	if r.width > 64 {
		return errDelta
	}
	size := int(r.small) * int(r.width) / 8
	if size > len(r.data) { // the last one may be stored as far as it is needed
		size = len(r.data)
		if uint64(size)*8 < min(n, r.small)*uint64(r.width) {
			return errDelta
		}
	}
	r.packed, r.data, r.bit, r.inside = r.data[:size], r.data[size:], 0, r.small
	return nil
}

// rest returns what stands behind all numbers.
func (r deltas) rest() ([]byte, error) {
	if r.left > 0 && r.first {
		r.first, r.left = false, r.left-1
	}
	for r.left > 0 {
		if err := r.begin(r.left); err != nil {
			return nil, err
		}
		r.left -= min(r.left, r.inside)
	}
	return r.data, nil
}

// lengths are byte arrays whose lengths stand before all of them.
type lengths struct {
	of   *deltas
	data []byte
}

func newLengths(data []byte) (*lengths, error) {
	of, err := newDeltas(data, true)
	if err != nil {
		return nil, err
	}
	rest, err := of.rest()
	return &lengths{of, rest}, err
}

func (r *lengths) next() (value, error) {
	n, err := r.of.next()
	switch {
	case err != nil:
		return value{}, err
	case n.n < 0 || n.n > int64(len(r.data)):
		return value{}, errValues
	}
	v := value{bytes: r.data[:n.n]}
	r.data = r.data[n.n:]
	return v, nil
}

// prefixes are byte arrays that begin like the one before.
type prefixes struct {
	leaf   leaf
	common *deltas // how many bytes of it they have
	rests  *lengths
	last   []byte
	limit  int
}

func newPrefixes(l leaf, data []byte, limit int) (*prefixes, error) {
	common, err := newDeltas(data, true)
	if err != nil {
		return nil, err
	}
	data, err = common.rest()
	if err != nil {
		return nil, err
	}
	rests, err := newLengths(data)
	return &prefixes{leaf: l, common: common, rests: rests, limit: limit}, err
}

func (r *prefixes) next() (value, error) {
	n, err := r.common.next()
	if err != nil {
		return value{}, err
	}
	rest, err := r.rests.next()
	switch {
	case err != nil:
		return value{}, err
	case n.n < 0 || n.n > int64(len(r.last)):
		return value{}, errDelta
	case int(n.n)+len(rest.bytes) > r.limit:
		return value{}, errLong
	}
	r.last = append(r.last[:n.n], rest.bytes...)
	if r.leaf.typ == format.FixedLenByteArray && len(r.last) != r.leaf.width {
		return value{}, errValues
	}
	return value{bytes: r.last}, nil
}
