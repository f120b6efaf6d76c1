package benchtest

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/claim/memory"
	"github.com/unspool-go/unspool/processor"
	"github.com/unspool-go/unspool/sink"
	"github.com/unspool-go/unspool/sink/sqs"
	"github.com/unspool-go/unspool/sink/sqs/sqstest"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/clean"
)

var rows = flag.Int("rows", 20_000, "rows of the table that is cleaned")

// table are the columns of the rows that are cleaned, those of examples/transactions.
var table = []string{
	"transaction_id", "account", "holder", "email", "phone", "street", "city", "country",
	"currency", "amount", "fee", "booked_on", "value_on", "channel", "status", "note",
}

// writeRows writes a table of n transactions of which about every tenth has
// something that can be mended.
func writeRows(tb testing.TB, name string, n int) {
	tb.Helper()
	file, err := os.Create(name)
	require.NoError(tb, err)
	w := bufio.NewWriterSize(file, 1<<20)
	r := rand.New(rand.NewPCG(5, 6))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	// dirty is called about 15 times for a row.
	dirty := func(clean, dirty string) string {
		if r.IntN(150) == 0 {
			return dirty
		}
		return clean
	}
	fmt.Fprintln(w, "\ufeff"+strings.Join(table, ","))
	for i := range n {
		day := time.Date(2024, 1, 1+r.IntN(366), 0, 0, 0, 0, time.UTC)
		later := day.AddDate(0, 0, 2)
		amount := strconv.Itoa(1000+r.IntN(99_000)) + "." + strconv.Itoa(10+r.IntN(90))
		fmt.Fprintf(w, "%s%08d,%s,%s,%s%d@example.com,%s,%s %d,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n",
			dirty("TX", "tx"), i, dirty(strconv.Itoa(10_000_000+r.IntN(90_000_000)), " 12345678\t"),
			dirty(one("Ada Lovelace", "Grace Hopper", "José Álvarez", "Jürgen Müller", "Zoë Faß", "Wei Zhang", "Anna-Lena Öberg", "Siobhán O'Brien"), "JÃ¼rgen MÃ¼ller"),
			dirty("customer", "CUSTOMER"), r.IntN(100_000), dirty("+44 20 "+strconv.Itoa(1_000_000+r.IntN(9_000_000)), "call me"),
			dirty(one("Main Street", "Hauptstraße", "Rue de la Paix", "Via Roma", "Calle Mayor", "Kungsgatan"), "Main  Street"), r.IntN(200),
			dirty(one("London", "München", "Paris", "Roma", "Málaga", "Malmö", "Zürich"), "L\u200bondon"),
			dirty(one("GB", "DE", "FR", "IT", "ES", "SE", "CH"), "UK"), dirty(one("GBP", "EUR", "SEK", "CHF"), "eur"),
			dirty(amount, "€"+amount), dirty("0."+strconv.Itoa(10+r.IntN(90)), "n/a"),
			dirty(day.Format(time.DateOnly), day.Format("02.01.2006")), dirty(later.Format(time.DateOnly), later.Format("01/02/2006")),
			one("web", "branch", "app", "atm"), dirty(one("booked", "pending", "reversed"), "BOOKED"),
			dirty(one("", `"rent, June"`, "thank you", `"the ""blue"" one"`, "invoice 77/12", "Füße & Hände"), "“quoted” – and\u00a0more…"))
	}
	require.NoError(tb, w.Flush())
	require.NoError(tb, file.Close())
}

// cleaner returns the rules of examples/transactions.
func cleaner(tb testing.TB) *clean.Rows {
	tb.Helper()
	column := func(name string, more ...clean.Rule) clean.Column { return clean.Column{Name: name, Rules: more} }
	required := func(c clean.Column) clean.Column {
		c.Required = true
		return c
	}
	amount, fee := column("amount", clean.Decimal(".", ",")), column("fee", clean.Decimal(".", ","))
	amount.Type, fee.Type = clean.Number, clean.Number
	phone := column("phone", clean.Match(`\+?[0-9 ]{6,20}`))
	phone.Bad = clean.MakeNull
	channel := column("channel", clean.Lower(), clean.OneOf("web", "branch", "app", "atm"))
	channel.Bad = clean.Drop
	date := clean.Date(time.DateOnly, "2.1.2006", "01/02/2006")
	made, err := clean.New(clean.Config{
		Everywhere: []clean.Rule{clean.Mojibake(), clean.Characters(), clean.Spaces(), clean.Null("n/a", "null", "-")},
		Columns: []clean.Column{
			required(column("transaction_id", clean.Upper(), clean.Match(`TX[0-9]{8}`))), required(column("account", clean.Match(`[0-9]{8}`))),
			column("holder", clean.MaxLength(80)), column("email", clean.Lower()), phone, column("street"), column("city"),
			column("country", clean.Upper(), clean.Replace(map[string]string{"UK": "GB"}), clean.Match(`[A-Z]{2}`)),
			column("currency", clean.Upper(), clean.Match(`[A-Z]{3}`)), required(amount), fee,
			required(column("booked_on", date)), column("value_on", date), channel,
			column("status", clean.OneOf("booked", "pending", "reversed")), column("note"),
		},
	})
	require.NoError(tb, err)
	return made
}

