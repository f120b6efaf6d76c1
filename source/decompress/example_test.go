package decompress_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
)

// A folder in which some files are compressed.
func Example() {
	root, err := os.MkdirTemp("", "feed")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	file, err := os.Create(filepath.Join(root, "b.json.gz"))
	if err != nil {
		panic(err)
	}
	packed := gzip.NewWriter(file)
	io.WriteString(packed, `{"id":2}`)
	packed.Close()
	file.Close()
	os.WriteFile(filepath.Join(root, "a.json"), []byte(`{"id":1}`), 0o644)

	stored, err := dir.Open(root, dir.Config{Order: dir.NameOrder})
	if err != nil {
		panic(err)
	}
	defer stored.Close()
	src, err := decompress.New(stored, decompress.Config{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for o, err := range src.Objects(ctx) {
		if err != nil {
			panic(err)
		}
		body, found, err := src.Open(ctx, o, 0, -1)
		if err != nil {
			panic(err)
		}
		data, err := io.ReadAll(body)
		if err != nil {
			panic(err)
		}
		body.Close()
		fmt.Printf("%s (%q): %s\n", found.Key, found.Encoding, data)
	}
	// Output:
	// a.json (""): {"id":1}
	// b.json.gz ("gzip"): {"id":2}
}
