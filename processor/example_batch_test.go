package processor_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/source"
)

// A store that takes many rows in one call gets them so. Those it refuses are
// named one by one; all the others count as processed.
func ExampleBatchProcessor() {
	insert := processor.BatchFunc(func(_ context.Context, batch []source.Record, _ processor.Reporter) error {
		var refused processor.BatchError
		for i, rec := range batch {
			if !bytes.HasPrefix(rec.Data, []byte("row")) {
				refused.Failed = append(refused.Failed, processor.RecordError{
					Index: i, Err: processor.NewDataCorruption("no row"),
				})
			}
		}
		fmt.Printf("inserted %d of %d rows\n", len(batch)-len(refused.Failed), len(batch))
		if len(refused.Failed) > 0 {
			return &refused
		}
		return nil
	})
	service, err := processor.New(processor.Config{
		Processor: insert, BatchSize: 3, Concurrency: 1,
		RetryURL: "mem://localhost/batch/retry", FailedURL: "mem://localhost/batch/failed", CorruptionURL: "mem://localhost/batch/corrupt",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	input := strings.NewReader("row 1\nrow 2\nrow 3\nrow 4\n???\n")
	report, err := service.Do(context.Background(), processor.NewRequest(input, nil, "data/rows.txt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := report.BaseResponse()
	fmt.Println(r.Processed, "processed,", r.CorruptionErrors, "corrupt")
	// Output:
	// inserted 3 of 3 rows
	// inserted 1 of 2 rows
	// 4 processed, 1 corrupt
}

// Neighbours with the same key come in one call: in an input that is sorted by
// the key, all that there is of it.
func ExampleConfig_groupBy() {
	count := processor.BatchFunc(func(_ context.Context, batch []source.Record, _ processor.Reporter) error {
		fmt.Printf("%s: %d\n", country(batch[0]), len(batch))
		return nil
	})
	service, err := processor.New(processor.Config{
		Processor: count, GroupBy: country, Concurrency: 1,
		RetryURL: "mem://localhost/group/retry", FailedURL: "mem://localhost/group/failed", CorruptionURL: "mem://localhost/group/corrupt",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	input := strings.NewReader("de,1\nde,2\nfr,3\npl,4\npl,5\npl,6\n")
	if _, err := service.Do(context.Background(), processor.NewRequest(input, nil, "data/orders.csv")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// de: 2
	// fr: 1
	// pl: 3
}

// country is what stands before the first comma.
func country(rec source.Record) []byte {
	key, _, _ := bytes.Cut(rec.Data, []byte(","))
	return key
}
