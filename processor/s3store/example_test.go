package s3store_test

import (
	"context"
	"fmt"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/processortest"
	"github.com/unspool-go/unspool/processor/s3store"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
)

// Destinations in S3: register a client, and use s3:// URLs.
func ExampleRegister() {
	client := new(s3fake.Server).Client() // s3.NewFromConfig(cfg), of the AWS SDK
	if err := s3store.Register(client, s3store.Config{}); err != nil {
		fmt.Println(err)
		return
	}

	files := new(processortest.Source)
	files.Put("good.json", []byte(`{"id":1}`))
	files.Put("bad.json", []byte(`{"id":2`))
	service, err := processor.New(processor.Config{
		Source: files, Claimer: memory.New(), Sink: sinkmemory.New(sinkmemory.Config{}),
		RetryURL:      "s3://my-bucket/spool/retry",
		FailedURL:     "s3://my-bucket/spool/failed/$TimePath",
		CorruptionURL: "s3://my-bucket/spool/corrupt/$TimePath",
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
