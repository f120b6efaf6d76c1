package source

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/unspool-go/unspool/internal/jsonscan"
)

// benchDocument is a JSON document of about 2.4 KB, nested like a tweet.
func benchDocument(id int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"id":%d,"text":%q,"user":{"id":%d,"name":"somebody","verified":false},"entities":{"hashtags":[`, id, strings.Repeat("some words of text ", 12), id%97)
	for i := range 24 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"text":"hashtag%02d","indices":[%d,%d],"weight":%d.25}`, i, i*10, i*10+9, i)
	}
	fmt.Fprintf(&b, `],"urls":[]},"note":%q,"lang":"en","truncated":true,"geo":null}`, strings.Repeat("a longer note ", 50))
	return b.Bytes()
}

// BenchmarkSplitter is the cutting alone; an operation is one record. The
// floor is one validating scan of the record.
func BenchmarkSplitter(b *testing.B) {
	doc := benchDocument(1)
	lines := bytes.Repeat(append(doc, '\n'), 100)
	array := append(append([]byte{'['}, bytes.Repeat(append(doc[:len(doc):len(doc)], ','), 99)...), append(doc[:len(doc):len(doc)], ']')...)
	statuses := append(append([]byte(`{"meta":1,"statuses":`), array...), '}')

	b.Run("scan alone", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if _, err := jsonscan.Value(doc, 0, 10_000); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, c := range []struct {
		name    string
		cfg     Split
		data    []byte
		records int
	}{
		{"one document an object", Split{}, doc, 1},
		{"NDJSON, auto", Split{}, lines, 100},
		{"NDJSON, lines", Split{Format: FormatLines}, lines, 100},
		{"NDJSON, raw lines", Split{Format: FormatLines, Raw: true}, lines, 100},
		{"array", Split{}, array, 100},
		{"path", Split{Records: "statuses"}, statuses, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := NewSplitter(c.cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(c.data) / c.records))
			for seen := 0; seen < b.N; {
				s.Reset()
				for data := c.data; ; {
					t := s.Next(data, true)
					data = data[t.Advance:]
					if t.Kind == TokenEnd {
						break
					}
					if t.Kind != TokenRecord {
						b.Fatal(t.Err)
					}
					seen++
				}
			}
		})
	}
	b.Run("one document an object, AtValue", func(b *testing.B) {
		s, err := NewSplitter(Split{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			s.Reset()
			start, end, _ := s.AtValue(doc, true)
			t, ok := s.Took(end - start) // what else costs is the caller's
			if !ok || s.Next(doc[t.Advance:], true).Kind != TokenEnd {
				b.Fatal("not taken")
			}
		}
	})
}
