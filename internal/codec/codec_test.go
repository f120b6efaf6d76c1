package codec_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/codec"
)

func TestNewWriter(t *testing.T) {
	text := strings.Repeat("a line of text\n", 1000)
	for ext, decode := range map[string]func(io.Reader) (io.Reader, error){
		".ndjson":     func(r io.Reader) (io.Reader, error) { return r, nil },
		"":            func(r io.Reader) (io.Reader, error) { return r, nil },
		".ndjson.gz":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		".ndjson.zst": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	} {
		var stored bytes.Buffer
		w, err := codec.NewWriter(&stored, ext)
		require.NoError(t, err)
		_, err = io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		r, err := decode(&stored)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, text, string(got), ext)
	}
}
