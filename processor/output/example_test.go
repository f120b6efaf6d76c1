package output_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/output"
)

// byRegion turns lines such as "7,eu,a b" into JSON, in a file for each region.
type byRegion struct{}

func (byRegion) Pre(ctx context.Context, r processor.Reporter) (context.Context, error) {
	return output.Open(ctx, r, output.Config{Ext: ".json"})
}

func (byRegion) Process(ctx context.Context, data []byte, _ processor.Reporter) error {
	fields := strings.Split(string(data), ",")
	if len(fields) != 3 {
		return processor.NewDataCorruption(fmt.Sprintf("a line has %d fields, not 3", len(fields)))
	}
	line, err := json.Marshal(map[string]any{"ID": fields[0], "Segments": strings.Fields(fields[2])})
	if err != nil {
		return err
	}
	return output.From(ctx).Append(fields[1], line)
}

// Post is part of the commit: if a file is lost, all lines are tried again.
func (byRegion) Post(ctx context.Context, _ processor.Reporter) error {
	return output.From(ctx).Commit(ctx)
}

// A custom processor that writes what it makes of each record to files of the
// DestinationURL.
func Example() {
	folder, err := os.MkdirTemp("", "unspool-example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	service, err := processor.New(processor.Config{
		Processor:      byRegion{},
		Concurrency:    1,
		DestinationURL: folder + "/out",
		RetryURL:       folder + "/retry", FailedURL: folder + "/failed", CorruptionURL: folder + "/corrupt",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	input := strings.NewReader("1,eu,a b\n2,us,c\nbroken\n3,eu,\n")
	report, err := service.Do(context.Background(), processor.NewRequest(input, nil, "users.csv"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.BaseResponse().Processed, "processed,", report.BaseResponse().CorruptionErrors, "corrupt")
	for _, region := range []string{"eu", "us"} {
		files, _ := filepath.Glob(folder + "/out/" + region + "~*.json")
		text, _ := os.ReadFile(files[0])
		fmt.Printf("%s:\n%s", region, text)
	}
	// Output:
	// 3 processed, 1 corrupt
	// eu:
	// {"ID":"1","Segments":["a","b"]}
	// {"ID":"3","Segments":[]}
	// us:
	// {"ID":"2","Segments":["c"]}
}
