package web_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/web"
)

// odd are names that are written one way here and another way there.
var odd = []string{
	"a.json", "with space", " lead", "trail ", "plus+plus", "pct%41", "pct%2e%2e", "amp&amp;x", "amp&b", "<b>", `"quote"`, "'single'",
	"ünï", "new\nline", "cr\rx", "tab\tx", "\x01ctl", "\x7fdel", "q?x=1", "hash#x", `back\slash`, "c:d", "http:x", "semi;colon",
	"C=N;O=D", "?C=N;O=D", "$d{x}[y]|^`", "=@,!*()", "~tilde", "emoji😀", "\u2028ls", "\u0085nel", "\ufffdrepl", "x.tm", "_", "-",
	strings.Repeat("long", 60), "sub/x", "sub/deep/y", "dir & <x>+%41/f g", `dir"\x/f`, "ünï dir/é",
}

// notUTF8 are names that Python shows in a notation of its own.
var notUTF8 = []string{"bad\xff\xfeutf", "\xe9", "dir\xff/f"}

// TestKeysAreThoseOfDir: the same file has the same key through a server and on
// the machine of the files, whatever its name holds, and can be read by it.
func TestKeysAreThoseOfDir(t *testing.T) {
	each(t, func(t *testing.T, s server, url, root string) {
		t.Parallel()
		names := odd
		if s.name != "python" {
			names = append(append([]string(nil), odd...), notUTF8...)
		}
		for _, name := range append(names, ".hidden", "x.tmp", ".dir/x", "y.tmp/x") {
			write(t, root, name, "content of "+name)
		}
		local, err := dir.Open(root, dir.Config{Stat: true})
		require.NoError(t, err)
		defer local.Close()
		want := map[string]source.Object{}
		for o, err := range local.Objects(t.Context()) {
			require.NoError(t, err)
			want[o.Key] = o
		}
		require.Len(t, want, len(names))

		remote := open(t, url, s.cfg)
		got := list(t, remote)
		for key, o := range want {
			listed, ok := got[key]
			if !assert.True(t, ok, "%q is not listed", key) {
				continue
			}
			switch {
			case s.exact:
				assert.Equal(t, o.Size, listed.Size, "%q", key)
				assert.Equal(t, o.ModTime.UTC().Truncate(time.Second), listed.ModTime, "%q", key)
			case s.sizes:
				assert.Equal(t, o.Size, listed.Size, "%q", key)
			case listed.Size != -1:
				assert.Equal(t, o.Size, listed.Size, "%q: what is told is exact", key)
			}
			data, found, err := remote.ReadObject(t.Context(), listed, nil, 1000)
			require.NoError(t, err)
			assert.Equal(t, "content of "+key, string(data))
			assert.Equal(t, o.Size, found.Size)
			assert.Equal(t, o.ModTime.UTC().Truncate(time.Second), found.ModTime)
			assert.True(t, listed.SameAs(found))
			if listed.Identity() != "" { // what claims by version are named by
				assert.Equal(t, source.Object{Size: found.Size, ModTime: found.ModTime}.Identity(), listed.Identity())
			}
		}
		assert.Len(t, got, len(want))
	})
}

// TestLinksOnTheServer: those to files are files; those to folders are passed
// over where the server marks them.
func TestLinksOnTheServer(t *testing.T) {
	on(t, func(s server) bool { return s.one }, func(t *testing.T, s server, url, root string) {
		t.Parallel()
		write(t, root, "data/a", "12345")
		require.NoError(t, errors.Join(
			os.Symlink("data/a", filepath.Join(root, "link")),
			os.Symlink("data", filepath.Join(root, "folder")),
			os.Symlink("nowhere", filepath.Join(root, "dangling")),
			os.Chtimes(filepath.Join(root, "data/a"), time.Now(), time.Date(2026, 1, 1, 1, 1, 1, 0, time.UTC))))
		remote := open(t, url, s.cfg)
		got := list(t, remote)
		require.Contains(t, got, "link")
		data, _, err := remote.ReadObject(t.Context(), got["link"], nil, 100)
		require.NoError(t, err, "listed as it is sent")
		require.Equal(t, "12345", string(data))
		if o, ok := got["dangling"]; ok {
			_, _, err := remote.ReadObject(t.Context(), o, nil, 100)
			assert.Error(t, err)
		}
		_, followed := got["folder/a"]
		switch s.name {
		case "caddy json", "python":
			assert.False(t, followed)
		default:
			assert.True(t, followed, "this server marks no links")
		}
	})
}

// TestIncludeHidden, as far as the server shows them.
func TestIncludeHidden(t *testing.T) {
	root := folder(t)
	write(t, root, ".hidden", "x")
	write(t, root, "x.tmp", "x")
	s := open(t, python(t, root), web.Config{IncludeHidden: true})
	require.Len(t, list(t, s), 2)
	nginxSource := open(t, nginx("autoindex_format json;")(t, root), web.Config{IncludeHidden: true})
	require.Len(t, list(t, nginxSource), 1, "nginx passes hidden files over")
}

// TestNginxAsksForCredentials, and takes those of the Config or the URL.
func TestNginxAsksForCredentials(t *testing.T) {
	root := folder(t)
	write(t, root, "a", "12345")
	dir, users := configure(t, "users", "ada:{PLAIN}lovelace\n")
	require.NotEmpty(t, dir)
	url := nginx("autoindex_format json; auth_basic files; auth_basic_user_file "+users+";")(t, root)
	_, err := listAll(t, open(t, url, web.Config{}))
	require.ErrorContains(t, err, "401")
	require.Len(t, list(t, open(t, strings.Replace(url, "http://", "http://ada:lovelace@", 1), web.Config{})), 1)
	require.Len(t, list(t, open(t, url, web.Config{Username: "ada", Password: "lovelace"})), 1)
}
