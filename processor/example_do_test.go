package processor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/viant/afs"
	"github.com/viant/afs/file"

	"github.com/unspool-go/unspool/processor"
)

// sumOf adds up the numbers of its input.
type sumOf struct{ total *atomic.Int64 }

// Process is called for one line, from several goroutines at once.
func (s sumOf) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return processor.NewDataCorruption("a line is no number")
	}
	s.total.Add(n)
	return nil
}

// A custom processor takes the lines of an input. What is no number is kept in
// the corruption destination; the others are added up.
func ExampleService_Do() {
	var total atomic.Int64
	service, err := processor.New(processor.Config{
		Processor:     sumOf{&total},
		Concurrency:   5,
		RetryURL:      "mem://localhost/example/retry",
		FailedURL:     "mem://localhost/example/failed",
		CorruptionURL: "mem://localhost/example/corrupted",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	input := strings.NewReader("1\n2\n3\n5\nasd\n373\n23")
	report, err := service.Do(context.Background(), processor.NewRequest(input, nil, "mem://localhost/data/numbers.txt"))
	if err != nil {
		fmt.Println(err) // send the input again
		return
	}
	fmt.Println("sum:", total.Load())

	// The report is the summary line of the call.
	summary, _ := json.Marshal(report)
	var fields struct {
		Status                                           string
		Loaded, Processed, CorruptionErrors, RetryErrors int
		CorruptionURL                                    string
		Errors                                           []string
	}
	_ = json.Unmarshal(summary, &fields)
	fmt.Printf("%+v\n", fields)
	// Output:
	// sum: 407
	// {Status:ok Loaded:7 Processed:6 CorruptionErrors:1 RetryErrors:0 CorruptionURL:mem://localhost/example/corrupted Errors:[a line is no number]}
}

// byLength counts lines by their length, in a report of its own.
type byLength struct {
	processor.BaseReporter
	Lengths map[int]int

	mu sync.Mutex
}

type measure struct{}

func (measure) Process(_ context.Context, data []byte, reporter processor.Reporter) error {
	r := reporter.(*byLength)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Lengths[len(data)]++
	return nil
}

// A reporter of one's own embeds BaseReporter, and its fields stand beside the
// others in the summary.
func ExampleReporter() {
	service, err := processor.New(processor.Config{
		Processor: measure{},
		NewReporter: func() processor.Reporter {
			return &byLength{
				BaseReporter: processor.BaseReporter{Response: &processor.Response{}},
				Lengths:      map[int]int{},
			}
		},
		RetryURL: "mem://localhost/retry", FailedURL: "mem://localhost/failed", CorruptionURL: "mem://localhost/corrupted",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := service.Do(context.Background(), processor.NewRequest(strings.NewReader("a\nbb\ncc\n"), nil, "letters.txt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	summary, _ := json.Marshal(report)
	var fields struct {
		Status  string
		Loaded  int
		Lengths map[string]int
	}
	_ = json.Unmarshal(summary, &fields)
	fmt.Println(fields.Status, fields.Loaded, fields.Lengths)
	// Output: ok 3 map[1:1 2:2]
}

// writeSum adds up the numbers of one call, and writes the sum to the
// destination when all of them are seen.
type writeSum struct{ fs afs.Service }

type sumKey struct{}

// Pre prepares what belongs to one call, and hands it on in the context.
func (writeSum) Pre(ctx context.Context, _ processor.Reporter) (context.Context, error) {
	return context.WithValue(ctx, sumKey{}, new(atomic.Int64)), nil
}

func (writeSum) Process(ctx context.Context, data []byte, reporter processor.Reporter) error {
	return sumOf{ctx.Value(sumKey{}).(*atomic.Int64)}.Process(ctx, data, reporter)
}

// Post is part of the commit: if it fails, all the numbers go to retry.
func (w writeSum) Post(ctx context.Context, reporter processor.Reporter) error {
	sum := ctx.Value(sumKey{}).(*atomic.Int64).Load()
	url := reporter.BaseResponse().DestinationURL
	return w.fs.Upload(ctx, url, file.DefaultFileOsMode, strings.NewReader(strconv.FormatInt(sum, 10)))
}

// Pre and Post stand before the first record of a call and after the last.
func ExamplePostProcessor() {
	fs := afs.New()
	service, err := processor.New(processor.Config{
		Processor:      writeSum{fs},
		DestinationURL: "mem://localhost/example/sum.txt",
		RetryURL:       "mem://localhost/retry", FailedURL: "mem://localhost/failed", CorruptionURL: "mem://localhost/corrupted",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if _, err := service.Do(ctx, processor.NewRequest(strings.NewReader("20\n22\n"), nil, "numbers.txt")); err != nil {
		fmt.Println(err)
		return
	}
	sum, err := fs.DownloadWithURL(ctx, "mem://localhost/example/sum.txt")
	fmt.Println(string(sum), err)
	// Output: 42 <nil>
}

// twoServices gives each record to two services, of which the second is away.
type twoServices struct{}

func (twoServices) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	forSecond, ok := strings.CutPrefix(string(data), "both:")
	if !ok {
		return nil
	}
	return processor.NewPartialRetry("the second service is away", []byte("second:"+forSecond))
}

// Of a record that was processed in part only the remainder is tried again.
func ExampleNewPartialRetry() {
	folder, err := os.MkdirTemp("", "unspool-example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	service, err := processor.New(processor.Config{
		Processor: twoServices{},
		RetryURL:  folder + "/retry", FailedURL: folder + "/failed", CorruptionURL: folder + "/corrupted",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := service.Do(context.Background(), processor.NewRequest(strings.NewReader("first:x\nboth:y\n"), nil, "calls.txt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("to be tried again:", report.BaseResponse().RetryErrors)
	parts, _ := filepath.Glob(folder + "/retry/calls.txt-retry01~*.ndjson")
	line, _ := os.ReadFile(parts[0])
	var envelope struct{ Data, Reason string }
	_ = json.Unmarshal(line, &envelope)
	fmt.Println(envelope.Data, "-", envelope.Reason)
	// Output:
	// to be tried again: 1
	// second:y - partly processed: the second service is away
}

// Corruption is the only fault of a record that is not tried again.
func ExampleNewDataCorruption() {
	service, err := processor.New(processor.Config{
		Processor: onlyDigits{},
		RetryURL:  "mem://localhost/retry", FailedURL: "mem://localhost/failed", CorruptionURL: "mem://localhost/corrupted",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := service.Do(context.Background(), processor.NewRequest(strings.NewReader("12\n1x\n"), nil, "numbers.txt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp := report.BaseResponse()
	fmt.Println(resp.Processed, "processed,", resp.CorruptionErrors, "corrupt,", resp.RetryErrors, "to retry")
	// Output: 1 processed, 1 corrupt, 0 to retry
}

type onlyDigits struct{}

func (onlyDigits) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	if strings.Trim(string(data), "0123456789") != "" {
		return processor.NewDataCorruption("something else than digits")
	}
	return nil
}
