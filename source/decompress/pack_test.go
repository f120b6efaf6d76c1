package decompress

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// What the tools themselves have made of records.json: gzip -9n, zstd -19,
// bzip2 -1, xz (records.default.xz) and xz --lzma2=dict=64KiB, and of lines():
// bzip2 -1 and xz --block-size=65536.
//
//go:embed testdata
var testdata embed.FS

func vector(t testing.TB, name string) []byte {
	data, err := testdata.ReadFile(path.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// lines is what lines.bz2 and lines.xz hold.
func lines() string {
	var b strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&b, "{\"id\":%d,\"text\":\"line %d of many, %x\"}\n", i, i, uint32(i*2654435761))
	}
	return b.String()
}

// compress is how objects are compressed: by the codecs that Go can write.
var compress = map[string]func(t testing.TB, data string) []byte{
	"gz": func(t testing.TB, data string) []byte {
		return packed(t, data, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	},
	"zst": func(t testing.TB, data string) []byte {
		return packed(t, data, func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		})
	},
	"xz": func(t testing.TB, data string) []byte {
		return packed(t, data, func(w io.Writer) (io.WriteCloser, error) {
			return xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w)
		})
	},
}

func packed(t testing.TB, data string, open func(io.Writer) (io.WriteCloser, error)) []byte {
	var b bytes.Buffer
	w, err := open(&b)
	require.NoError(t, err)
	_, err = io.WriteString(w, data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// over returns a source over one stored object.
func over(t testing.TB, cfg Config, key string, data []byte) (source.Source, *sourcetest.Memory) {
	m := &sourcetest.Memory{}
	m.Put(key, data)
	s, err := New(m, cfg)
	require.NoError(t, err)
	return s, m
}

// readAll reads an object to its end, or as far as it goes.
func readAll(s source.Source, key string) (string, error) {
	return readSizes(s, key, 32<<10)
}

// readSizes is readAll with reads of the given size.
func readSizes(s source.Source, key string, size int) (string, error) {
	r, _, err := s.Open(context.Background(), source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var b strings.Builder
	for buf := make([]byte, size); ; {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
	}
}
