// Transactions takes the dirty rows of a CSV file all the way: they are cleaned into a
// queue (what can be mended is, and what cannot be is put aside with its reason), from
// there into a DynamoDB table, from its stream into a second queue, are worked on in
// batches, and the results come through a third queue back to the stored rows. What fails
// three times ends in a queue of dead letters, from which it is replayed when what it
// failed of is mended.
//
// The dirt is made by a generator that keeps a list of it, and in the end what was
// mended, dropped and put aside must be just that, and each row that was clean must be
// stored once, with its result. It needs no AWS account and no server: SQS and DynamoDB
// are sqstest and dynamodbtest, in this process, spoken to by the real AWS SDK.
//
// 50,000 rows take half a minute on two cores; half a million, which it was made for,
// take three to five:
//
//	go run ./examples/transactions
//	go run ./examples/transactions -rows 558000
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

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink/dynamodb/dynamodbtest"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/transform/clean"
)

func main() {
	rows := flag.Int("rows", 50_000, "how many rows to write")
	seed := flag.Uint64("seed", 1, "which rows")
	throttled := flag.Float64("throttled", 0, "which share of the items of each batch the table leaves unprocessed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *rows, *seed, *throttled); err != nil {
		fmt.Fprintln(os.Stderr, "transactions:", err)
		os.Exit(1)
	}
}

// run is the whole story.
func run(ctx context.Context, out io.Writer, rows int, seed uint64, throttled float64) (err error) {
	folder, err := os.MkdirTemp("", "unspool-transactions-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	want, err := upload(folder, rows, seed)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote    %d rows of %d columns: %d to be mended, %d to be put aside, %d to be dropped\n",
		want.rows, len(columns), want.mended, int(want.counts.Corrupt)+want.flawed, want.counts.Dropped)

	queues, err := sqstest.New(sqstest.Config{DiscardDeleted: true})
	if err != nil {
		return err
	}
	defer queues.Close()
	table, err := dynamodbtest.New(dynamodbtest.Config{Shards: 4})
	if err != nil {
		return err
	}
	defer table.Close()
	table.Inject(dynamodbtest.Faults{Seed: seed, Unprocessed: throttled}.Injector())
	lines := new(meter)
	c := newChain(settings(queues.URL()), settings(table.URL()), memory.New(), newLogger(lines))
	if err := c.create(ctx); err != nil {
		return err
	}
	report, counts, err := c.load(ctx, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "cleaned  %d rows into %d messages in %v: %d mended, %d put aside, %d dropped\n", report.Delivered, report.Messages,
		time.Duration(report.RuntimeMs)*time.Millisecond, counts.Mended, report.CorruptionErrors, counts.Dropped)
	if err := want.compare(report, counts); err != nil {
		return err
	}
	fmt.Fprintln(out, "checked  each defect that was made was found, and nothing else")

	if err := c.during(ctx, func(ctx context.Context) error { return c.tell(ctx, out, want) }); err != nil {
		return err
	}
	fmt.Fprintf(out, "logged   %d lines, %d bytes\n", lines.lines.Load(), lines.bytes.Load())
	return printRules(out, counts)
}

// tell is what happens behind the first queue, while the stages are running.
func (c *chain) tell(ctx context.Context, out io.Writer, want *truth) error {
	start := time.Now()
	if err := c.await(ctx, stored, want.clean); err != nil {
		return err
	}
	fmt.Fprintf(out, "stored   %d rows in %v\n", want.clean, time.Since(start).Round(time.Millisecond))
	if err := c.await(ctx, finished, want.clean-want.late); err != nil {
		return err
	}
	fmt.Fprintf(out, "worked   %d of them were worked on, and have their result, after %v\n",
		want.clean-want.late, time.Since(start).Round(time.Millisecond))

	dead, err := c.inspect(ctx, queueStored, want.late)
	if err != nil {
		return err
	}
	for reason, n := range dead.Reasons {
		fmt.Fprintf(out, "dead     %d failed %d times: %s\n", n, attempts, reason)
	}
	for _, e := range dead.Examples {
		fmt.Fprintf(out, "         such as that of %s, byte %d\n", e.Object, e.Offset)
	}
	c.work.krone.Store(true)
	again, err := c.replay(ctx, queueStored)
	if err != nil {
		return err
	}
	if err := c.await(ctx, finished, want.clean); err != nil {
		return err
	}
	fmt.Fprintf(out, "redriven %d, now that the currency is known: they have their result, too\n", again.Replayed)
	if err := c.check(ctx, want); err != nil {
		return err
	}
	fmt.Fprintf(out, "checked  each of %d clean rows is stored, with its result, and nothing else\n", want.clean)
	return nil
}

// csvFile is the name of the file.
const csvFile = "day.csv"

// upload writes it.
func upload(folder string, rows int, seed uint64) (want *truth, err error) {
	if err := os.MkdirAll(filepath.Join(folder, uploads), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(folder, uploads, csvFile))
	if err != nil {
		return nil, err
	}
	want, err = writeTransactions(f, rows, seed)
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
