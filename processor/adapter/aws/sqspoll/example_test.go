package sqspoll_test

import (
	"context"
	"fmt"
	"os"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/sqspoll"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

// printer is a custom processor.
type printer struct{ done chan struct{} }

func (p printer) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	fmt.Println(string(data))
	close(p.done)
	return nil
}

func Example() {
	srv, err := sqstest.New(sqstest.Config{}) // instead of AWS
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	queue, err := srv.AddQueue("jobs", sqstest.QueueConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := sqs.New(sqs.Options{ // usually of config.LoadDefaultConfig
		Region: "us-east-1", BaseEndpoint: awssdk.String(srv.URL()), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	ctx, stop := context.WithCancel(context.Background()) // usually of signal.NotifyContext
	defer stop()
	if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: awssdk.String(`{"id":1}`)}); err != nil {
		fmt.Println(err)
		return
	}

	dir, err := os.MkdirTemp("", "aside")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	p := printer{make(chan struct{})}
	service, err := processor.New(processor.Config{Processor: p, RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt"})
	if err != nil {
		fmt.Println(err)
		return
	}
	messages, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: service}})
	if err != nil {
		fmt.Println(err)
		return
	}
	consumer, err := sqspoll.New(client, queue, messages, sqspoll.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { <-p.done; stop() }()
	stats, err := consumer.Run(ctx)
	fmt.Println(stats.Deleted, "deleted,", err)
	// Output:
	// {"id":1}
	// 1 deleted, <nil>
}
