package web_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source/web"
)

// jsonOf is nginx's listing of names; those with a slash at the end are folders.
func jsonOf(names ...string) string {
	var b strings.Builder
	b.WriteString("[\r\n")
	for i, name := range names {
		if i > 0 {
			b.WriteString(",\r\n")
		}
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			fmt.Fprintf(&b, `{ "name":%q, "type":"directory", "mtime":"Sun, 22 Nov 2026 08:22:10 GMT" }`, folder)
		} else {
			fmt.Fprintf(&b, `{ "name":%q, "type":"file", "mtime":"Fri, 02 Jan 2026 03:04:05 GMT", "size":5 }`, name)
		}
	}
	b.WriteString("\r\n]")
	return b.String()
}

// pages answers with the pages of a map, and with 404 for what is not there.
func pages(m map[string]string) func(int, *http.Request) reply {
	return func(_ int, r *http.Request) reply {
		page, found := m[r.RequestURI]
		if !found {
			return answer("404 Not Found", "no")
		}
		return ok(page)
	}
}

const index = "<html>\r\n<head><title>Index of /feed/</title></head>\r\n<body>\r\n<pre><a href=\"../\">../</a>\r\n%s</pre><hr></body>\r\n</html>"

// TestAListingThatIsCutNeverLooksComplete, at whatever byte it is cut and however
// the connection tells: it ends with an error, after names that are there.
func TestAListingThatIsCutNeverLooksComplete(t *testing.T) {
	link := "<a href=\"%s\">%s</a>   21-Nov-2026 23:48   5000\r\n"
	for name, page := range map[string]string{
		"json": jsonOf("a", "b c", "sub/"),
		"xml":  `<?xml version="1.0"?><list><file mtime="2026-01-02T03:04:05Z" size="5">a</file><file size="5">b c</file><directory mtime="2026-01-02T03:04:05Z">sub</directory></list>`,
		"html": fmt.Sprintf(index, fmt.Sprintf(link, "a", "a")+fmt.Sprintf(link, "b%20c", "b c")+fmt.Sprintf(link, "sub/", "sub/")),
	} {
		t.Run(name, func(t *testing.T) {
			end := len(page)
			if name == "html" {
				end = strings.Index(page, "</body>") + len("</body")
			}
			for n := range end {
				if n%3 != 0 && n < end-20 {
					continue // each takes a millisecond
				}
				bubble(t, func(_ int, r *http.Request) reply {
					switch {
					case strings.HasSuffix(r.URL.Path, "/sub/"):
						return ok(jsonOf())
					case n%2 == 0: // as HTTP/1.0 servers do: nothing tells the end
						return reply{raw: "HTTP/1.0 200 OK\r\n\r\n" + page[:n], then: cutOff}
					}
					return cutAfter(ok(page), n)
				}, web.Config{Retries: 2}, func(t *testing.T, s *web.Source, f *fake) {
					keys, err := listAll(t, s)
					require.Error(t, err, "cut after %q", page[:n])
					assert.Subset(t, []string{"a", "b c"}, keys)
					assert.Equal(t, fault.ClassInterrupted, fault.Of(err), "%v", err)
					assert.Len(t, f.paths(), 3, "it is asked for again")
				})
			}
		})
	}
}

// TestAPageThatIsCutGoesOnAfterTheNameThatCameLast.
func TestAPageThatIsCutGoesOnAfterTheNameThatCameLast(t *testing.T) {
	page := jsonOf("a", "b", "c", "d", "sub/", "e", "f")
	bubble(t, func(n int, r *http.Request) reply {
		switch {
		case strings.HasSuffix(r.URL.Path, "/sub/"):
			return ok(jsonOf("x"))
		case n == 0:
			return cutAfter(ok(page), strings.Index(page, `"c"`))
		case n == 1:
			return answer("503 Service Unavailable", "")
		case n == 2:
			return cutAfter(ok(page), strings.Index(page, `"e"`))
		}
		return ok(page)
	}, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "sub/x"}, keys)
	})

	// The name that came last is gone: all is listed once more, so that none is
	// missed.
	bubble(t, func(n int, _ *http.Request) reply {
		if n == 0 {
			return cutAfter(ok(page), strings.Index(page, `"c"`))
		}
		return ok(jsonOf("a", "c", "d"))
	}, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b", "a", "c", "d"}, keys)
	})
}

