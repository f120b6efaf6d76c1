package sqs_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func Example() {
	srv, err := sqstest.New(sqstest.Config{}) // instead of AWS
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	if _, err := srv.AddQueue("jobs", sqstest.QueueConfig{}); err != nil {
		fmt.Println(err)
		return
	}
	cfg := aws.Config{ // usually from config.LoadDefaultConfig
		Region:       "us-east-1",
		BaseEndpoint: aws.String(srv.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}

	s, err := sqs.New(sqs.NewClient(cfg, sqs.WithFastBody), "jobs", sqs.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.Send(context.Background(), []sink.Message{
		{ID: "m1", Body: []byte(`[{"id":1},{"id":2}]`)},
		{ID: "m2", Body: []byte("\"\uffff\"")}, // a character that SQS does not take
	})
	if batch, ok := errors.AsType[*sink.BatchError](err); ok {
		for _, f := range batch.Failed {
			fmt.Println("message", f.Index, "is", fault.Of(f.Err))
		}
	}
	for _, m := range srv.Messages("jobs") {
		fmt.Println(m.Body)
	}
	// Output:
	// message 1 is corrupt
	// [{"id":1},{"id":2}]
}
