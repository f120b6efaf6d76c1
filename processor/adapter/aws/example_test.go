package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/internal/s3fake"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/source/s3"
)

// printing is a configuration with a processor that prints, and destinations in a
// folder.
func printing(dir string) processor.Config {
	return processor.Config{
		Processor: lineFunc(func(_ context.Context, line string) error {
			if line == "poison" {
				return processor.NewDataCorruption("it is poison")
			}
			fmt.Println(line)
			return nil
		}),
		Concurrency: 1, RetryURL: dir + "/retry", FailedURL: dir + "/failed", CorruptionURL: dir + "/corrupt",
	}
}

func Example() {
	store := &s3fake.Server{} // instead of AWS
	bucket, key := "feed", "in/a b.txt"
	if _, err := store.Client().PutObject(context.Background(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("one\npoison\n")}); err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "aside")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	files, err := s3.New(store.Client(), s3.Config{Bucket: "feed", Prefix: "in"})
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := printing(dir)
	cfg.Source, cfg.Claimer = files, memory.New()
	service, err := processor.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	objects, err := aws.NewObjects(aws.ObjectsConfig{Source: files, Config: aws.Config{Service: service, Done: func(r *aws.Report) {
		fmt.Println(r.Status, r.Loaded, "loaded,", r.CorruptionErrors, "corrupt")
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a Lambda function: lambda.Start(objects.Handle)
	event := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"feed"},"object":{"key":"in/a+b.txt"}}}]}`
	answer, err := lambda.NewHandler(objects.Handle).Invoke(context.Background(), []byte(event))
	fmt.Println(string(answer), err)
	// Output:
	// one
	// ok 2 loaded, 1 corrupt
	// {"batchItemFailures":[]} <nil>
}

func ExampleMessages() {
	dir, err := os.MkdirTemp("", "aside")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	service, err := processor.New(printing(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	messages, err := aws.NewMessages(aws.MessagesConfig{Config: aws.Config{Service: service}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a Lambda function: lambda.Start(messages.Handle)
	event := `{"Records":[
	 {"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs","messageId":"m1","body":"one"},
	 {"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs","messageId":"m2","body":"[\"software.amazon.payloadoffloading.PayloadS3Pointer\",{\"s3BucketName\":\"b\",\"s3Key\":\"k\"}]"}
	]}`
	answer, err := lambda.NewHandler(messages.Handle).Invoke(context.Background(), []byte(event))
	fmt.Println(string(answer), err) // the second points to a bucket, and no reader of it is configured
	// Output:
	// one
	// {"batchItemFailures":[{"itemIdentifier":"m2"}]} <nil>
}

func ExampleChanges() {
	dir, err := os.MkdirTemp("", "aside")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	service, err := processor.New(printing(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := aws.NewChanges(aws.ChangesConfig{Config: aws.Config{Service: service}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a Lambda function: lambda.Start(changes.Handle)
	event := `{"Records":[{"eventName":"INSERT","dynamodb":{"SequenceNumber":"111","Keys":{"id":{"N":"7"}},"NewImage":{"id":{"N":"7"},"price":{"N":"19.90"},"tags":{"SS":["a","b"]}}}}]}`
	answer, err := changes.Handle(context.Background(), json.RawMessage(event))
	fmt.Println(answer.Again(), err)
	// Output:
	// {"eventName":"INSERT","sequenceNumber":"111","keys":{"id":7},"newImage":{"id":7,"price":19.90,"tags":["a","b"]}}
	// [] <nil>
}
