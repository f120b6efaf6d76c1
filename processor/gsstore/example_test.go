package gsstore_test

import (
	"context"
	"fmt"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/gcsfake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/gsstore"
	"github.com/unspool-go/unspool/processor/processortest"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
)

// Destinations in Cloud Storage: register a client, and use gs:// URLs.
func ExampleRegister() {
	client, err := new(gcsfake.Server).Client() // storage.NewClient(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := gsstore.Register(client, gsstore.Config{}); err != nil {
		fmt.Println(err)
		return
	}

	files := new(processortest.Source)
	files.Put("good.json", []byte(`{"id":1}`))
	files.Put("bad.json", []byte(`{"id":2`))
	service, err := processor.New(processor.Config{
		Source: files, Claimer: memory.New(), Sink: sinkmemory.New(sinkmemory.Config{}),
		RetryURL:      "gs://my-bucket/spool/retry",
		FailedURL:     "gs://my-bucket/spool/failed/$TimePath",
		CorruptionURL: "gs://my-bucket/spool/corrupt/$TimePath",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := service.Run(context.Background())
	resp := report.BaseResponse()
	fmt.Println(resp.Status, "delivered", resp.Delivered, "corrupted", resp.CorruptionErrors, err)
	// Output: ok delivered 1 corrupted 1 <nil>
}
