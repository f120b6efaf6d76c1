package web_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/unspool-go/unspool/source/sourcetest"
)

// TestConformanceOfRealServers: the rules of the port hold on each.
func TestConformanceOfRealServers(t *testing.T) {
	each(t, func(t *testing.T, s server, url, served string) {
		if testing.Short() && s.name != "nginx json" && s.name != "python" {
			t.Skip("under the race detector, which looks at the client, two of them will do")
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
