package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/unspool-go/unspool/processor/cut"
)

// splitGroups are the options of "unspool split".
var splitGroups = []group{
	{"Which files to read", optionsOf("source", "header", "ignore", "include-hidden", "flat", "min-age", "marker", "merge")},
	{"How to read them", optionsOf("compression", "format", "records", "preamble", "raw")},
	{"Files of CSV", csvOptions},
	{"Files of Parquet", parquetOptions},
	{"Order within files", sortOptions},
	{"What to make of it", optionsOf("part-bytes", "part-records", "header-lines", "ext")},
	{"Where to put it", []option{
		renamed("to", "URL", "the folder for the parts: a path, file:// or s3:// URL outside the source. With --sink, for the manifests. Required"),
		renamed("corruption", "URL", "folder for what is invalid. Default TO-corruption, beside it"),
		renamed("sink", "URL", "send the parts as messages: sqs:QUEUE_URL_OR_NAME, file://DIR or stdout:"),
	}},
	{"How long and how hard", optionsOf("max-time", "concurrency")},
	{"What is shown", optionsOf("json")},
}

func optionsOf(names ...string) []option {
	all := make([]option, len(names))
	for i, name := range names {
		all[i], _ = findOption(name)
	}
	return all
}

// renamed is an option that means something else here.
func renamed(name, arg, usage string) option {
	o, _ := findOption(name)
	o.arg, o.usage = arg, usage
	return o
}

const splitHelp = `Usage: unspool split --source URL --to URL [options]

Cuts large files at the boundaries of records into parts. The parts of a file are
in a folder of their own, day.json~0123456789abcdef/part000001-000000000000.ndjson
and so on, and complete when there is a _SUCCESS in it, which tells what became of
every byte. A record is a line of a part. A file that is cut already is left alone;
who is killed goes on where it was, and nothing is there twice.
` + configOption

const splitTail = `
Exit status: 0 all files are cut; 1 some are not; 2 wrong usage or configuration;
3 stopped with work left (deadline, signal).
`

// checkSplit is the check of "unspool split".
func checkSplit(s *settings) []error {
	errs := checkOrigin(s)
	if s.Source == "" {
		errs = append(errs, errors.New("--source: required"))
	}
	if s.To == "" {
		errs = append(errs, errors.New("--to: required"))
	}
	if s.HeaderLines > 0 && s.Format != "lines" {
		errs = append(errs, errors.New("--header-lines: only with --format lines"))
	}
	if s.Raw && s.Format != "lines" {
		errs = append(errs, errors.New("--raw: only with --format lines"))
	}
	if s.Raw && (len(s.CSV) > 0 || len(s.Parquet) > 0) {
		errs = append(errs, errors.New("--raw: not with --csv or --parquet, whose rows are JSON"))
	}
	if s.Format == "whole" {
		errs = append(errs, errors.New("--format: whole leaves nothing to be cut"))
	}
	return errs
}

// runSplit is "unspool split".
func runSplit(ctx context.Context, w words, errs []error, stdout, _ io.Writer) error {
	j := &job{}
	cutter, err := buildCutter(ctx, j, w.settings, errs, stdout)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	defer j.Close()
	start := time.Now()
	report, err := cutter.Run(ctx)
	stopped := ctx.Err() != nil
	if err = errors.Join(err, j.Close()); err != nil && !stopped {
		return errors.Join(err, answer(stdout, w.JSON, report, splitText(report, time.Since(start))))
	}
	if err := answer(stdout, w.JSON, report, splitText(report, time.Since(start))); err != nil {
		return err
	}
	if stopped {
		return told(errStopped)
	}
	return nil
}

// buildCutter makes a cutter of settings, in which errs were found already, and has
// j close what was opened for it.
func buildCutter(ctx context.Context, j *job, set settings, errs []error, stdout io.Writer) (*cut.Cutter, error) {
	closeStores, err := openStores(ctx, set.To, set.Corruption, set.Mirror)
	if err != nil {
		errs = append(errs, err)
	}
	in, more := buildInput(ctx, set)
	j.closers = append(j.closers, closeStores, in.Close)
	errs = append(errs, more...)
	errs = append(errs, checkSink(set)...)
	if set.Corruption == "" {
		set.Corruption = strings.TrimRight(set.To, "/") + "-corruption"
	}
	errs = append(errs, splitOverlaps(set, in.Folder)...)
	if err := usage(errs); err != nil {
		return nil, err
	}
	cfg := cut.Config{
		Source: in.Source, Split: in.Split, To: set.To, CorruptionURL: set.Corruption,
		PartBytes: int64(set.PartBytes), PartRecords: int64(set.PartRecords), Header: set.HeaderLines,
		Ext: set.Ext, Concurrency: set.Concurrency,
	}
	cfg.Split.Raw = set.Raw
	if set.Raw {
		cfg.Split.Preamble = nil // it is not JSON that it would stand before
	}
	if set.Sink != "" {
		to, err := j.openSink(ctx, set, stdout)
		if err != nil {
			return nil, err
		}
		cfg.Sink = to
	}
	cutter, err := cut.New(cfg)
	if err != nil {
		return nil, usage([]error{err})
	}
	return cutter, nil
}

// splitOverlaps reports folders that are in each other's way.
func splitOverlaps(set settings, from string) []error {
	var folders []folder
	if from != "" {
		folders = append(folders, folder{"source", from})
	}
	for _, p := range []folder{{"to", set.To}, {"corruption", set.Corruption}} {
		path, local, err := localPath(p.path)
		if err != nil {
			return []error{&optionError{p.option, err}}
		}
		if local && p.path != "" {
			folders = append(folders, folder{p.option, path})
		}
	}
	return overlaps(folders)
}

func splitText(r cut.Report, took time.Duration) string {
	var t rows
	t.add("objects", "%s cut, %s done before%s in %v", digits(r.Cut), digits(r.Done), some(
		part{r.Vanished, "vanished"}, part{r.Changed, "changed meanwhile"}, part{r.Failed, "failed"}), took.Round(10*time.Millisecond))
	t.add("parts", "%s of %s", digits(r.Parts), bytesText(r.Bytes))
	t.add("records", "%s%s", digits(r.Records), some(part{r.Corrupt, "corrupt"}, part{r.Refused, "parts refused"}))
	return t.String()
}
