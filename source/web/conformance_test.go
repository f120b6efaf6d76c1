package web_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/source/sourcetest"
	"github.com/unspool-go/unspool/source/web"
)

// TestConformanceOfRealServers: the rules of the port hold on each.
func TestConformanceOfRealServers(t *testing.T) {
	each(t, func(t *testing.T, s server, url, served string) {
		if testtool.Brief() && s.name != "nginx json" && s.name != "apache table" {
			t.Skip("in brief two of them do: UNSPOOL_FULL=1")
		}
		n := 0
		sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
			n++
			name := strconv.Itoa(n)
			root := filepath.Join(served, name)
			for key, content := range files {
				write(t, root, key, content)
			}
			return sourcetest.Fixture{
				Source: open(t, url+name, s.cfg),
				Write:  func(key, content string) error { return put(root, key, content) },
				Remove: func(key string) error { return os.Remove(filepath.Join(root, key)) },
			}
		})
	})
}

// The rules of removal hold on Apache with WebDAV. All are checked by one source,
// which takes a second to see whether the server can be trusted.
func TestConformanceOfRemoval(t *testing.T) {
	root := folder(t)
	url := apacheDAV(t, root)
	src, served := open(t, url+"in", web.Config{}).DAV(), filepath.Join(root, "in")
	n := 0
	sourcetest.RunRemover(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		n++
		done := filepath.Join(root, "done", strconv.Itoa(n))
		require.NoError(t, os.RemoveAll(served))
		for key, content := range files {
			write(t, served, key, content)
		}
		for _, dir := range []string{served, filepath.Join(served, "nested"), filepath.Join(served, "nested/deeper"), done} {
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.Chmod(dir, 0o777)) // the server is somebody else
		}
		return sourcetest.Fixture{
			Source: src,
			Write:  func(key, content string) error { return put(served, key, content) },
			Remove: func(key string) error { return os.Remove(filepath.Join(served, key)) },
			Attic: func() (sourcetest.Attic, error) {
				return sourcetest.Attic{
					URL: url + "done/" + strconv.Itoa(n) + "/",
					Write: func(key, content string) error {
						err := put(done, key, content)
						return errors.Join(err, os.Chmod(filepath.Dir(filepath.Join(done, key)), 0o777))
					},
					Read: func(key string) (string, error) {
						content, err := os.ReadFile(filepath.Join(done, key))
						return string(content), err
					},
				}, nil
			},
		}
	})
}
