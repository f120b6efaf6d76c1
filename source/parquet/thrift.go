package parquet

import (
	"encoding/binary"
	"errors"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// Thrift is what the footer of an object and the headers of its pages are
// written in. A decoder of it believes what it is told of lengths, and calls
// itself for what is nested: so what it gets is walked through before.

var (
	errThrift = errors.New("not what it should be")
	errShort  = errors.New("cut off")
)

// maxNesting is how deep structures may nest. Those of parquet do less than ten.
const maxNesting = 32

// walk walks through a structure in the compact protocol of Thrift.
type walk struct {
	data    []byte
	at      int
	structs int // in lists
}

// measure returns how long the structure is that data begins with. errShort means
// that data ends before it does.
func measure(data []byte) (int, error) {
	w := walk{data: data}
	if err := w.structure(0); err != nil {
		return 0, err
	}
	const leastStruct = 12 // bytes of those in lists, on average
	if w.structs*leastStruct > w.at+1024 {
		return 0, errThrift
	}
	return w.at, nil
}

// unmarshal decodes a structure that was measured.
func unmarshal(data []byte, into any) error {
	return thrift.Unmarshal(&thrift.CompactProtocol{}, data, into)
}

func (w *walk) byte() (byte, error) {
	if w.at == len(w.data) {
		return 0, errShort
	}
	w.at++
	return w.data[w.at-1], nil
}

func (w *walk) uvarint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.at:])
	switch {
	case n < 0:
		return 0, errThrift
	case n == 0:
		return 0, errShort
	}
	w.at += n
	return v, nil
}

func (w *walk) skip(n uint64) error {
	if n > uint64(len(w.data)-w.at) {
		return errShort
	}
	w.at += int(n)
	return nil
}

func (w *walk) structure(depth int) error {
	if depth > maxNesting {
		return errThrift
	}
	for {
		head, err := w.byte()
		if err != nil {
			return err
		}
		typ := thrift.Type(head & 0xf)
		if typ == thrift.STOP {
			return nil
		}
		if head>>4 == 0 { // the number of the field follows
			if _, err := w.uvarint(); err != nil {
				return err
			}
		}
		if typ == thrift.TRUE || typ == thrift.FALSE {
			continue
		}
		if err := w.value(typ, depth+1); err != nil {
			return err
		}
	}
}

func (w *walk) value(typ thrift.Type, depth int) error {
	switch typ {
	case thrift.TRUE, thrift.FALSE, thrift.I8:
		return w.skip(1)
	case thrift.I16, thrift.I32, thrift.I64:
		_, err := w.uvarint()
		return err
	case thrift.DOUBLE:
		return w.skip(8)
	case thrift.BINARY:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thrift.LIST, thrift.SET:
		return w.list(depth)
	case thrift.STRUCT:
		return w.structure(depth)
	default: // a map or something else that parquet has not
		return errThrift
	}
}

func (w *walk) list(depth int) error {
	if depth > maxNesting {
		return errThrift
	}
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 0xf {
		if n, err = w.uvarint(); err != nil {
			return err
		}
	}
	typ := thrift.Type(head & 0xf)
	if n > uint64(len(w.data)-w.at) { // each takes a byte
		return errShort
	}
	if typ == thrift.STRUCT {
		w.structs += int(n)
	}
	for range n {
		if err := w.value(typ, depth+1); err != nil {
			return err
		}
	}
	return nil
}