// TestWhatIsNoListing is said clearly, and its links are not followed.
func TestWhatIsNoListing(t *testing.T) {
	for name, c := range map[string]struct {
		page   reply
		format web.Format
		class  fault.Class
		want   string
	}{
		"a page of links":        {page: ok(`<html><body><a href="a.json">a</a></body></html>`), class: fault.ClassFatal, want: "not a listing"},
		"an empty page":          {page: ok(`<html><body></body></html>`), class: fault.ClassFatal, want: "not a listing"},
		"nothing":                {page: ok(""), class: fault.ClassInterrupted, want: "cut"},
		"text":                   {page: ok("a.json\nb.json\n"), class: fault.ClassFatal, want: "not a listing"},
		"a JSON object":          {page: ok(`{"a":1}`), class: fault.ClassFatal, want: "not a listing"},
		"an array of records":    {page: ok(`[{"id":1}]`), class: fault.ClassFatal, want: "not a listing"},
		"an array of numbers":    {page: ok(`[1]`), class: fault.ClassRetryable, want: "malformed"},
		"a feed":                 {page: ok(`<?xml version="1.0"?><rss><file>a</file></rss>`), class: fault.ClassFatal, want: "not a listing"},
		"binary":                 {page: ok("\x1f\x8b\x00\x00"), class: fault.ClassFatal, want: "not a listing"},
		"not there":              {page: answer("404 Not Found", ""), class: fault.ClassFatal, want: "404"},
		"not allowed":            {page: answer("403 Forbidden", ""), class: fault.ClassFatal, want: "403"},
		"no credentials":         {page: answer("401 Unauthorized", ""), class: fault.ClassFatal, want: "401"},
		"moved":                  {page: answer("301 Moved Permanently", "", "Location: https://files.example/feed/"), class: fault.ClassFatal, want: `"https://files.example/feed/"`},
		"moved to a file":        {page: answer("302 Found", "", "Location: file:///etc/passwd"), class: fault.ClassFatal, want: "not followed"},
		"in circles":             {page: answer("302 Found", "", "Location: /feed/"), class: fault.ClassFatal, want: "not followed"},
		"away":                   {page: answer("503 Service Unavailable", ""), class: fault.ClassInterrupted, want: "503"},
		"html where JSON is set": {page: ok(fmt.Sprintf(index, "")), format: web.FormatJSON, class: fault.ClassFatal, want: "set to json"},
		"an unknown type":        {page: ok(jsonOf()), format: web.FormatHTML, class: fault.ClassFatal, want: "set to html"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(int, *http.Request) reply { return c.page }, web.Config{Format: c.format, Retries: -1}, func(t *testing.T, s *web.Source, f *fake) {
				keys, err := listAll(t, s)
				require.Error(t, err)
				assert.Empty(t, keys)
				assert.Equal(t, c.class, fault.Of(err), "%v", err)
				assert.ErrorContains(t, err, c.want)
				assert.ErrorContains(t, err, "http://files.example/feed/")
				assert.Equal(t, []string{"GET /feed/"}, f.paths())
			})
		})
	}
}

// TestOneFolderDoesNotHoldUpTheOthers: what cannot be listed is told at the end.
func TestOneFolderDoesNotHoldUpTheOthers(t *testing.T) {
	bubble(t, func(_ int, r *http.Request) reply {
		switch r.URL.Path {
		case "/feed/":
			return ok(jsonOf("forbidden/", "gone/", "index/", "moved/", "broken/", "good/", "a"))
		case "/feed/forbidden/":
			return answer("403 Forbidden", "")
		case "/feed/index/":
			return ok(`<html><body><a href="x">x</a></body></html>`)
		case "/feed/moved/":
			return answer("302 Found", "", "Location: http://elsewhere.example/")
		case "/feed/broken/":
			return ok(`[{"name":"y","type":"file"}, oops`)
		case "/feed/good/":
			return ok(jsonOf("z"))
		}
		return answer("404 Not Found", "")
	}, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		assert.Equal(t, []string{"a", "broken/y", "good/z"}, keys)
		for _, folder := range []string{`"forbidden"`, `"index"`, `"moved"`, `"broken"`} {
			assert.ErrorContains(t, err, folder)
		}
		assert.NotContains(t, err.Error(), `"gone"`)
		assert.NotErrorIs(t, err, fs.ErrNotExist)
		assert.Equal(t, fault.ClassRetryable, fault.Of(err))
	})
	bubble(t, func(_ int, r *http.Request) reply {
		switch r.URL.Path {
		case "/feed/":
			return ok(jsonOf("x/", "y/", "a"))
		case "/feed/x/":
			return answer("401 Unauthorized", "")
		}
		return ok(jsonOf("z"))
	}, web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		assert.Equal(t, []string{"a"}, keys)
		assert.Equal(t, fault.ClassFatal, fault.Of(err), "no folder can be listed any more")
	})
}

