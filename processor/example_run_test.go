package processor_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

// A folder of JSON files with a comment in front is drained into a sink. A
// second run finds everything done.
func ExampleService_Run() {
	folder, err := os.MkdirTemp("", "unspool-example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	_ = os.Mkdir(folder+"/in", 0o755)
	_ = os.WriteFile(folder+"/in/1.json", []byte("// exported\n{\"id\":1,\"user\":{\"name\":\"ada\"}}"), 0o600)
	_ = os.WriteFile(folder+"/in/2.json", []byte("// exported\n{\"id\":2,\"user\":{\"name\":\"kay\"}}"), 0o600)

	files, err := dir.Open(folder+"/in", dir.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer files.Close()
	queue := sinkmemory.New(sinkmemory.Config{})
	service, err := processor.New(processor.Config{
		Source:    files,
		Claimer:   memory.New(), // claim/disk outlives the process
		Transform: transform.Chain(transform.StripPreamble{}, transform.MustProject("id", "name=user.name")),
		Sink:      queue,
		Pack:      processor.Pack{Mode: processor.PackSingle},
		RetryURL:  folder + "/retry", FailedURL: folder + "/failed", CorruptionURL: folder + "/corrupt",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		report, err := service.Run(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		resp := report.BaseResponse()
		fmt.Println(resp.Status, "delivered", resp.Delivered, "finished", resp.Finished)
	}
	var bodies []string
	for _, m := range queue.Messages() {
		bodies = append(bodies, string(m.Body))
	}
	slices.Sort(bodies)
	fmt.Println(strings.Join(bodies, "\n"))
	// Output:
	// ok delivered 2 finished 2
	// ok delivered 0 finished 0
	// {"id":1,"name":"ada"}
	// {"id":2,"name":"kay"}
}

// The plain values of a configuration can stand in a file; the parts are set in
// code.
func ExampleLoadConfig() {
	cfg, err := processor.LoadConfig(strings.NewReader(`
retryURL: s3://bucket/retry
failedURL: s3://bucket/failed
corruptionURL: s3://bucket/corrupt/$TimePath
maxRetries: 3
deadlineReduction: 5s
pack:
  mode: lines
  targetBytes: 65536
`))
	fmt.Println(cfg.MaxRetries, cfg.DeadlineReduction, cfg.Pack.Mode, err)

	_, err = processor.LoadConfig(strings.NewReader(`{"maxRetry": 3}`))
	fmt.Println("a key that does not exist is a mistake:", err != nil)
	// Output:
	// 3 5s lines <nil>
	// a key that does not exist is a mistake: true
}

// The identity of a record is the same in every pass over the same content.
func ExampleRecordID() {
	object := source.Object{Key: "2026/11/22/part-7.json", Version: "etag-1"}
	fmt.Println(processor.RecordID(object, 2048, 0))
	fmt.Println(processor.RecordID(object, 2048, 1)) // its second output
	object.Version = "etag-2"
	fmt.Println(processor.RecordID(object, 2048, 0)) // other content
	// Output:
	// xLQ4nXGQDQ7MAKy1i-p5pw.2048
	// xLQ4nXGQDQ7MAKy1i-p5pw.2048.1
	// Gv94NXY-2uImls1RsEfLAg.2048
}
