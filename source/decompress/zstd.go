package decompress

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// zstdDecoder decodes RFC 8878: one frame or several, those to be skipped among
// them. Dictionaries are not supported.
type zstdDecoder struct {
	in     *bufio.Reader
	z      *zstd.Decoder
	window int64
}

// newZstd returns a decoder that runs in the goroutine of who reads: it has none
// of its own, and may be left to the garbage collector.
func newZstd(in *bufio.Reader, window int64) *zstdDecoder {
	d := &zstdDecoder{in: in, window: window}
	// The options are right: Config is checked.
	d.z, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(window)), zstd.WithDecoderMaxMemory(uint64(window)))
	return d
}

func (d *zstdDecoder) reset() error {
	if _, err := d.in.Peek(1); err != nil {
		return unexpected(err) // there must be a frame
	}
	return d.z.Reset(d.in)
}

// Read implements [io.Reader].
func (d *zstdDecoder) Read(p []byte) (int, error) {
	n, err := d.z.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = overWindow(d.window)
	}
	return n, err
}

func overWindow(limit int64) error {
	return fmt.Errorf("it needs a window of more than %d bytes to be decompressed", limit)
}

// zstdSize is how long the first frame of an object says that it gets.
func zstdSize(data []byte) int64 {
	var h zstd.Header
	if h.Decode(data) != nil || !h.HasFCS {
		return 0
	}
	return int64(min(h.FrameContentSize, 1<<62))
}