// TestWhatALinkLeadsTo: one level down, or it is no entry.
func TestWhatALinkLeadsTo(t *testing.T) {
	for href, want := range map[string]string{
		"a.json":                      "a.json",
		"./a.json":                    "a.json",
		"/feed/a.json":                "a.json",
		"/f%65ed/a.json":              "a.json",
		"with%20space":                "with space",
		"plus+%2B":                    "plus++",
		"amp&amp;b&lt;c":              "amp&b<c",
		"amp&amp;amp;x":               "amp&amp;x",
		"pct%2541":                    "pct%41",
		"pct%252e%252e":               "pct%2e%2e",
		"back%5Cslash":                `back\slash`,
		"q%3Fx%23y":                   "q?x#y",
		"c%3Ad":                       "c:d",
		"./c:d":                       "c:d",
		"new%0Aline%0D":               "new\nline\r",
		"bad%FF%FEutf":                "bad\xff\xfeutf",
		"%C3%BC":                      "ü",
		"...":                         "...",
		"..x":                         "..x",
		"%2e%2e%2e":                   "...",
		"?C=N;O=D":                    "",
		"a?b":                         "",
		"a#b":                         "",
		"#":                           "",
		"":                            "",
		".":                           "",
		"./":                          "",
		"..":                          "",
		"../":                         "",
		"../x":                        "",
		"/":                           "",
		"/x":                          "",
		"/feed":                       "",
		"/feed/":                      "",
		"/feed/../x":                  "",
		"/feed/%2e%2e":                "",
		"/feedx":                      "",
		"//feed/a":                    "",
		"//elsewhere.example":         "",
		".//a":                        "",
		"%2e%2e":                      "",
		"%2E%2e/":                     "",
		".%2e/":                       "",
		"a/b":                         "",
		"a/../b":                      "",
		"http://files.example/feed/a": "",
		"http:a":                      "",
		"file:///etc/passwd":          "",
		"javascript:alert(1)":         "",
		"mailto:a@b.example":          "",
		"data:text/html,x":            "",
		`\\elsewhere\a`:               "",
		`..\a`:                        "",
		`a\b`:                         "",
		"%2e%2e%5Ca":                  "bad",
		"a%2Fb":                       "bad",
		"%2Fetc%2Fpasswd":             "bad",
		"..%2F..%2Fetc":               "bad",
		"a%00b":                       "bad",
		"a%zz":                        "bad",
		"a%2":                         "bad",
		strings.Repeat("x", 5000):     "bad",
	} {
		page := fmt.Sprintf(index, `<a href="`+href+`">a name</a>`+"\n")
		bubble(t, pages(map[string]string{"/feed/": page}), web.Config{IncludeHidden: true}, func(t *testing.T, s *web.Source, _ *fake) {
			keys, err := listAll(t, s)
			switch want {
			case "":
				require.NoError(t, err, href)
				require.Empty(t, keys, href)
			case "bad":
				require.ErrorContains(t, err, "not the name", href)
				require.Less(t, len(err.Error()), 300)
				require.Empty(t, keys, href)
			default:
				require.NoError(t, err, href)
				require.Equal(t, []string{want}, keys, href)
			}
		})
	}
}

// TestWhatANameInJSONAndXMLStandsFor: names are what they are, and those that
// would lead out are told.
func TestWhatANameInJSONAndXMLStandsFor(t *testing.T) {
	for name, bad := range map[string]bool{
		"a b+%41&amp;<": false, "bad\xff\xfe": false, "\x01\n\r\t\"'": false, "...": false, `back\slash`: false,
		"": true, ".": true, "..": true, "a/b": true, "/etc/passwd": true, "../x": true, "a\x00": true, `..\x`: true,
	} {
		text, err := quoteRaw(name)
		require.NoError(t, err)
		xml := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(name)
		for format, page := range map[string]string{
			"json": `[{"name":` + text + `,"type":"file","mtime":"Fri, 02 Jan 2026 03:04:05 GMT","size":5}]`,
			"xml":  `<?xml version="1.0"?><list><file mtime="2026-01-02T03:04:05Z" size="5">` + xml + `</file></list>`,
		} {
			if format == "xml" && (name == "" || strings.Contains(name, "\x00")) {
				continue // no text at all; the tokenizer replaces NUL, which no name holds
			}
			bubble(t, pages(map[string]string{"/feed/": page}), web.Config{IncludeHidden: true}, func(t *testing.T, s *web.Source, _ *fake) {
				keys, err := listAll(t, s)
				if bad {
					require.ErrorContains(t, err, "not the name", "%q in %s", name, format)
					require.Empty(t, keys)
					return
				}
				require.NoError(t, err)
				require.Equal(t, []string{name}, keys, "in %s", format)
			})
		}
	}
}

