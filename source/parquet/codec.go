package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

var errPageSize = errors.New("page is not as long as its header says")

// unpacker decompresses pages. The zero value is ready to use.
type unpacker struct{ zstd *zstd.Decoder }

// unpack returns the size bytes that data was compressed from, and no more
// whatever is in it. dst may be used.
func (u *unpacker) unpack(codec format.CompressionCodec, dst, data []byte, size int) ([]byte, error) {
	switch codec {
	case format.Uncompressed:
		if len(data) != size {
			return nil, errPageSize
		}
		return append(dst[:0], data...), nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(data); err != nil || n != size {
			return nil, errPageSize
		}
		return snappy.Decode(grow(dst, size), data)
	case format.Lz4Raw:
		dst = grow(dst, size)
		n, err := lz4.UncompressBlock(data, dst)
		if err == nil && n != size {
			err = errPageSize
		}
		return dst, err
	case format.Gzip:
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return readExactly(dst, r, size)
	case format.Brotli:
		return readExactly(dst, brotli.NewReader(bytes.NewReader(data)), size)
	case format.Zstd:
		if err := u.openZstd(data); err != nil {
			return nil, err
		}
		return readExactly(dst, u.zstd, size)
	default: // LZO, and LZ4 in frames of Hadoop's own
		return nil, fmt.Errorf("compressed with %v, which is not known", codec)
	}
}

// openZstd begins with a page of zstd.
func (u *unpacker) openZstd(data []byte) (err error) {
	if u.zstd == nil {
		u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
	}
	return u.zstd.Reset(bytes.NewReader(data))
}

// close releases everything.
func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

// maxWindow is how far back a page of zstd may refer.
const maxWindow = 64 << 20

func readExactly(dst []byte, r io.Reader, size int) ([]byte, error) {
	dst = grow(dst, size)
	if _, err := io.ReadFull(r, dst); err != nil {
		return nil, errors.Join(errPageSize, err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1)); err != io.EOF {
		return nil, errPageSize
	}
	return dst, nil
}

// grow returns n bytes, of dst if it has so many.
func grow(dst []byte, n int) []byte {
	if cap(dst) < n {
		return make([]byte, n)
	}
	return dst[:n]
}
