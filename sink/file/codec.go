package file

import (
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// encoder compresses what is written; Close completes the stream, and leaves
// the writer behind it open.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// codec makes encoders of one kind.
type codec func() (encoder, error)

// codecOf returns the codec that an extension asks for.
func codecOf(ext string) codec {
	switch {
	case strings.HasSuffix(ext, ".gz"):
		return func() (encoder, error) { return gzip.NewWriter(nil), nil }
	case strings.HasSuffix(ext, ".zst"):
		return func() (encoder, error) {
			// One thread: the workers of a run are what fills the cores.
			return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		}
	}
	return func() (encoder, error) { return new(plain), nil }
}

// encode starts a stream to w. Encoders hold large tables, but a file is begun
// seldom enough to make new ones.
func (c codec) encode(w io.Writer) (encoder, error) {
	enc, err := c()
	if err != nil {
		return nil, err
	}
	enc.Reset(w)
	return enc, nil
}

// plain is the encoder that does nothing.
type plain struct{ w io.Writer }

func (p *plain) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *plain) Close() error                { return nil }
func (p *plain) Reset(w io.Writer)           { p.w = w }