// quoteRaw quotes a string as nginx does: bytes that are not UTF-8 as they are.
func quoteRaw(s string) (string, error) {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < 0x20:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// endless is a page that never ends, written until nobody reads on.
type endless struct {
	begin string
	next  func(n int) string
}

func (e *endless) RoundTrip(*http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	go func() {
		block := []byte(e.begin)
		for n := 0; ; n++ {
			if block = append(block, e.next(n)...); len(block) < 32<<10 {
				continue
			}
			if _, err := pw.Write(block); err != nil {
				return
			}
			block = block[:0]
		}
	}()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: pr, ProtoMajor: 1, ContentLength: -1, TransferEncoding: []string{"chunked"}}, nil
}

// TestAListingThatNeverEnds comes to an end, whatever it goes on with.
func TestAListingThatNeverEnds(t *testing.T) {
	space := strings.Repeat(" ", 4096)
	letters := strings.Repeat("x", 4096)
	for name, c := range map[string]struct {
		page  endless
		wants string
		keys  int
	}{
		"entries in JSON":    {endless{begin: "[", next: func(n int) string { return fmt.Sprintf(`{"name":"%d","type":"file"},`, n) }}, "MaxEntries", 1000},
		"hidden entries":     {endless{begin: "[", next: func(n int) string { return fmt.Sprintf(`{"name":".%d","type":"file"},`, n) }}, "MaxEntries", 0},
		"folders in JSON":    {endless{begin: "[", next: func(n int) string { return fmt.Sprintf(`{"name":"%d","type":"directory"},`, n) }}, "MaxPages", 0},
		"links":              {endless{begin: "<title>Index of /</title>", next: func(n int) string { return fmt.Sprintf(`<a href="%d">x</a>`, n) }}, "MaxEntries", 1000},
		"files in XML":       {endless{begin: "<list>", next: func(n int) string { return fmt.Sprintf(`<file size="1">%d</file>`, n) }}, "MaxEntries", 1000},
		"a name in JSON":     {endless{begin: `[{"name":"`, next: func(int) string { return letters }}, "without an entry", 0},
		"a value in JSON":    {endless{begin: `[{"size":1`, next: func(int) string { return "1111" }}, "malformed", 0},
		"nesting in JSON":    {endless{begin: `[{"x":`, next: func(int) string { return "[[[[[[[[" }}, "without an entry", 0},
		"members in JSON":    {endless{begin: `[{"x":1`, next: func(int) string { return `,"x":1` }}, "without an entry", 0},
		"space in JSON":      {endless{begin: "[", next: func(int) string { return space }}, "without an entry", 0},
		"space behind JSON":  {endless{begin: "[]", next: func(int) string { return space }}, "without an entry", 0},
		"a name in html":     {endless{begin: `<title>Index of /</title><a href="`, next: func(int) string { return letters }}, "malformed", 0},
		"text in html":       {endless{begin: "<title>Index of /</title>", next: func(int) string { return letters }}, "malformed", 0},
		"tags in html":       {endless{begin: "<title>Index of /</title>", next: func(int) string { return "<b></b>" }}, "without an entry", 0},
		"the same link":      {endless{begin: "<title>Index of /</title>", next: func(int) string { return `<a href="x">x</a>` }}, "without an entry", 1},
		"other links":        {endless{begin: "<title>Index of /</title>", next: func(int) string { return `<a href="?x">x</a>` }}, "without an entry", 0},
		"a comment in html":  {endless{begin: "<title>Index of /</title><!--", next: func(int) string { return letters }}, "malformed", 0},
		"space behind html":  {endless{begin: "<title>Index of /</title></html>", next: func(int) string { return "<p>" + space }}, "without an entry", 0},
		"a name in XML":      {endless{begin: "<list><file>", next: func(int) string { return letters }}, "malformed", 0},
		"elements in a name": {endless{begin: "<list><file>", next: func(int) string { return "x<!---->" }}, "without an entry", 0},
		"attributes in XML":  {endless{begin: "<list><file ", next: func(int) string { return "x=1 " }}, "malformed", 0},
		"space":              {endless{begin: "", next: func(int) string { return space }}, "not a listing", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, "http://files.example/", web.Config{Transport: &c.page, MaxEntries: 1000, MaxPages: 100, Retries: -1})
			keys, err := listAll(t, s)
			require.ErrorContains(t, err, c.wants)
			assert.Len(t, keys, c.keys)
		})
	}
}

