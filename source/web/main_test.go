package web_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns the source of a URL, to be closed at the end of the test.
func open(t testing.TB, url string, cfg web.Config) *web.Source {
	t.Helper()
	s, err := web.New(url, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// list returns a whole listing by key.
func list(t testing.TB, s source.Source) map[string]source.Object {
	t.Helper()
	all := map[string]source.Object{}
	for o, err := range s.Objects(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, all, o.Key, "listed twice")
		all[o.Key] = o
	}
	return all
}

// listAll returns the keys of a listing, and the error it ends with.
func listAll(t testing.TB, s source.Source) ([]string, error) {
	t.Helper()
	keys := []string{}
	for o, err := range s.Objects(t.Context()) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

func object(key string) source.Object { return source.Object{Key: key, Size: -1} }

// folder is a directory that any user may read, as servers do that change
// theirs.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

var clock = struct {
	sync.Mutex
	now time.Time
}{now: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}

// put writes a file, whatever is there, with a time of its own, as far as HTTP
// tells them apart.
func put(root, key, content string) error {
	clock.Lock()
	clock.now = clock.now.Add(time.Second)
	now := clock.now
	clock.Unlock()
	name := filepath.Join(root, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Chtimes(name, now, now)
}

func write(t testing.TB, root, key, content string) {
	t.Helper()
	require.NoError(t, put(root, key, content))
}
