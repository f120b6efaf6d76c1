package csv_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// CSV to JSON, as the transformer of the cloudless write-up: three columns, the
// last of which is a list. A row that has not three goes to the corruption
// destination, and the others are what they are.
func Example() {
	folder, err := os.MkdirTemp("", "csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	text := "1,US-CA,\"12,17,21\"\n2,US-NY,\"4\"\n3,US-TX\n"
	if err := os.WriteFile(filepath.Join(folder, "segments.csv"), []byte(text), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	files, err := dir.Open(folder, dir.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer files.Close()
	rows, err := csv.New(files, csv.Config{
		Match: []string{"*.csv"},
		Names: []string{"ID", "Region", "SegmentIDs"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	queue := sinkmemory.New(sinkmemory.Config{})
	service, err := processor.New(processor.Config{
		Source: rows,
		Split:  source.Split{Format: source.FormatLines},
		Transform: transform.Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
			var row struct{ ID, Region, SegmentIDs string }
			if err := json.Unmarshal(rec.Data, &row); err != nil {
				return dst, processor.NewDataCorruption("unexpected row")
			}
			return json.Marshal(struct {
				ID, Region string
				SegmentIDs []string
			}{row.ID, row.Region, strings.Split(row.SegmentIDs, ",")})
		}),
		Sink:          queue,
		Claimer:       memory.New(), // claim/disk outlives the process
		Pack:          processor.Pack{Mode: processor.PackLines},
		RetryURL:      "mem://localhost/csv/retry",
		FailedURL:     "mem://localhost/csv/failed",
		CorruptionURL: "mem://localhost/csv/corrupted",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := service.Run(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range queue.Messages() {
		fmt.Print(string(m.Body))
	}
	resp := report.BaseResponse()
	fmt.Println("delivered", resp.Delivered, "corrupted", resp.CorruptionErrors)
	fmt.Println(resp.Errors)
	// Output:
	// {"ID":"1","Region":"US-CA","SegmentIDs":["12","17","21"]}
	// {"ID":"2","Region":"US-NY","SegmentIDs":["4"]}
	// delivered 2 corrupted 1
	// [segments.csv: split: record at offset 131: csv: row 3: 2 fields, not 3]
}
