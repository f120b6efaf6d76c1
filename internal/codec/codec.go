// Package codec compresses what is written to a file, as the extension of its
// name asks.
package codec

import (
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// NewWriter returns a writer that compresses to w if ext ends in .gz (gzip) or
// .zst (zstd), and otherwise passes everything on as it is. Close completes the
// stream, and leaves w open.
//
// Encoders hold large tables, but a file is begun seldom enough to make new
// ones.
func NewWriter(w io.Writer, ext string) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(ext, ".gz"):
		return gzip.NewWriter(w), nil
	case strings.HasSuffix(ext, ".zst"):
		// One thread: the workers of a run are what fills the cores.
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return plain{w}, nil
}

// plain is the encoder that does nothing.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }
