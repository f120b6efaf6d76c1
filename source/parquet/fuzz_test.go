package parquet

import (
	"bytes"
	"encoding/json"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// seeds are sound objects of every type and encoding.
func seeds(t testing.TB) [][]byte {
	rows, _ := trades(20)
	var out [][]byte
	for _, codec := range []compress.Codec{&pq.Uncompressed, &pq.Snappy, &pq.Zstd} {
		for _, version := range []int{1, 2} {
			options := []pq.WriterOption{pq.Compression(codec), pq.DataPageVersion(version)}
			out = append(out, write(t, rows, options...), write(t, []everything{sample()}, options...))
		}
	}
	return out
}

// hostile bounds what a test takes.
var hostile = Config{MaxMemoryBytes: 4 << 20, MaxFooterBytes: 1 << 20, MaxRowBytes: 1 << 16, MaxRatio: 1}

// checkHostile reads whatever it is to its end: lines of JSON, flaws, and at the
// end io.EOF or a defect.
func checkHostile(t testing.TB, data []byte) {
	s, _ := over(t, hostile, data)
	got, _, err := read(s, "a.parquet")
	if err != nil {
		require.True(t, fault.Is(err, fault.ClassCorrupt), "%v", err)
	}
	for line := range bytes.Lines([]byte(got)) {
		if line[0] != 0 {
			require.True(t, json.Valid(line), "%q", line)
		}
	}
	split, err := source.NewSplitter(source.Split{Format: source.FormatLines})
	require.NoError(t, err)
	for rest := []byte(got); ; {
		tok := split.Next(rest, true)
		rest = rest[tok.Advance:]
		if tok.Kind == source.TokenEnd {
			return
		}
		require.True(t, tok.Kind == source.TokenRecord || source.IsFlaw(tok.Err))
	}
}

// TestEveryByteMayBeWrong sets each byte of sound objects to others.
func TestEveryByteMayBeWrong(t *testing.T) {
	stride := 3
	if testtool.Brief() {
		stride = 131
	}
	if testing.Short() {
		stride = 997
	}
	for _, data := range seeds(t) {
		for at := 0; at < len(data); at += stride {
			was := data[at]
			for _, b := range []byte{0, 0x7f, 0xff, was ^ 1, was ^ 0x80} {
				data[at] = b
				checkHostile(t, data)
			}
			data[at] = was
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			t.Skip("longer than needed")
		}
		checkHostile(t, data)
	})
}
