// Transactions takes half a million dirty rows of a CSV file to a queue, clean:
// what can be mended is, and what cannot be is put aside with its reason. The
// dirt is made by a generator that keeps a list of it, and in the end what was
// mended, dropped and put aside must be just that. It needs no AWS account and no
// server: the queue is sqstest, in this process, spoken to by the real AWS SDK.
//
//	go run ./examples/transactions
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/transform/clean"
)

func main() {
	rows := flag.Int("rows", 558_000, "how many rows to write")
	seed := flag.Uint64("seed", 1, "which rows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *rows, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "transactions:", err)
		os.Exit(1)
	}
}

// run is the whole story: make a file, clean it into a queue, compare.
func run(ctx context.Context, out io.Writer, rows int, seed uint64) (err error) {
	folder, err := os.MkdirTemp("", "unspool-transactions-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	want, err := upload(filepath.Join(folder, uploads), rows, seed)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote    %d rows of %d columns: %d to be mended, %d to be put aside, %d to be dropped\n",
		want.rows, len(columns), want.mended, int(want.counts.Corrupt)+want.flawed, want.counts.Dropped)

	server, err := sqstest.New(sqstest.Config{DiscardBodies: true})
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := server.AddQueue(queueTransactions, sqstest.QueueConfig{}); err != nil {
		return err
	}
	report, counts, err := load(ctx, folder, queueClient(server.URL()))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "cleaned  %d rows into %d messages in %v: %d mended, %d put aside, %d dropped\n", report.Delivered, report.Messages,
		time.Duration(report.RuntimeMs)*time.Millisecond, counts.Mended, report.CorruptionErrors, counts.Dropped)
	if err := want.compare(report, counts); err != nil {
		return err
	}
	fmt.Fprintln(out, "checked  each defect that was made was found, and nothing else")
	return printRules(out, counts)
}

// upload writes the file.
func upload(folder string, rows int, seed uint64) (want *truth, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(folder, "day.csv"))
	if err != nil {
		return nil, err
	}
	want, err = writeTransactions(f, rows, seed, false)
	return want, errors.Join(err, f.Close())
}

// compare tells where what was done is not what had to be.
func (t *truth) compare(report *processor.Response, got clean.Counts) error {
	var faults []error
	is := func(what string, got, want int64) {
		if got != want {
			faults = append(faults, fmt.Errorf("%s: %d, want %d", what, got, want))
		}
	}
	is("delivered", report.Delivered, int64(t.clean))
	is("dropped", report.Dropped, t.counts.Dropped)
	is("put aside", report.CorruptionErrors, t.counts.Corrupt+int64(t.flawed))
	is("kept", got.Kept, t.counts.Kept)
	is("mended rows", got.Mended, t.counts.Mended)
	is("blank", got.Blank, t.counts.Blank)
	is("headers", got.Header, t.counts.Header)
	is("corrupt", got.Corrupt, t.counts.Corrupt)
	is("rules", int64(len(got.Rules)), int64(len(t.rules)))
	for _, c := range got.Rules {
		if want := t.rules[rule{c.Column, c.Rule}]; want == nil || *want != c {
			faults = append(faults, fmt.Errorf("%+v, want %+v", c, want))
		}
	}
	return errors.Join(faults...)
}

func printRules(out io.Writer, counts clean.Counts) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\ncolumn\trule\tmended\tnulled\tdropped\tput aside")
	for _, c := range counts.Rules {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\n", c.Column, c.Rule, c.Mended, c.Nulled, c.Dropped, c.Corrupt)
	}
	return w.Flush()
}
