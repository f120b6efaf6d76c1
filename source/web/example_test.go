package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing/fstest"

	"github.com/unspool-go/unspool/source/web"
)

// The listings of Go's own file server are plain links.
func ExampleNew() {
	server := httptest.NewServer(http.FileServerFS(fstest.MapFS{
		"feed/2026/a b.json": {Data: []byte(`{"id":1}`)},
		"feed/z.json":        {Data: []byte(`{"id":2}`)},
		"feed/z.json.tmp":    {Data: []byte(`{"id":`)},
	}))
	defer server.Close()

	src, err := web.New(server.URL+"/feed/", web.Config{Format: web.FormatLinks})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
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
	// z.json, 8 bytes: {"id":2}
	// 2026/a b.json, 8 bytes: {"id":1}
}
