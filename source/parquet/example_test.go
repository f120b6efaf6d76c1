package parquet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/parquet"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// Rows of a parquet object, as lines of JSON.
func Example() {
	type trade struct {
		ID    int64     `parquet:"id"`
		At    time.Time `parquet:"at,timestamp(millisecond)"`
		Price int64     `parquet:"price,decimal(2:18)"`
		Tags  []string  `parquet:"tags,list"`
	}
	var file bytes.Buffer
	if err := pq.Write(&file, []trade{{7, time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC), 1999, []string{"a", "b"}}}); err != nil {
		fmt.Println(err)
		return
	}
	files := &sourcetest.Memory{} // or dir.Open(…), s3.New(…)
	files.Put("trades.parquet", file.Bytes())

	src, err := parquet.New(files, parquet.Config{Match: []string{"*.parquet"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, _, err := src.Open(context.Background(), source.Object{Key: "trades.parquet", Size: -1}, 0, -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	lines, err := io.ReadAll(r)
	fmt.Print(string(lines), err)
	// Output:
	// {"id":7,"at":"2026-11-22T10:15:00Z","price":19.99,"tags":["a","b"]}
	// <nil>
}
