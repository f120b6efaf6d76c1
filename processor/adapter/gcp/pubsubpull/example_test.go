package pubsubpull_test

import (
	"context"
	"fmt"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/processor/adapter/gcp/pubsubpull"
)

// A subscriber that stands alone. Here it ends with the first message that is
// settled, mostly with a signal.
func Example() {
	server := pstest.NewServer() // a Pub/Sub in the process
	defer server.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	client, err := pubsub.NewClient(ctx, "my-project", option.WithEndpoint(server.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if err := subscribe(ctx, client); err != nil {
		fmt.Println(err)
		return
	}
	server.Publish("projects/my-project/topics/records", []byte(`{"id":1}`), nil)

	messages, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{
		Service: printer{}, // a *processor.Service
		Done:    func(*gcp.Report) { stop() },
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	puller, err := pubsubpull.New(client, "unspool", pubsubpull.Config{Handle: messages.HandleMessage})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(puller.Run(ctx))
	// Output:
	// {"id":1}
	// <nil>
}

func subscribe(ctx context.Context, client *pubsub.Client) error {
	topic := &pubsubpb.Topic{Name: "projects/my-project/topics/records"}
	if _, err := client.TopicAdminClient.CreateTopic(ctx, topic); err != nil {
		return err
	}
	_, err := client.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{
		Name: "projects/my-project/subscriptions/unspool", Topic: topic.Name, AckDeadlineSeconds: 600,
	})
	return err
}

// printer prints what it is to process.
type printer struct{}

func (printer) Do(_ context.Context, req *processor.Request) (processor.Reporter, error) {
	body := make([]byte, 8)
	n, err := req.Reader.Read(body)
	fmt.Println(string(body[:n]))
	return processor.NewReporter(), err
}
