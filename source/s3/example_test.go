package s3_test

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/unspool-go/unspool/source/s3"
)

// Two hours of a feed in a store of one's own. On AWS the configuration
// is that of config.LoadDefaultConfig, without an endpoint.
func ExampleNew() {
	store := inProcess(map[string]string{
		"events/dt=2026-01-02/hour=01/old.json": `{"id":0}`,
		"events/dt=2026-01-02/hour=02/a.json":   `{"id":1}`,
		"events/dt=2026-01-02/hour=03/b.json":   `{"id":2}`,
		"events/dt=2026-01-02/hour=03/_SUCCESS": "",
	})
	client := s3.NewClient(aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  store,
	}, func(o *awss3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String("http://s3.example"), true
	})
	src, err := s3.New(client, s3.Config{
		Bucket:   "feed",
		Prefix:   "events",
		Suffixes: []string{".json"},
		Partitions: s3.Partitions{
			Layout: "dt=2006-01-02/hour=15",
			From:   time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC), // or LookBack: 2 * time.Hour
			To:     time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC),
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for o, err := range src.Objects(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		data, found, err := src.ReadObject(ctx, o, nil, 1<<20)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s, %d bytes: %s\n", o.Key, found.Size, data)
	}
	// Output:
	// dt=2026-01-02/hour=02/a.json, 8 bytes: {"id":1}
	// dt=2026-01-02/hour=03/b.json, 8 bytes: {"id":2}
}

func ExampleParseEvents() {
	message := `{"Records":[{
		"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventTime":"2026-01-02T03:04:05.678Z",
		"s3":{"bucket":{"name":"feed"},"object":{"key":"events/new+file.json","size":8,"eTag":"0d3bc9","sequencer":"0055AED6DCD90281E5"}}
	}]}`
	events, err := s3.ParseEvents([]byte(message))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range events {
		if e.Created() {
			fmt.Printf("%s: %s, %d bytes\n", e.Bucket, e.Object.Key, e.Object.Size)
		}
	}
	// Output:
	// feed: events/new file.json, 8 bytes
}
