package sqsstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/sqsstore"
	sinkmemory "github.com/unspool-go/unspool/sink/memory"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// Destinations that are queues: register a client, and use sqs:// URLs. What comes
// from a queue is handled by package adapter/aws; here one message is.
func ExampleRegister() {
	server, err := sqstest.New(sqstest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	for _, name := range []string{"orders", "orders-dead"} {
		if _, err := server.AddQueue(name, sqstest.QueueConfig{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	client := sqs.NewClient(awssdk.Config{ // as config.LoadDefaultConfig, of the AWS SDK, has it
		Region: "us-east-1", BaseEndpoint: awssdk.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	if err := sqsstore.Register(client, sqsstore.Config{}); err != nil {
		fmt.Println(err)
		return
	}

	service, err := processor.New(processor.Config{
		Sink: sinkmemory.New(sinkmemory.Config{}),
		Transform: transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
			if strings.Contains(string(rec.Data), "unknown") {
				return errors.New("no such customer yet")
			}
			out.Emit(rec.Data)
			return nil
		}),
		RetryURL: "sqs://orders", FailedURL: "sqs://orders-dead", CorruptionURL: "sqs://orders-dead",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	message := strings.NewReader(`[{"customer":"a"},{"customer":"unknown"},{"customer":"b"}]`)
	report, err := service.Do(context.Background(), processor.NewRequest(message, nil, "sqs://eu-central-1/123456789012/orders/m1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("delivered", report.BaseResponse().Delivered)
	for _, m := range server.Messages("orders") {
		fmt.Println(m.Body, "attempt", m.Attributes["attempt"].Value+":", m.Attributes["reason"].Value)
	}
	// Output:
	// delivered 2
	// {"customer":"unknown"} attempt 1: no such customer yet
}
