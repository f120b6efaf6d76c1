package web_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source/web"
)

// listings answers with the listings of folders, as nginx does in JSON. Names of
// folders end with a slash.
func listings(folders map[string][]string) func(int, *http.Request) reply {
	return func(_ int, r *http.Request) reply {
		type entry struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Mtime string `json:"mtime"`
			Size  int    `json:"size,omitempty"`
		}
		page := []entry{}
		for _, name := range folders[strings.TrimPrefix(r.URL.Path, "/feed/")] {
			e := entry{Name: name, Type: "file", Mtime: at(day), Size: 2}
			if folder, ok := strings.CutSuffix(name, "/"); ok {
				e = entry{Name: folder, Type: "directory", Mtime: at(day)}
			}
			page = append(page, e)
		}
		body, err := json.Marshal(page)
		if err != nil {
			return answer("500 Internal Server Error", err.Error())
		}
		return ok(string(body), "Content-Type: application/json")
	}
}

func TestSkippedFoldersAreNotAskedFor(t *testing.T) {
	folders := map[string][]string{
		"": {"a/", "old/", "1"}, "a/": {"old/", "2"}, "a/old/": {"3"}, "old/": {"4"},
	}
	var asked []string
	cfg := web.Config{SkipFolder: func(folder string) bool {
		asked = append(asked, folder)
		return folder == "old"
	}}
	over(t, own, listings(folders), cfg, func(t *testing.T, s *web.Source, f *fake) {
		keys, err := listAll(t, s)
		require.NoError(t, err)
		assert.Equal(t, []string{"1", "a/2", "a/old/3"}, keys)
		assert.Equal(t, []string{"a", "old", "a/old"}, asked)
		assert.Equal(t, []string{"GET /feed/", "GET /feed/a/", "GET /feed/a/old/"}, f.paths())
	})
}

// Folders whose time is over and in which nothing was left are asked for again
// when everything is listed, which finds what came late.
func TestALateFileIsFoundWhenEverythingIsListed(t *testing.T) {
	folders := map[string][]string{
		"": {"new/", "old/"}, "new/": {}, "old/": {"1/", "2/", "3/"}, "old/1/": {}, "old/2/": {}, "old/3/": {"begun.tmp"},
	}
	cfg := web.Config{PastFolder: func(folder string) bool { return strings.HasPrefix(folder, "old") }}
	over(t, own, listings(folders), cfg, func(t *testing.T, s *web.Source, f *fake) {
		c, err := s.Watch(t.Context())
		require.NoError(t, err)
		step := func(all bool, keys, paths []string) {
			t.Helper()
			before := len(f.paths())
			got := []string{}
			for o, err := range c.Objects(t.Context(), all) {
				require.NoError(t, err)
				got = append(got, o.Key)
			}
			assert.Equal(t, keys, got)
			for i, path := range paths {
				paths[i] = "GET /feed/" + path
			}
			assert.Equal(t, paths, f.paths()[before:])
		}
		none := []string{}
		step(false, none, []string{"", "new/", "old/", "old/1/", "old/2/", "old/3/"})
		step(false, none, []string{"", "new/", "old/", "old/3/"})
		folders["old/3/"] = []string{"done"}
		step(false, []string{"old/3/done"}, []string{"", "new/", "old/", "old/3/"})
		folders["old/3/"] = nil // it was archived
		step(false, none, []string{"", "new/", "old/", "old/3/"})
		step(false, none, []string{"", "new/", "old/"}) // which is empty, too
		folders["old/1/"] = []string{"late"}
		folders["new/"] = []string{"soon"}
		step(false, []string{"new/soon"}, []string{"", "new/"})
		step(true, []string{"new/soon", "old/1/late"}, []string{"", "new/", "old/", "old/1/", "old/2/", "old/3/"})
		step(false, none, []string{"", "new/", "old/", "old/1/"})
		require.NoError(t, c.Close())
	})
}

// A page that was cut, and read again from where it was, is no empty one.
func TestAPageThatWasCutIsNotEmpty(t *testing.T) {
	whole := listings(map[string][]string{"": {"old/"}, "old/": {"1"}})
	cfg := web.Config{PastFolder: func(string) bool { return true }}
	cut := func(n int, r *http.Request) reply {
		to := whole(n, r)
		if n == 1 { // behind the name, before the end
			to = reply{to.raw[:len(to.raw)-1], cutOff}
		}
		return to
	}
	bubble(t, cut, cfg, func(t *testing.T, s *web.Source, f *fake) {
		c, err := s.Watch(t.Context())
		require.NoError(t, err)
		for range 2 {
			for _, err := range c.Objects(t.Context(), false) {
				require.NoError(t, err)
			}
		}
		assert.Equal(t, "GET /feed/old/", f.paths()[len(f.paths())-1])
		require.NoError(t, c.Close())
	})
}

func TestWatchOfAClosedSource(t *testing.T) {
	s, err := web.New("http://files.example/", web.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = s.Watch(t.Context())
	require.ErrorIs(t, err, fs.ErrClosed)
}
