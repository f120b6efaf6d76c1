package streampoll_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/aws"
	"github.com/unspool-go/unspool/processor/adapter/aws/streampoll"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
)

// printer is a custom processor.
type printer struct{ done chan struct{} }

func (p printer) Process(_ context.Context, data []byte, _ processor.Reporter) error {
	var change struct {
		EventName string
		NewImage  struct{ ID, Status string }
	}
	if err := json.Unmarshal(data, &change); err != nil {
		return err
	}
	fmt.Println(change.EventName, change.NewImage.ID, change.NewImage.Status)
	close(p.done)
	return nil
}

func Example() {
	srv, err := dynamodbtest.New(dynamodbtest.Config{}) // instead of AWS
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	if err := srv.AddTable("orders", dynamodbtest.TableConfig{PartitionKey: "id", Stream: "NEW_IMAGE"}); err != nil {
		fmt.Println(err)
		return
	}
	cfg := awssdk.Config{ // usually of config.LoadDefaultConfig
		Region: "us-east-1", BaseEndpoint: awssdk.String(srv.URL()), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
	tables := dynamodb.NewFromConfig(cfg)
	ctx, stop := context.WithCancel(context.Background()) // usually of signal.NotifyContext
	defer stop()
	if _, err := tables.PutItem(ctx, &dynamodb.PutItemInput{TableName: awssdk.String("orders"), Item: map[string]types.AttributeValue{
		"id": &types.AttributeValueMemberS{Value: "7"}, "status": &types.AttributeValueMemberS{Value: "new"},
	}}); err != nil {
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
	changes, err := aws.NewChanges(aws.ChangesConfig{Config: aws.Config{Service: service}})
	if err != nil {
		fmt.Println(err)
		return
	}
	stream, err := streampoll.Stream(ctx, tables, "orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	consumer, err := streampoll.New(dynamodbstreams.NewFromConfig(cfg), stream, changes, streampoll.Config{
		Claims: memory.New(), // usually of claim/dynamodb or claim/redis, that others share
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { <-p.done; stop() }()
	stats, err := consumer.Run(ctx)
	fmt.Println(stats.Settled, "settled,", err)
	// Output:
	// INSERT 7 new
	// 1 settled, <nil>
}
