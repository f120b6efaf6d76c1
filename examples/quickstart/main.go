// Quickstart drains a folder of 20,000 realistic files into SQS, twice, and
// checks that every good record arrived exactly once. It needs no AWS account
// and no server: the queue is sqstest, a strict stand-in that runs in this
// process and is spoken to by the real AWS SDK.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/unspool-go/unspool/claim/disk"
	"github.com/unspool-go/unspool/internal/spooltest"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

func main() {
	files := flag.Int("files", 20_000, "how many files to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *files); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run is the whole story: make files, drain them, check, drain again.
func run(ctx context.Context, out io.Writer, files int) (err error) {
	folder, err := os.MkdirTemp("", "unspool-quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	want, err := spooltest.Write(filepath.Join(folder, "spool"), spooltest.Config{
		Files: files, CorruptEvery: 97, OddEvery: 20,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote    %s files, %.1f MB: comments before the JSON, arrays, NDJSON, %s broken records\n",
		comma(want.Files), float64(want.Bytes)/1e6, comma(want.CorruptRecords()))

	server, err := sqstest.New(sqstest.Config{})
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := server.AddQueue(queueName, sqstest.QueueConfig{}); err != nil {
		return err
	}

	first, err := drain(ctx, folder, server.URL())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "drained  %s records in %s messages of %s bytes on average, %s calls, %v (%s files/s)\n",
		comma(first.Delivered), comma(first.Messages), comma(first.Bytes/max(first.Messages, 1)), comma(first.Batched),
		time.Duration(first.RuntimeMs)*time.Millisecond, comma(first.Finished*1000/max(first.RuntimeMs, 1)))
	corrupt, err := checkCorruption(filepath.Join(folder, "corrupt"), want)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "put by   %s corrupt records with their reasons, one of them: %s\n", comma(first.CorruptionErrors), corrupt)

	second, err := drain(ctx, folder, server.URL())
	if err != nil {
		return err
	}
	if second.Messages != 0 || second.Loaded != 0 {
		return fmt.Errorf("the second run sent %d messages", second.Messages)
	}
	fmt.Fprintf(out, "again    %s files were done already: nothing read, nothing sent\n", comma(second.Skipped))

	if err := checkQueue(server.Messages(queueName), want); err != nil {
		return err
	}
	fmt.Fprintf(out, "checked  every good record is in the queue exactly once, every broken one is accounted for\n")
	first.Errors = first.Errors[:min(2, len(first.Errors))] // all are in the corruption folder
	return json.NewEncoder(out).Encode(first)
}

const queueName = "quickstart"

// drain is what a program of one's own looks like: open the parts, put them
// together, run.
func drain(ctx context.Context, folder, endpoint string) (report *processor.Response, err error) {
	files, err := dir.Open(filepath.Join(folder, "spool"), dir.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()

	claims, err := disk.Open(filepath.Join(folder, "claims"), disk.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, claims.Close()) }()

	fields, err := transform.Project("id", "user=user.screen_name", "text", "tags=entities.hashtags.#.text")
	if err != nil {
		return nil, err
	}
	queue, err := sqs.New(sqs.NewClient(aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("quickstart", "not-a-secret", ""),
		BaseEndpoint: aws.String(endpoint),
	}), queueName, sqs.Config{})
	if err != nil {
		return nil, err
	}

	service, err := processor.New(processor.Config{
		Source:        files,
		Claimer:       claims,
		Transform:     transform.Chain(transform.StripPreamble{}, fields),
		Sink:          queue,
		RetryURL:      filepath.Join(folder, "retry"),
		FailedURL:     filepath.Join(folder, "failed"),
		CorruptionURL: filepath.Join(folder, "corrupt"),
	})
	if err != nil {
		return nil, err
	}
	reporter, err := service.Run(ctx)
	if err != nil {
		return nil, err
	}
	report = reporter.BaseResponse()
	if report.Status != processor.StatusOK {
		return nil, fmt.Errorf("run ended with status %s: %v", report.Status, report.Errors)
	}
	return report, nil
}
