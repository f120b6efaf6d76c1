package gs_test

import (
	"context"
	"fmt"

	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/source/gs"
)

// The objects of a folder in a bucket, and what is in them.
func ExampleNew() {
	store := new(gcsfake.Server) // in the process
	store.Put("feed", "events/2026/a.json", `{"id":1}`, "")
	store.Put("feed", "events/2026/b.json", `{"id":2}`, "")
	store.Put("feed", "events/2026/_SUCCESS", "", "")
	client, err := store.Client() // storage.NewClient(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	src, err := gs.New(client, gs.Config{Bucket: "feed", Prefix: "events", Suffixes: []string{".json"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for o, err := range src.Objects(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		data, found, err := src.ReadObject(ctx, o, nil, 1<<20)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s, %d bytes: %s\n", o.Key, found.Size, data)
	}
	// Output:
	// 2026/a.json, 8 bytes: {"id":1}
	// 2026/b.json, 8 bytes: {"id":2}
}
