package dir_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/internal/testtool"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sourcetest"
)

func TestMain(m *testing.M) {
	if job := os.Getenv(envFeed); job != "" { // this is the other process of a test
		if err := feed(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv("UNSPOOL_FULL") == "" {
		if err := flag.Set("rapid.checks", "40"); err != nil { // unless the command line says otherwise
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// write makes a file, whatever is there, with a time of its own.
func write(t testing.TB, root, key, content string) {
	require.NoError(t, put(root, key, content))
}

var clock = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func put(root, key, content string) error {
	name := filepath.Join(root, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		return err
	}
	clock = clock.Add(time.Millisecond)
	return os.Chtimes(name, clock, clock)
}

func open(t testing.TB, root string, cfg dir.Config) *dir.Source {
	s, err := dir.Open(root, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func harness(cfg dir.Config) sourcetest.Harness {
	return func(t testing.TB, files map[string]string) sourcetest.Fixture {
		root := t.TempDir()
		for key, content := range files {
			write(t, root, key, content)
		}
		s := open(t, root, cfg)
		return sourcetest.Fixture{
			Source: s,
			Write:  func(key, content string) error { return put(root, key, content) },
			Remove: func(key string) error { return os.Remove(filepath.Join(root, key)) },

			Notices: notices(t, s),
		}
	}
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]dir.Config{
		"folder order": {},
		"name order":   {Order: dir.NameOrder},
		"with stat":    {Stat: true, Order: dir.NameOrder},
		"polled":       {Poll: true},
	} {
		if testtool.Brief() && cfg.Order == dir.NameOrder && !cfg.Stat || testing.Short() && cfg.Stat {
			continue // the same goroutines, which is what the race detector looks at
		}
		t.Run(name, func(t *testing.T) { sourcetest.Run(t, harness(cfg)) })
	}
}

func TestConformanceOfRemoval(t *testing.T) {
	for name, cfg := range map[string]dir.Config{"": {}, "with stat": {Stat: true}} {
		t.Run(name, func(t *testing.T) {
			sourcetest.RunRemover(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
				f := harness(cfg)(t, files)
				f.Attic = func() (sourcetest.Attic, error) { return attic(t.TempDir()), nil }
				return f
			})
		})
	}
}

// attic is a folder that files are moved to.
func attic(folder string) sourcetest.Attic {
	return sourcetest.Attic{
		URL:   folder,
		Write: func(key, content string) error { return put(folder, key, content) },
		Read: func(key string) (string, error) {
			content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(key)))
			return string(content), err
		},
	}
}

// list returns the keys of a whole listing.
func list(t testing.TB, s *dir.Source) []string {
	keys := []string{}
	for o, err := range s.Objects(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	return keys
}

func object(key string) source.Object { return source.Object{Key: key, Size: -1} }