// TestServerThatLoops: a symbolic link on the server to a folder above makes
// folders without end.
func TestServerThatLoops(t *testing.T) {
	loop := func(_ int, r *http.Request) reply { return ok(jsonOf("loop/", "a")) }
	bubble(t, loop, web.Config{MaxDepth: 3}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		assert.Equal(t, []string{"a", "loop/a", "loop/loop/a", "loop/loop/loop/a"}, keys)
		assert.ErrorContains(t, err, "nested deeper than 3 folders")
	})
	bubble(t, func(int, *http.Request) reply { return ok(jsonOf("x/", "y/")) }, web.Config{MaxPages: 50}, func(t *testing.T, s *web.Source, f *fake) {
		_, err := listAll(t, s)
		assert.ErrorContains(t, err, "MaxPages, 50")
		assert.LessOrEqual(t, len(f.paths()), 50)
	})
	bubble(t, loop, web.Config{Flat: true}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		require.NoError(t, err)
		assert.Equal(t, []string{"a"}, keys)
	})
	bubble(t, loop, web.Config{Ignore: []string{"l*p"}}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		require.NoError(t, err)
		assert.Equal(t, []string{"a"}, keys)
	})
}

// TestMinAge goes by the clock of the server, and asks for the time where the
// listing does not tell.
func TestMinAge(t *testing.T) {
	told := func(name string, modified time.Time) string {
		return fmt.Sprintf(`{"name":%q,"type":"file","mtime":%q,"size":36}`, name, at(modified))
	}
	page := "[" + told("old", day.Add(-time.Hour)) + "," + told("new", day.Add(-time.Second)) + "," + told("future", day.Add(time.Hour)) + "]"
	bubble(t, pages(map[string]string{"/feed/": page}), web.Config{MinAge: time.Minute}, func(t *testing.T, s *web.Source, _ *fake) {
		keys, err := listAll(t, s)
		require.NoError(t, err)
		assert.Equal(t, []string{"old"}, keys)
	})

	links := fmt.Sprintf(index, `<a href="old">x</a><a href="new">x</a><a href="gone">x</a><a href="forbidden">x</a>`)
	bubble(t, func(_ int, r *http.Request) reply {
		switch r.URL.Path {
		case "/feed/":
			return ok(links)
		case "/feed/old":
			return headless(ok(content, strong...))
		case "/feed/new":
			return headless(ok(content, "Last-Modified: "+at(day.Add(-time.Second))))
		case "/feed/forbidden":
			return headless(answer("403 Forbidden", ""))
		}
		return headless(answer("404 Not Found", ""))
	}, web.Config{MinAge: time.Minute}, func(t *testing.T, s *web.Source, _ *fake) {
		all := list(t, s)
		require.Len(t, all, 2)
		assert.Contains(t, all, "forbidden", "the error comes when it is opened")
		assert.Equal(t, int64(len(content)), all["old"].Size)
		assert.Equal(t, day.Add(-time.Hour), all["old"].ModTime)
	})
}

// TestClosed: a source that was closed lists and reads nothing.
func TestClosed(t *testing.T) {
	s, err := web.New("http://files.example/", web.Config{})
	require.NoError(t, err)
	require.NoError(t, errors.Join(s.Close(), s.Close()))
	_, err = listAll(t, s)
	require.ErrorIs(t, err, fs.ErrClosed)
	_, _, err = s.ReadObject(t.Context(), object("a"), nil, 1)
	require.ErrorIs(t, err, fs.ErrClosed)
	_, _, err = s.Open(t.Context(), object("a"), 0, -1)
	require.ErrorIs(t, err, fs.ErrClosed)
}

// TestOnlySoManyErrorsAreTold, however many names are bad.
func TestOnlySoManyErrorsAreTold(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = strconv.Itoa(i) + "/x"
	}
	bubble(t, pages(map[string]string{"/feed/": jsonOf(names...)}), web.Config{}, func(t *testing.T, s *web.Source, _ *fake) {
		_, err := listAll(t, s)
		require.ErrorContains(t, err, "and 992 more")
		require.Less(t, len(err.Error()), 2000)
	})
}
