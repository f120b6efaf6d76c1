package web_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/source/web"
)

// generated is a transport that answers with a page of so many names, made as it
// is read.
type generated struct {
	format string
	names  int
}

var generators = map[string]struct {
	begin, end string
	entry      func(b *strings.Builder, n int)
}{
	"nginx-json": {"[\r\n", "\r\n]", func(b *strings.Builder, n int) {
		if n > 0 {
			b.WriteString(",\r\n")
		}
		fmt.Fprintf(b, `{ "name":"tweet-%07d.json", "type":"file", "mtime":"Sun, 22 Nov 2026 08:22:%02d GMT", "size":2400 }`, n, n/6000%60)
	}},
	"nginx-xml": {"<?xml version=\"1.0\"?>\r\n<list>\r\n", "</list>", func(b *strings.Builder, n int) {
		fmt.Fprintf(b, "<file mtime=\"2026-11-22T08:22:%02dZ\" size=\"2400\">tweet-%07d.json</file>\r\n", n/6000%60, n)
	}},
	"nginx-html": {"<html>\r\n<head><title>Index of /</title></head>\r\n<body>\r\n<h1>Index of /</h1><hr><pre><a href=\"../\">../</a>\r\n", "</pre><hr></body>\r\n</html>", func(b *strings.Builder, n int) {
		fmt.Fprintf(b, "<a href=\"tweet-%07d.json\">tweet-%07d.json</a>                                 22-Nov-2026 08:22                2400\r\n", n, n)
	}},
	"apache-table": {"<!DOCTYPE HTML>\n<html>\n<head><title>Index of /</title></head><body><table>", "</table></body></html>", func(b *strings.Builder, n int) {
		fmt.Fprintf(b, "<tr><td valign=\"top\">&nbsp;</td><td><a href=\"tweet-%07d.json\">tweet-%07d.json</a></td><td align=\"right\">2026-11-22 08:22  </td><td align=\"right\">2.4K </td><td>&nbsp;</td></tr>\n", n, n)
	}},
	"caddy-json": {"[", "]\n", func(b *strings.Builder, n int) {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, `{"name":"tweet-%07d.json","size":2400,"url":"./tweet-%07d.json","mod_time":"2026-11-22T08:22:%02d.897548034Z","mode":420,"is_dir":false,"is_symlink":false}`, n, n, n/6000%60)
	}},
	"python": {"<!DOCTYPE HTML>\n<html><head><title>Directory listing for /</title></head><body><ul>\n", "</ul></body></html>", func(b *strings.Builder, n int) {
		fmt.Fprintf(b, "<li><a href=\"tweet-%07d.json\">tweet-%07d.json</a></li>\n", n, n)
	}},
}

func (g generated) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ProtoMajor: 1, ContentLength: -1,
		TransferEncoding: []string{"chunked"}, Body: io.NopCloser(&generator{generated: g})}, nil
}

type generator struct {
	generated
	next int
	buf  strings.Builder
	rest string
}

func (g *generator) Read(p []byte) (int, error) {
	of := generators[g.format]
	for g.rest == "" {
		g.buf.Reset()
		switch {
		case g.next > g.names+1:
			return 0, io.EOF
		case g.next == 0:
			g.buf.WriteString(of.begin)
		case g.next <= g.names:
			for range 100 {
				if g.next <= g.names {
					of.entry(&g.buf, g.next-1)
					g.next++
				}
			}
			g.next--
		default:
			g.buf.WriteString(of.end)
		}
		g.next++
		g.rest = g.buf.String()
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// TestAMillionNamesTakeNoMemory, in each format.
func TestAMillionNamesTakeNoMemory(t *testing.T) {
	for format := range generators {
		t.Run(format, func(t *testing.T) {
			names := 20_000
			switch {
			case testing.Short(): // as under the race detector
				names = 4_000
			case format == "nginx-json" && testtool.Brief():
				names = 50_000
			case format == "nginx-json":
				names = 1_000_000 // the others go by the same loop, and take seconds
			}
			s := open(t, "http://files.example/", web.Config{Transport: generated{format, names}})
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			seen, most := 0, uint64(0)
			for o, err := range s.Objects(t.Context()) {
				require.NoError(t, err)
				if seen++; seen%(names/4) == 0 {
					require.True(t, strings.HasPrefix(o.Key, "tweet-"))
					runtime.GC()
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapAlloc)
				}
			}
			require.Equal(t, names, seen)
			used := int64(most) - int64(before.HeapAlloc)
			t.Logf("%d bytes of heap", used)
			assert.Less(t, used, int64(1<<20))
		})
	}
}

// BenchmarkObjects is a listing; an operation is one name.
func BenchmarkObjects(b *testing.B) {
	for format := range generators {
		b.Run(format, func(b *testing.B) {
			// The page is made beforehand: what it costs is not the client's.
			const names = 10_000
			page, _ := io.ReadAll(&generator{generated: generated{format, names}})
			s := open(b, "http://files.example/", web.Config{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				resp := answerOf("200 OK")
				resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(page)), int64(len(page))
				return resp, nil
			})})
			b.ReportAllocs()
			b.SetBytes(int64(len(page) / names))
			b.ResetTimer()
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
	}
}

// cpu is the processor time that this process has used, without its children.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkNginx is the client's side of a real server: a listing of 10,000
// files of 2.4 KB, and reading them by 16 readers: as a source does, as it does
// over net/http, and by net/http alone. cpu-ns/op is the processor time.
func BenchmarkNginx(b *testing.B) {
	const files = 10_000
	root := folder(b)
	content := []byte(strings.Repeat("x", 2400))
	for i := range files {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("tweet-%07d.json", i)), content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	url := nginx("autoindex_format json;")(b, root)
	s := open(b, url, web.Config{})
	report := func(b *testing.B, began time.Duration) {
		b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
	b.Run("Objects", func(b *testing.B) {
		began := cpu(b)
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
		report(b, began)
	})
	read := func(b *testing.B, one func(key string, dst []byte) error) {
		b.ReportAllocs()
		keys := make([]string, 0, files)
		for o := range s.Objects(b.Context()) {
			keys = append(keys, o.Key)
		}
		var next atomic.Int64
		var wg sync.WaitGroup
		b.ResetTimer()
		began := cpu(b)
		for range 16 {
			wg.Go(func() {
				dst := make([]byte, 0, 4096)
				for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
					if err := one(keys[i%files], dst); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		report(b, began)
	}
	b.Run("ReadObject", func(b *testing.B) {
		read(b, func(key string, dst []byte) error {
			_, _, err := s.ReadObject(b.Context(), object(key), dst, 1<<20)
			return err
		})
	})
	b.Run("ReadObject/net-http", func(b *testing.B) {
		transport := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
		defer transport.CloseIdleConnections()
		s := open(b, url, web.Config{Transport: transport})
		read(b, func(key string, dst []byte) error {
			_, _, err := s.ReadObject(b.Context(), object(key), dst, 1<<20)
			return err
		})
	})
	b.Run("http.Get", func(b *testing.B) {
		client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}
		defer client.CloseIdleConnections()
		read(b, func(key string, dst []byte) error {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+key, http.NoBody)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.ReadFull(resp.Body, dst[:2400])
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			return err
		})
	})
}
