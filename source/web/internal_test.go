package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// readPage reads a page to its end as a listing does, and returns what it lists.
func readPage(t testing.TB, page []byte, format Format) (names []entry, err error) {
	t.Helper()
	gap := &gapReader{in: bytes.NewReader(page), left: maxGap}
	in := bufio.NewReader(gap)
	d := &document{gap: gap, body: io.NopCloser(gap)}
	switch format {
	case FormatJSON:
		d.parser = newJSONPage(in, "/feed/")
	case FormatXML:
		d.parser = newXMLPage(in)
	default:
		d.parser = newHTMLPage(in, "/feed/", format == FormatLinks)
	}
	for {
		e, err := d.next()
		if err != nil {
			return names, err
		}
		if e.kind != kindBad && plainName(e.name) {
			e.name = bytes.Clone(e.name)
			names = append(names, e)
		}
	}
}

// FuzzPage: no page of whatever format crashes a parser, or gives a key outside.
func FuzzPage(f *testing.F) {
	files, err := filepath.Glob("testdata/*.page")
	require.NoError(f, err)
	for _, file := range files {
		page, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(page)
	}
	for _, page := range []string{
		`[{"name":"..","type":"file"}]`, `[{"name":"x","url":"./%2e%2e/","is_dir":true}]`, `[{"name":"\ud83d\ude00\ud83d","type":"file","x":[{"a":"]"}]}]`,
		`<list><file>../x</file><directory>..</directory></list>`, `<title>Index of /</title><a href="%2e%2e/">x</a><a href="//x/">x</a><a href="..\x">x</a></html>`,
	} {
		f.Add([]byte(page))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		for _, format := range []Format{FormatJSON, FormatXML, FormatHTML, FormatLinks} {
			names, err := readPage(t, page, format)
			require.Error(t, err, "io.EOF at least")
			for _, e := range names {
				key := "sub/" + string(e.name)
				require.NoError(t, checkKey(key))
				require.NotContains(t, string(e.name), "/")
				s := Source{root: url.URL{Scheme: "http", Host: "h", Path: "/feed/", RawPath: "/feed/"}}
				u := s.target(key)
				require.Equal(t, "/feed/sub/"+string(e.name), u.Path)
				asked, err := url.ParseRequestURI(u.RequestURI())
				require.NoError(t, err)
				require.Equal(t, u.Path, asked.Path, "a server understands what is meant")
				clean := url.URL{Path: "/"}
				require.True(t, strings.HasPrefix(clean.ResolveReference(asked).Path, "/feed/sub/"), "%q leads out", e.name)
			}
		}
	})
}

// FuzzFollow: where a link is taken for an entry, a browser would go to that
// very file.
func FuzzFollow(f *testing.F) {
	for _, href := range []string{"a", "./a", "../a", "/feed/a", "//h/a", "a:b", "./a:b", "a%2Fb", "%2e%2e", "a/", "/f%65ed/x+y", "a?b", "a#b", `a\b`} {
		f.Add(href)
	}
	page := &url.URL{Scheme: "http", Host: "h", Path: "/feed/"}
	f.Fuzz(func(t *testing.T, href string) {
		to, err := follow([]byte(href), page.Path, nil)
		if err != nil || to.name == nil {
			return
		}
		ref, err := url.Parse(href)
		if err != nil {
			return // net/url knows no control characters, which browsers drop
		}
		want := page.Path + string(to.name)
		if to.folder {
			want += "/"
		}
		got := page.ResolveReference(ref)
		require.Equal(t, "http://h", got.Scheme+"://"+got.Host)
		require.Equal(t, want, got.Path)
	})
}

