package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// values reads the values of a page, one after the other, from its bytes: no
// number that stands in a page takes memory.
type values interface {
	// next returns the next value. Its bytes are valid until the next call.
	next() (value, error)
}

var (
	errValues   = errors.New("page holds fewer values than it says")
	errEncoding = errors.New("encoding is not one of its type")
	errNoDict   = errors.New("dictionary is not there")
	errIndex    = errors.New("value is not in the dictionary")
)

// plainDictionary is what old writers say for a dictionary and for its indexes.
const plainDictionary = format.Encoding(2)

// newValues returns the values of a page. limit is how long one may get.
func newValues(l leaf, e format.Encoding, data []byte, dict []value, limit int) (values, error) {
	switch e {
	case format.Plain:
		return plainValues(l, data), nil
	case plainDictionary, format.RLEDictionary:
		if dict == nil {
			return nil, errNoDict
		}
		if len(data) == 0 {
			return &indexed{}, nil // of nulls alone
		}
		if data[0] > 32 {
			return nil, errRuns
		}
		return &indexed{dict: dict, runs: newHybrid(data[1:], uint(data[0]))}, nil
	case format.RLE:
		if l.typ != format.Boolean || len(data) < 4 {
			break
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			return nil, errValues
		}
		return &flags{newHybrid(data[4:4+n], 1)}, nil
	case format.DeltaBinaryPacked:
		if l.integer() {
			return newDeltas(data, l.typ == format.Int32)
		}
	case format.DeltaLengthByteArray:
		if l.typ == format.ByteArray {
			return newLengths(data)
		}
	case format.DeltaByteArray:
		if l.typ == format.ByteArray || l.typ == format.FixedLenByteArray {
			return newPrefixes(l, data, limit)
		}
	case format.ByteStreamSplit:
		if l.width > 0 && l.typ != format.Int96 && len(data)%l.width == 0 {
			return &streams{leaf: l, data: data, count: len(data) / l.width, buf: make([]byte, l.width)}, nil
		}
	default:
	}
	return nil, fmt.Errorf("%v: %w", e, errEncoding)
}

func plainValues(l leaf, data []byte) values {
	switch l.typ {
	case format.Boolean:
		return &bools{data: data}
	case format.ByteArray:
		return &counted{data}
	default:
		return &fixed{l, data}
	}
}

// value returns the value that a number of bytes of the width stands for.
func (l leaf) value(b []byte) value {
	switch l.typ {
	case format.Int32:
		return value{n: int64(int32(binary.LittleEndian.Uint32(b)))}
	case format.Float:
		return value{n: int64(binary.LittleEndian.Uint32(b))}
	case format.Int64, format.Double:
		return value{n: int64(binary.LittleEndian.Uint64(b))}
	default:
		return value{bytes: b}
	}
}

// fixed are values of a fixed length.
type fixed struct {
	leaf leaf
	data []byte
}

func (r *fixed) next() (value, error) {
	if len(r.data) < r.leaf.width {
		return value{}, errValues
	}
	v := r.leaf.value(r.data[:r.leaf.width])
	r.data = r.data[r.leaf.width:]
	return v, nil
}

// counted are byte arrays with their lengths before them.
type counted struct{ data []byte }

func (r *counted) next() (value, error) {
	if len(r.data) < 4 {
		return value{}, errValues
	}
	n := uint64(binary.LittleEndian.Uint32(r.data))
	if n > uint64(len(r.data)-4) {
		return value{}, errValues
	}
	v := value{bytes: r.data[4 : 4+n]}
	r.data = r.data[4+n:]
	return v, nil
}

// bools are bools of one bit.
type bools struct {
	data []byte
	at   int
}

func (r *bools) next() (value, error) {
	if r.at/8 >= len(r.data) {
		return value{}, errValues
	}
	v := value{n: int64(r.data[r.at/8] >> (r.at % 8) & 1)}
	r.at++
	return v, nil
}

// flags are bools in runs.
type flags struct{ runs hybrid }

func (r *flags) next() (value, error) {
	n, err := r.runs.next()
	return value{n: int64(n)}, err
}

// indexed are values of a dictionary.
type indexed struct {
	dict []value
	runs hybrid
}

func (r *indexed) next() (value, error) {
	i, err := r.runs.next()
	switch {
	case err != nil:
		return value{}, err
	case uint64(i) >= uint64(len(r.dict)):
		return value{}, errIndex
	}
	return r.dict[i], nil
}

// streams are values whose first bytes stand before all second ones, and so on.
type streams struct {
	leaf  leaf
	data  []byte
	count int
	at    int
	buf   []byte
}

func (r *streams) next() (value, error) {
	if r.at == r.count {
		return value{}, errValues
	}
	for i := range r.buf {
		r.buf[i] = r.data[i*r.count+r.at]
	}
	r.at++
	return r.leaf.value(r.buf), nil
}
