package dir_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/unspool-go/unspool/source/dir"
)

func ExampleOpen() {
	root, err := os.MkdirTemp("", "feed")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	os.MkdirAll(filepath.Join(root, "2026"), 0o755)
	os.WriteFile(filepath.Join(root, "2026", "a.json"), []byte(`{"id":1}`), 0o644)
	os.WriteFile(filepath.Join(root, "2026", "b.json.tmp"), []byte(`{"id":`), 0o644)
	os.WriteFile(filepath.Join(root, "z.json"), []byte(`{"id":2}`), 0o644)

	src, err := dir.Open(root, dir.Config{Order: dir.NameOrder})
	if err != nil {
		panic(err)
	}
	defer src.Close()
	ctx := context.Background()
	for o, err := range src.Objects(ctx) {
		if err != nil {
			panic(err)
		}
		data, found, err := src.ReadObject(ctx, o, nil, 1<<20)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s, %d bytes: %s\n", o.Key, found.Size, data)
	}
	// Output:
	// 2026/a.json, 8 bytes: {"id":1}
	// z.json, 8 bytes: {"id":2}
}

// What appears is told without listing everything again.
func ExampleSource_Watch() {
	root, err := os.MkdirTemp("", "feed")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	os.WriteFile(filepath.Join(root, "1.json"), []byte(`{"id":1}`), 0o644)

	src, err := dir.Open(root, dir.Config{})
	if err != nil {
		panic(err)
	}
	defer src.Close()
	ctx := context.Background()
	changes, err := src.Watch(ctx)
	if err != nil {
		panic(err)
	}
	defer changes.Close()
	for seen := 0; seen < 2; changes.Wait(ctx, time.Second) {
		for o, err := range changes.Objects(ctx, false) {
			if err != nil {
				panic(err)
			}
			fmt.Println(o.Key)
			if seen++; seen == 1 {
				// A feeder writes under another name, and renames.
				os.WriteFile(filepath.Join(root, "2.json.tmp"), []byte(`{"id":2}`), 0o644)
				os.Rename(filepath.Join(root, "2.json.tmp"), filepath.Join(root, "2.json"))
			}
		}
	}
	// Output:
	// 1.json
	// 2.json
}
