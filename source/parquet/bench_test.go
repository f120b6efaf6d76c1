package parquet

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// BenchmarkRows reads 50,000 rows, and does the same with the reader of parquet-go
// and encoding/json. Bytes are those of the JSON.
func BenchmarkRows(b *testing.B) {
	rows, _ := trades(50_000)
	data := write(b, rows, pq.Compression(&pq.Snappy))
	s, _ := over(b, Config{}, data)
	n, err := discard(s, "a.parquet")
	require.NoError(b, err)
	b.Run("to JSON", func(b *testing.B) {
		b.SetBytes(n)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := discard(s, "a.parquet"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("to JSON, parquet-go and encoding json", func(b *testing.B) {
		b.SetBytes(n)
		b.ReportAllocs()
		for b.Loop() {
			r := pq.NewGenericReader[trade](bytes.NewReader(data))
			out := json.NewEncoder(io.Discard)
			buf := make([]trade, 100)
			for {
				k, err := r.Read(buf)
				for i := range buf[:k] {
					if err := out.Encode(&buf[i]); err != nil {
						b.Fatal(err)
					}
				}
				if err != nil {
					break
				}
			}
			r.Close()
		}
	})
}
