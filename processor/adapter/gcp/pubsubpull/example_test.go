package pubsubpull_test

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"cloud.google.com/go/pubsub/v2"

	"github.com/unspool-go/unspool/processor/adapter/gcp"
	"github.com/unspool-go/unspool/processor/adapter/gcp/pubsubpull"
)

// A subscriber that stands alone, until it is told to end.
func Example() {
	run := func(svc gcp.Service) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		client, err := pubsub.NewClient(ctx, "my-project")
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		defer client.Close()
		messages, err := gcp.NewMessages(gcp.MessagesConfig{Config: gcp.Config{Service: svc}})
		if err != nil {
			return err
		}
		puller, err := pubsubpull.New(client, "my-subscription", pubsubpull.Config{Handle: messages.HandleMessage})
		if err != nil {
			return err
		}
		return puller.Run(ctx)
	}
	_ = run
}
