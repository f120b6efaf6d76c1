package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

const (
	magic      = "PAR1"
	secret     = "PARE"
	tailLength = 4 + len(magic) // the length of the footer, and the mark
)

var (
	errNoParquet = errors.New("no parquet")
	errEncrypted = errors.New("encrypted")
	errFooter    = errors.New("footer is not what it should be")
)

// footer reads the footer of an object.
func (f *file) footer() (*format.FileMetaData, error) {
	if f.size() < int64(len(magic)+tailLength) {
		return nil, errNoParquet
	}
	var tail [tailLength]byte
	if err := f.readAt(tail[:], f.size()-int64(tailLength)); err != nil {
		return nil, err
	}
	switch string(tail[4:]) {
	case magic:
	case secret:
		return nil, errEncrypted
	default:
		return nil, errNoParquet
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	switch {
	case n > f.size()-int64(len(magic)+tailLength):
		return nil, errFooter
	case n > f.cfg.MaxFooterBytes:
		return nil, fmt.Errorf("footer of %d bytes is over the limit of %d", n, f.cfg.MaxFooterBytes)
	}
	f.data = f.size() - int64(tailLength) - n
	data := make([]byte, n)
	if err := f.readAt(data, f.data); err != nil {
		return nil, err
	}
	length, err := measure(data)
	if err != nil {
		return nil, errFooter
	}
	meta := new(format.FileMetaData)
	if err := unmarshal(data[:length], meta); err != nil {
		return nil, errFooter
	}
	return meta, nil
}