// FuzzNames: whatever name a file has, it is listed by just that name in each
// format.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "a b+%41&amp;<>\"'", "ü\U0001f600", "\xff\xfe", "\n\r\t\x01", `back\slash`, "]]>", "&#65;&copy"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !plainName(name) {
			return
		}
		quoted, err := json.Marshal(name)
		require.NoError(t, err)
		if !utf8.ValidString(name) { // as nginx does
			quoted = []byte(`"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(name) + `"`)
		}
		href := string(appendEscaped(nil, name))
		for format, page := range map[Format]string{
			FormatJSON: `[{"name":` + string(quoted) + `,"type":"file","size":5}]`,
			FormatXML:  `<list><file size="5">` + html.EscapeString(name) + `</file></list>`,
			FormatHTML: `<title>Index of /</title><a href="` + href + `">x</a> 21-Nov-2026 23:48 5` + "\n</html>",
		} {
			got, err := readPage(t, []byte(page), format)
			require.Equal(t, io.EOF, err)
			require.Equal(t, []entry{{name: []byte(name), size: 5}}, got, "%s", format)
		}
		caddy := `[{"name":"?","url":"./` + href + `","is_dir":true}]`
		got, err := readPage(t, []byte(caddy), FormatJSON)
		require.Equal(t, io.EOF, err)
		require.Equal(t, []entry{{name: []byte(name), kind: kindFolder, size: -1}}, got)
	})
}

// FuzzUnescape agrees with net/url, and what is escaped comes back.
func FuzzUnescape(f *testing.F) {
	f.Add("a%20b+%41%")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := url.PathUnescape(s)
		got, ok := appendUnescaped(nil, []byte(s))
		require.Equal(t, err == nil, ok)
		if ok {
			require.Equal(t, want, string(got))
		}
		back, err := url.PathUnescape(string(appendEscaped(nil, s)))
		require.NoError(t, err)
		require.Equal(t, s, back)
	})
}

func TestNginxSize(t *testing.T) {
	for text, want := range map[string]int64{
		"     21-Nov-2026 23:48                5000\r\n": 5000,
		" 21-Nov-2026 23:48 0\n":                         0,
		" 21-Nov-2026 23:48 -\n":                         -1,
		" 21-Nov-2026 23:48 3M\n":                        -1,
		" 21-Nov-2026 23:48 2.9M\n":                      -1,
		" 2026-11-21 23:48 5000\n":                       -1,
		" 21-Nov-2026 23:48 5000 a description\n":        -1,
		" 21-Nov-2026 23:48 99999999999999999999\n":      -1,
		"": -1,
	} {
		require.Equal(t, want, nginxSize([]byte(text)), "%q", text)
	}
}

func TestParseRange(t *testing.T) {
	for text, want := range map[string]contentRange{
		"bytes 0-0/1":   {0, 0, 1},
		"bytes 5-9/*":   {5, 9, -1},
		"bytes 5-9/100": {5, 9, 100},
	} {
		got, ok := parseRange(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "bytes", "bytes ", "bytes */5", "bytes 5-4/9", "bytes 0-9/9", "bytes 0-9/10 ", "items 0-1/2", "bytes -1/2", "bytes 0-1", "bytes 0-99999999999999999999/*"} {
		_, ok := parseRange(text)
		require.False(t, ok, text)
	}
}

// What a server tells of a file is all there, or an error.
func FuzzProperties(f *testing.F) {
	const whole = `<D:multistatus xmlns:D="DAV:"><D:response><D:propstat><D:prop><D:getetag>"1"</D:getetag>` +
		`<D:creationdate>2026-01-02T03:04:05Z</D:creationdate></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>`
	for _, text := range []string{whole, whole[:len(whole)-9], strings.ReplaceAll(whole, "200 OK", "404 Not Found"), "", "<a>", wanted} {
		f.Add([]byte(text))
	}
	p, err := parseProperties([]byte(whole))
	require.NoError(f, err)
	require.Equal(f, properties{size: -1, etag: "1", strong: true, created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, p)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseProperties(text)
		if err != nil {
			require.Equal(t, properties{}, p)
			return
		}
		require.NotEmpty(t, p.etag)
		require.NotContains(t, p.etag, `"`)
		require.GreaterOrEqual(t, p.size, int64(-1))
	})
}
