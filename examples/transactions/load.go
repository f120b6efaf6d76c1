package main

import (
	"context"
	"errors"
	"path/filepath"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/clean"
)

// load takes the CSV files of a folder to the first queue, clean.
func load(ctx context.Context, folder string, client *awssqs.Client) (report *processor.Response, counts clean.Counts, err error) {
	files, err := dir.Open(filepath.Join(folder, uploads), dir.Config{})
	if err != nil {
		return nil, counts, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	rows, err := csv.New(files, table())
	if err != nil {
		return nil, counts, err
	}
	cleaner, err := clean.New(rules())
	if err != nil {
		return nil, counts, err
	}
	queue, err := sqs.New(client, queueTransactions, sqs.Config{})
	if err != nil {
		return nil, counts, err
	}
	service, err := processor.New(processor.Config{
		Source: rows, Claimer: memory.New(), Sink: queue, // disk, redis or dynamodb where there are several processes
		// What a record comes from goes with it through all that follows.
		Transform: transform.Chain(cleaner, transform.Origin{Object: "object", Offset: "offset"}), RecordID: "record",
		RetryURL: filepath.Join(folder, "retry"), FailedURL: filepath.Join(folder, "failed"), CorruptionURL: filepath.Join(folder, "corrupt"),
	})
	if err != nil {
		return nil, counts, err
	}
	reporter, err := service.Run(ctx)
	if err != nil {
		return nil, counts, err
	}
	return reporter.BaseResponse(), cleaner.Counts(), nil
}
