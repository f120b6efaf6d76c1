// Customtransform runs a transform of one's own, [Redact], over a folder or
// over standard input, and writes the result to standard output:
//
//	go run ./examples/customtransform -member email spool/
//	go run ./examples/customtransform -member email < feed.ndjson
//
// The transform is in redact.go, its ten-line test and its fuzz test in
// redact_test.go.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
)

func main() {
	member := flag.String("member", "email", "name of the members to mask")
	aside := flag.String("aside", "redact-aside", "folder for records that are not valid JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report, err := run(ctx, Redact(*member), *aside, flag.Arg(0), os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "customtransform:", err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "%d records written, %d corrupt\n", report.Delivered, report.CorruptionErrors)
}

// run redacts the files of folder, or stdin where folder is empty.
func run(ctx context.Context, redact Redact, aside, folder string, stdin io.Reader, stdout io.Writer) (report *processor.Response, err error) {
	cfg := processor.Config{
		Transform:     transform.Chain(transform.StripPreamble{}, redact),
		Sink:          &lines{w: bufio.NewWriter(stdout)},
		Pack:          processor.Pack{Mode: processor.PackSingle},
		RetryURL:      aside + "/retry",
		FailedURL:     aside + "/failed",
		CorruptionURL: aside + "/corrupt",
	}
	if folder != "" {
		files, openErr := dir.Open(folder, dir.Config{})
		if openErr != nil {
			return nil, openErr
		}
		defer func() { err = errors.Join(err, files.Close()) }()
		cfg.Source, cfg.Claimer = files, memory.New()
	}
	service, err := processor.New(cfg)
	if err != nil {
		return nil, err
	}
	var reporter processor.Reporter
	if folder != "" {
		reporter, err = service.Run(ctx)
	} else {
		reporter, err = service.Do(ctx, processor.NewRequest(stdin, nil, "stdin"))
	}
	if err != nil {
		return nil, err
	}
	report = reporter.BaseResponse()
	if report.Status != processor.StatusOK {
		return nil, fmt.Errorf("ended with status %s: %v", report.Status, report.Errors)
	}
	return report, nil
}

// lines is a sink of one's own: one line per message.
type lines struct {
	mu sync.Mutex
	w  *bufio.Writer
}

var (
	_ sink.Sink    = (*lines)(nil)
	_ sink.Flusher = (*lines)(nil)
)

// Limits says that what was sent counts only once it was flushed.
func (l *lines) Limits(context.Context) (sink.Limits, error) {
	return sink.Limits{NeedsFlush: true}, nil
}

// Send writes each message as a line.
func (l *lines) Send(_ context.Context, batch []sink.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		l.w.Write(m.Body)   //nolint:errcheck // a bufio.Writer keeps its error for Flush
		l.w.WriteByte('\n') //nolint:errcheck // the same
	}
	return nil
}

// Flush hands everything on.
func (l *lines) Flush(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Flush()
}
