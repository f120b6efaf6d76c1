package web_test

import (
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/web"
)

var record = flag.Bool("record", false, "write testdata anew from the servers on this machine")

// golden are the files in the folder that the recorded pages list.
var golden = []string{"a.json", "amp&b <c>", "bad\xffutf", "c:d", "pct%41", "plus+plus", `quote"`, strings.Repeat("long", 20), "sub/x", "ünï"}

// tooLong is what of Caddy's pages is no listing.
var tooLong = regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*?</script>|<svg.*?</svg>`)

func goldenFile(s server) string {
	return filepath.Join("testdata", strings.ReplaceAll(s.name, " ", "-")+".page")
}

// TestRecordedPages: the layouts of the servers as they were recorded, so that
// they are tested where the servers are not installed.
func TestRecordedPages(t *testing.T) {
	if *record {
		recordPages(t)
	}
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range servers() {
		t.Run(s.name, func(t *testing.T) {
			page, err := os.ReadFile(goldenFile(s))
			require.NoError(t, err)
			bubble(t, func(_ int, r *http.Request) reply {
				if strings.HasSuffix(r.URL.Path, "/sub/") {
					return ok("<title>Index of /sub</title></html>")
				}
				return ok(string(page))
			}, s.cfg, func(t *testing.T, src *web.Source, _ *fake) {
				got := list(t, src)
				for _, name := range golden {
					if name == "bad\xffutf" && s.name == "python" {
						name = "bad\xed\xb3\xbfutf" // its own notation
					}
					if strings.Contains(name, "/") {
						continue
					}
					want := source.Object{Key: name, Size: -1}
					if s.exact || s.sizes {
						want.Size = int64(len(name))
					}
					if s.exact {
						want.ModTime = modified
					}
					if o := got[name]; s.name == "nginx html rounded" && o.Size >= 0 {
						want.Size = int64(len(name)) // small sizes are exact
					}
					require.Equal(t, want, got[name], "%q", name)
				}
				require.Len(t, got, len(golden)-1)
			})
		})
	}
}

func recordPages(t *testing.T) {
	each(t, func(t *testing.T, s server, url, root string) {
		for _, name := range golden {
			write(t, root, name, name)
			file := filepath.Join(root, name)
			now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
			require.NoError(t, os.Chtimes(file, now, now))
		}
		now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
		require.NoError(t, os.Chtimes(filepath.Join(root, "sub"), now, now))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		if s.name == "caddy json" {
			req.Header.Set("Accept", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer http.DefaultClient.CloseIdleConnections()
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(goldenFile(s), tooLong.ReplaceAll(page, nil), 0o644))
	})
}
