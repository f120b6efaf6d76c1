package csv

import (
	"bytes"
	"context"
	stdcsv "encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// transactions is CSV of about n bytes with 16 columns; with quotes, three of
// them are quoted.
func transactions(n int, quotes bool) []byte {
	var b bytes.Buffer
	b.WriteString("id,account,created_at,amount,currency,merchant,category,city,country,card,status,channel,device,reference,score,note\n")
	q := ""
	if quotes {
		q = `"`
	}
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,AC%08d,2026-11-22T10:%02d:%02dZ,%d.%02d,USD,%sMerchant %d%s,groceries,%sSpringfield%s,US,****%04d,settled,online,d-%x,REF-%d,0.%03d,%ssome words of a note%s\n",
			100_000+i, i*7, i%60, i%59, i%900, i%100, q, i%1000, q, q, q, i%10_000, uint32(i*2654435761), i, i%1000, q, q)
	}
	return b.Bytes()
}

func BenchmarkRows(b *testing.B) {
	for _, quotes := range []bool{false, true} {
		data := transactions(8<<20, quotes)
		name := map[bool]string{false: "plain", true: "quoted"}[quotes]
		b.Run(name+"/fields alone", func(b *testing.B) {
			cfg := Config{}.withDefaults()
			s := newScanner(&cfg)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				s.read(bytes.NewReader(data))
				for {
					if _, v := s.next(); v == rowMore {
						break
					}
				}
			}
		})
		b.Run(name+"/fields alone, encoding csv", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r := stdcsv.NewReader(bytes.NewReader(data))
				r.ReuseRecord = true
				for {
					if _, err := r.Read(); err != nil {
						break
					}
				}
			}
		})
		b.Run(name+"/to JSON", func(b *testing.B) {
			m := &sourcetest.Memory{}
			m.Put("a.csv", data)
			s, err := New(m, Config{})
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 256<<10)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r, _, err := s.Open(context.Background(), source.Object{Key: "a.csv", Size: -1}, 0, -1)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
		b.Run(name+"/to JSON, encoding csv and json", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r := stdcsv.NewReader(bytes.NewReader(data))
				r.ReuseRecord = true
				var names []string
				out := json.NewEncoder(io.Discard)
				for {
					fields, err := r.Read()
					if err != nil {
						break
					}
					if names == nil {
						names = append(names, fields...)
						continue
					}
					row := make(map[string]string, len(names))
					for i, name := range names {
						row[name] = fields[i]
					}
					if err := out.Encode(row); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