// tableIn shows the files of a folder as rows.
func tableIn(tb testing.TB, folder string) source.Source {
	tb.Helper()
	files, err := dir.Open(folder, dir.Config{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, files.Close()) })
	cfg := csv.Config{}
	for _, name := range table {
		cfg.Columns = append(cfg.Columns, csv.Column{Name: name})
	}
	src, err := csv.New(files, cfg)
	require.NoError(tb, err)
	return src
}

// rowsJob is a way to load the table.
type rowsJob struct {
	how    transform.Transform
	to     sink.Sink
	format source.Format
}

// do loads the table in a folder as examples/transactions does, and makes sure
// that so many rows were delivered.
func (j rowsJob) do(tb testing.TB, folder string, rows int) {
	tb.Helper()
	there := tb.TempDir()
	svc, err := processor.New(processor.Config{
		Source: tableIn(tb, folder), Claimer: memory.New(), Transform: j.how, Sink: j.to, RecordID: "record", Split: source.Split{Format: j.format},
		RetryURL: there + "/retry", FailedURL: there + "/failed", CorruptionURL: there + "/corrupt",
	})
	require.NoError(tb, err)
	rep, err := svc.Run(tb.Context())
	require.NoError(tb, err)
	require.EqualValues(tb, rows, rep.BaseResponse().Delivered)
}

// readRows decodes the table and no more.
func readRows(tb testing.TB, folder string) {
	src, buf := tableIn(tb, folder), make([]byte, 1<<20)
	for o, err := range src.Objects(tb.Context()) {
		require.NoError(tb, err)
		body, _, err := src.Open(tb.Context(), o, 0, -1)
		require.NoError(tb, err)
		for err == nil {
			_, err = body.Read(buf)
		}
		require.ErrorIs(tb, err, io.EOF)
		require.NoError(tb, body.Close())
	}
}

// BenchmarkRows cleans a table of 16 columns into SQS, each stage with all those
// before it: decode CSV, pass the rows on as they are (to nowhere), clean them,
// send them to a server in another process. auto is cleaning where nobody said
// that records are lines, sdk sends with the SDK's own encoder, and together has
// the server in the same process, as examples/transactions has.
func BenchmarkRows(b *testing.B) {
	folder, n := b.TempDir(), *rows
	writeRows(b, filepath.Join(folder, "day.csv"), n)
	rules := cleaner(b)
	endpoint, queue := startServer(b)
	server := sqstest.Start(b, sqstest.Config{DiscardBodies: true})
	here, err := server.AddQueue("rows", sqstest.QueueConfig{})
	require.NoError(b, err)
	load := func(name string, j rowsJob) contestant {
		return contestant{name, func(tb testing.TB) { j.do(tb, folder, n) }}
	}
	to := func(endpoint, queue string, optFns ...func(*awssqs.Options)) sink.Sink {
		s, err := sqs.New(sqs.NewClient(awsConfig(endpoint), optFns...), queue, sqs.Config{})
		require.NoError(b, err)
		return s
	}
	race(b, "row", n,
		contestant{"csv", func(tb testing.TB) { readRows(tb, folder) }},
		load("passed", rowsJob{transform.Chain(), new(nowhere), source.FormatLines}),
		load("cleaned", rowsJob{rules, new(nowhere), source.FormatLines}),
		load("cleaned-auto", rowsJob{rules, new(nowhere), source.FormatAuto}),
		load("unspool", rowsJob{rules, to(endpoint, queue, sqs.WithFastBody), source.FormatLines}),
		load("sdk", rowsJob{rules, to(endpoint, queue), source.FormatLines}),
		load("together", rowsJob{rules, to(server.URL(), here, sqs.WithFastBody), source.FormatLines}),
	)
}
