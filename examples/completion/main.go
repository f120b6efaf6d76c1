// Completion shows how a set of objects is found to be complete: three producers write
// into a bucket, one of them slowly; S3 tells of it, some things twice and in no order; a
// monitor counts; two observers wake themselves by delayed messages; and the next step is
// called when everything is there. Then one more object comes, too late: the set is
// reopened, and completes again.
//
// It needs no AWS account and no server: the queues are sqstest, a strict stand-in that
// runs in this process and is spoken to by the real AWS SDK. Its clock runs ten times as
// fast as yours.
//
//	go run ./examples/completion
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/processor/adapter/aws/sqspoll"
	"github.com/unspool-go/unspool/processor/completion"
	"github.com/unspool-go/unspool/processor/completion/aws"
	"github.com/unspool-go/unspool/processor/completion/memory"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "completion:", err)
		os.Exit(1)
	}
}

// run is the whole story.
func run(ctx context.Context, out io.Writer) error {
	server, err := sqstest.New(sqstest.Config{})
	if err != nil {
		return err
	}
	defer server.Close()
	story := newStory(server, out)
	parts, err := open(story)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, consumer := range parts.consumers {
		wg.Go(func() {
			if _, err := consumer.Run(ctx); err != nil {
				story.fail(err)
			}
		})
	}
	wg.Go(func() { story.runClock(ctx) })

	bucket := bucket{client: parts.client, queue: parts.eventsURL}
	if err := story.produce(ctx, bucket); err != nil {
		return err
	}
	story.say("produced", "%d objects, S3 has told of each, of some twice", objects)
	if err := story.await(ctx, func(c completion.Completion) bool { return c.Count.Objects == objects }); err != nil {
		return err
	}
	story.say("late", "one more object comes")
	if err := bucket.put(ctx, "afterthought"); err != nil {
		return err
	}
	if err := story.await(ctx, func(c completion.Completion) bool { return c.Count.Objects == objects+1 }); err != nil {
		return err
	}
	return story.check()
}

// parts are the parts of a program of one's own.
type parts struct {
	client    *sqs.Client
	eventsURL string
	consumers []*sqspoll.Consumer
}

// open puts the parts together.
func open(s *story) (parts, error) {
	client := sqs.New(sqs.Options{ // usually of config.LoadDefaultConfig
		Region: "us-east-1", BaseEndpoint: awssdk.String(s.server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("completion", "not-a-secret", ""),
	})
	events, errEvents := s.server.AddQueue("events", sqstest.QueueConfig{})
	observers, errObservers := s.server.AddQueue("observers", sqstest.QueueConfig{})
	queue, errQueue := aws.NewQueue(client, observers)
	if err := errors.Join(errEvents, errObservers, errQueue); err != nil {
		return parts{}, err
	}
	store := memory.New() // redis.New or dynamodb.New where there are several processes
	late := completion.LatePolicy{Reopen: true, Tell: s.late}

	counting, err := completion.NewMonitor(completion.MonitorConfig{
		Store: store, Late: late,
		Start: func(ctx context.Context, set completion.Set) error {
			return errors.Join(queue.Start(ctx, set), queue.Start(ctx, set)) // two: one wins
		},
	})
	if err != nil {
		return parts{}, err
	}
	monitor, err := aws.NewMonitor(aws.MonitorConfig{Monitor: counting, SetOf: aws.Folders("out/", 1)})
	if err != nil {
		return parts{}, err
	}
	observer, err := completion.New(completion.Config{
		Store: store, Late: late, Complete: s.next,
		Policy: completion.Policy{Window: 4, Delay: completion.Divided(3 * time.Second)},
	})
	if err != nil {
		return parts{}, err
	}
	driver, err := aws.NewDriver(aws.DriverConfig{Observer: observer, Queue: queue, OnError: s.fail})
	if err != nil {
		return parts{}, err
	}
	polling := sqspoll.Config{OnError: s.fail, Visibility: time.Hour} // long, as this clock is fast
	monitors, errMonitors := sqspoll.New(client, events, monitor, polling)
	drivers, errDrivers := sqspoll.New(client, observers, driver, polling)
	return parts{client, events, []*sqspoll.Consumer{monitors, drivers}}, errors.Join(errMonitors, errDrivers)
}
