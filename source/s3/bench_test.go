package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/source/s3"
)

// replay answers each request of an operation as it was answered first, so that
// benchmarks measure clients and not the fake.
type replay struct {
	next    http.RoundTripper
	answers map[string]recorded
}

type recorded struct {
	resp http.Response
	body string
}

func (p *replay) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	id := operation(r) + r.URL.Path + q.Get("continuation-token") + r.Header.Get("Range")
	was, ok := p.answers[id]
	if !ok {
		resp, err := p.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		was = recorded{*resp, string(body)}
		p.answers[id] = was
	}
	resp := was.resp
	resp.Header, resp.Request = resp.Header.Clone(), r
	resp.Body = io.NopCloser(strings.NewReader(was.body))
	return &resp, nil
}

func benchSource(b *testing.B, f *fake) (*s3.Source, *awss3.Client) {
	client := clientOf("http://s3.test", &replay{f, map[string]recorded{}})
	s, err := s3.New(client, s3.Config{Bucket: "feed", Prefix: "in"})
	if err != nil {
		b.Fatal(err)
	}
	return s, client
}

// BenchmarkObjects is the listing of a bucket; an operation is one name. The
// baseline is a loop over the pages of the SDK.
func BenchmarkObjects(b *testing.B) {
	f := &fake{}
	numbered(f, 10_000)
	s, client := benchSource(b, f)
	b.Run("Objects", func(b *testing.B) {
		b.ReportAllocs()
		for seen := 0; seen < b.N; {
			for _, err := range s.Objects(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				if seen++; seen == b.N {
					break
				}
			}
		}
	})
	b.Run("SDK", func(b *testing.B) {
		b.ReportAllocs()
		bucket, prefix := "feed", "in/"
		for seen := 0; seen < b.N; {
			pages := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
			for pages.HasMorePages() && seen < b.N {
				page, err := pages.NextPage(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				seen += len(page.Contents)
			}
		}
	})
}

// BenchmarkReadObject is one object of 2.4 KB. The baseline is what one writes
// with the SDK.
func BenchmarkReadObject(b *testing.B) {
	f := &fake{}
	f.put("in/a.json", long(2400))
	s, client := benchSource(b, f)
	var o = object("a.json")
	for o = range s.Objects(b.Context()) {
		break
	}
	b.Run("ReadObject", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 4096)
		for b.Loop() {
			if _, _, err := s.ReadObject(b.Context(), o, dst, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("SDK", func(b *testing.B) {
		b.ReportAllocs()
		bucket, name := "feed", "in/a.json"
		for b.Loop() {
			out, err := client.GetObject(b.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: &name})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(out.Body); err != nil {
				b.Fatal(err)
			}
			out.Body.Close()
		}
	})
}

// BenchmarkOpen is one object of 64 MiB, read in parts and in one piece.
func BenchmarkOpen(b *testing.B) {
	const size = 64 << 20
	f := &fake{}
	f.put("in/long", strings.Repeat("x", size))
	for _, part := range []int64{1 << 20, 8 << 20, 2 * size} {
		b.Run(fmt.Sprintf("parts of %d MiB", part>>20), func(b *testing.B) {
			client := clientOf("http://s3.test", f)
			s, err := s3.New(client, s3.Config{Bucket: "feed", Prefix: "in", PartBytes: part})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			for b.Loop() {
				r, _, err := s.Open(b.Context(), listed(b, s), 0, -1)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, r); n != size || err != nil {
					b.Fatal(n, err)
				}
				r.Close()
			}
		})
	}
}
