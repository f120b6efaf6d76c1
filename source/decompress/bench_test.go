package decompress

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/unspool-go/unspool/source"
)

// tweets is JSON of n bytes that compresses about as well as such feeds do.
func tweets(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the a of and to in is that it was for on are with as his they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know")
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"created_at":"2026-11-22T0%d:%02d:%02dZ","user":{"id":%d,"followers":%d,"lang":"en"},"text":"`,
			r.Uint64(), r.IntN(10), r.IntN(60), r.IntN(60), r.Uint32(), r.IntN(100_000))
		for range 12 + r.IntN(20) {
			b.WriteString(words[r.IntN(len(words))] + " ")
		}
		b.WriteString("\"}\n")
	}
	return b.String()
}

// BenchmarkOpen reads an object of 8 MiB.
func BenchmarkOpen(b *testing.B) {
	text := tweets(8 << 20)
	files := map[string][]byte{"a.json": []byte(text)}
	for ext, pack := range compress {
		files["a."+ext] = pack(b, text)
	}
	files["lines.bz2"] = vector(b, "lines.bz2")
	for key, data := range files {
		b.Run(key, func(b *testing.B) {
			s, _ := over(b, Config{}, key, data)
			n, err := discard(s, key)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := discard(s, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStandardLibrary is gzip by the standard library, to compare with, and
// zstd by the decoder's own goroutines.
func BenchmarkStandardLibrary(b *testing.B) {
	text := tweets(8 << 20)
	buf := make([]byte, 256<<10)
	b.Run("gz", func(b *testing.B) {
		data := compress["gz"](b, text)
		b.SetBytes(int64(len(text)))
		r := new(stdgzip.Reader)
		for b.Loop() {
			if err := r.Reset(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("zst with goroutines", func(b *testing.B) {
		data := compress["zst"](b, text)
		b.SetBytes(int64(len(text)))
		r, err := zstd.NewReader(nil)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		for b.Loop() {
			if err := r.Reset(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReadObject reads objects of about 3 kB.
func BenchmarkReadObject(b *testing.B) {
	text := tweets(3000)
	files := map[string][]byte{"a.json": []byte(text)}
	for ext, pack := range compress {
		files["a."+ext] = pack(b, text)
	}
	for key, data := range files {
		b.Run(key, func(b *testing.B) {
			s, _ := over(b, Config{}, key, data)
			o := source.Object{Key: key, Size: -1}
			buf := make([]byte, 0, 256<<10+1)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.(source.SmallReader).ReadObject(b.Context(), o, buf, 256<<10); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}
