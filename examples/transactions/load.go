package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/clean"
)

// openRows opens the CSV files of a folder, as rows. The folder is to be closed.
func openRows(name string) (rows source.Source, folder io.Closer, err error) {
	files, err := dir.Open(filepath.Join(name, uploads), dir.Config{})
	if err != nil {
		return nil, nil, err
	}
	rows, err = csv.New(files, table())
	return rows, files, err
}

// load takes the CSV files of a folder to the first queue, clean.
func (c *chain) load(ctx context.Context, folder string) (report *processor.Response, counts clean.Counts, err error) {
	rows, files, err := openRows(folder)
	if err != nil {
		return nil, counts, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	cleaner, err := clean.New(rules())
	if err != nil {
		return nil, counts, err
	}
	queue, err := sqs.New(c.queues, queueTransactions, sqs.Config{})
	if err != nil {
		return nil, counts, err
	}
	service, err := processor.New(processor.Config{
		Source: rows, Claimer: c.claims, Sink: queue,
		// What a record comes from goes with it through all that follows.
		Transform: transform.Chain(cleaner, transform.Origin{Object: "object", Offset: "offset"}), RecordID: "record",
		Split:    source.Split{Format: source.FormatLines}, // as csv writes rows
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
