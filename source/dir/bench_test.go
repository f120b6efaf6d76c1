package dir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
)

const benchFiles = 4000

// benchFolder makes a folder of files of 2.4 KB.
func benchFolder(b *testing.B) string {
	root := b.TempDir()
	content := make([]byte, 2400)
	for i := range benchFiles {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("tweet-%07d.json", i)), content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return root
}

// BenchmarkReadObject is one file of 2.4 KB in a warm cache, by name. The
// baseline is os.ReadFile; the floor is open, read and close without any check.
func BenchmarkReadObject(b *testing.B) {
	root := benchFolder(b)
	s := open(b, root, dir.Config{})
	keys := list(b, s)
	b.Run("ReadObject", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 4096)
		for i := 0; b.Loop(); i++ {
			if _, _, err := s.ReadObject(b.Context(), source.Object{Key: keys[i%len(keys)], Size: -1}, dst, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("os.ReadFile", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := os.ReadFile(filepath.Join(root, keys[i%len(keys)])); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkObjects is the listing of a folder; an operation is one name.
func BenchmarkObjects(b *testing.B) {
	root := benchFolder(b)
	for name, cfg := range map[string]dir.Config{
		"folder order":       {},
		"name order":         {Order: dir.NameOrder},
		"folder order, stat": {Stat: true},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := open(b, root, cfg)
			for seen := 0; seen < b.N; {
				for range s.Objects(b.Context()) {
					if seen++; seen == b.N {
						break
					}
				}
			}
		})
	}
	b.Run("os.ReadDir", func(b *testing.B) {
		b.ReportAllocs()
		for range (b.N + benchFiles - 1) / benchFiles {
			if _, err := os.ReadDir(root); err != nil {
				b.Fatal(err)
			}
		}
	})
}
