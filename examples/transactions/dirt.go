package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/unspool-go/unspool/transform/clean"
)

// columns are those of the CSV file, in its order.
var columns = []string{
	"transaction_id", "account", "holder", "email", "phone", "street", "city", "country",
	"currency", "amount", "fee", "booked_on", "value_on", "channel", "status", "note",
}

// Indexes of columns.
const (
	colID = iota
	colAccount
	colHolder
	colEmail
	colPhone
	colStreet
	colCity
	colCountry
	colCurrency
	colAmount
	colFee
	colBookedOn
	colValueOn
	colChannel
	colStatus
	colNote
)

// truth is what was written into a file: what is to be found in the end, and each
// defect, by what must be done about it.
type truth struct {
	rows   int // without the header
	clean  int // rows that arrive, be they mended or not
	mended int // rows among them that have to be
	flawed int // rows that are no rows of the table
	counts clean.Counts
	rules  map[rule]*clean.RuleCounts
	late   int // rows that arrive of a currency that is not known at first
	// nets are what the work has to find of the rows that arrive, by their number.
	nets map[int]int64
}

// rule is a rule in a column.
type rule struct{ column, name string }

func (t *truth) rule(column int, name string) *clean.RuleCounts {
	key := rule{columns[column], name}
	c := t.rules[key]
	if c == nil {
		c = &clean.RuleCounts{Column: key.column, Rule: key.name}
		t.rules[key] = c
	}
	return c
}

// generator writes transactions of which about every tenth has a defect.
type generator struct {
	*rand.Rand
	out    *bufio.Writer
	truth  *truth
	row    []string
	line   []byte
	serve  int
	amount int64 // of the row, in cents, as it is to be understood
	fee    int64
}

// writeTransactions writes a file of so many transactions, the same for the same
// seed, and tells what is in it.
func writeTransactions(w io.Writer, rows int, seed uint64) (*truth, error) {
	g := &generator{
		Rand: rand.New(rand.NewPCG(seed, 1)), out: bufio.NewWriterSize(w, 1<<16), row: make([]string, len(columns)),
		truth: &truth{rules: map[rule]*clean.RuleCounts{}, nets: make(map[int]int64, rows)},
	}
	_, _ = g.out.WriteString("\ufeff") // as spreadsheets do; errors are those of Flush
	g.write(columns)
	for range rows {
		g.transaction()
	}
	return g.truth, g.out.Flush()
}

var (
	holders    = []string{"Ada Lovelace", "Grace Hopper", "José Álvarez", "Jürgen Müller", "Zoë Faß", "Wei Zhang", "Anna-Lena Öberg", "Siobhán O'Brien"}
	streets    = []string{"Main Street", "Hauptstraße", "Rue de la Paix", "Via Roma", "Calle Mayor", "Kungsgatan"}
	cities     = []string{"London", "München", "Paris", "Roma", "Málaga", "Malmö", "Zürich"}
	countries  = []string{"GB", "DE", "FR", "IT", "ES", "SE", "CH"}
	currencies = []string{"GBP", "EUR", "SEK", "CHF"}
	channels   = []string{"web", "branch", "app", "atm"}
	statuses   = []string{"booked", "pending", "reversed"}
	notes      = []string{"", "rent, June", "thank you", `the "blue" one`, "invoice 77/12", "Füße & Hände"}
)

func (g *generator) pick(from []string) string { return from[g.IntN(len(from))] }

// transaction writes a row.
func (g *generator) transaction() {
	g.serve++
	g.truth.rows++
	g.fill()
	switch defect := g.IntN(1000); {
	case defect < 2:
		g.blank()
	case defect < 3:
		g.write(columns)
		g.truth.counts.Dropped++
		g.truth.counts.Header++
	case defect < 5:
		g.flawed()
	case defect < 11:
		g.hopeless()
	default:
		if defect < 111 {
			g.mendable()
		}
		g.truth.clean++
		g.truth.counts.Kept++
		g.truth.nets[g.serve] = g.amount - g.fee
		if strings.EqualFold(g.row[colCurrency], lateCurrency) {
			g.truth.late++
		}
		g.write(g.row)
	}
}

// fill makes a row without defects.
func (g *generator) fill() {
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, g.IntN(366))
	holder := g.pick(holders)
	g.amount, g.fee = int64(100_000+g.IntN(9_900_000)), int64(10+g.IntN(90))
	g.row[colID] = transactionID(g.serve)
	g.row[colAccount] = strconv.Itoa(10_000_000 + g.IntN(90_000_000))
	g.row[colHolder] = holder
	g.row[colEmail] = "customer" + strconv.Itoa(g.IntN(100_000)) + "@example.com"
	g.row[colPhone] = "+44 20 " + strconv.Itoa(1_000_000+g.IntN(9_000_000))
	g.row[colStreet] = g.pick(streets) + " " + strconv.Itoa(1+g.IntN(200))
	g.row[colCity] = g.pick(cities)
	g.row[colCountry] = g.pick(countries)
	g.row[colCurrency] = g.pick(currencies)
	if g.IntN(1000) == 0 {
		g.row[colCurrency] = lateCurrency
	}
	g.row[colAmount] = fmt.Sprintf("%d.%02d", g.amount/100, g.amount%100)
	g.row[colFee] = "0." + strconv.Itoa(int(g.fee))
	g.row[colBookedOn] = day.Format(time.DateOnly)
	g.row[colValueOn] = day.AddDate(0, 0, 2).Format(time.DateOnly)
	g.row[colChannel] = g.pick(channels)
	g.row[colStatus] = g.pick(statuses)
	g.row[colNote] = g.pick(notes)
}

// blank writes a row that says nothing.
func (g *generator) blank() {
	clear(g.row)
	if g.IntN(2) == 0 {
		g.row[colNote] = "  "
	}
	g.write(g.row)
	g.truth.counts.Dropped++
	g.truth.counts.Blank++
}

// flawed writes what is no row of the table: fields are missing or too many, or
// a quote is where none may be.
func (g *generator) flawed() {
	switch g.IntN(3) {
	case 0:
		g.write(g.row[:colNote-g.IntN(5)])
	case 1:
		g.write(append(g.row[:len(g.row):len(g.row)], "one", "too many"))
	default:
		g.row[colNote] = "plain"
		line := strings.Join(g.row, ",")
		_, _ = g.out.WriteString(strings.Replace(line, ",", `,x"y"`, 1) + "\n")
	}
	g.truth.flawed++
}

// hopeless writes a row that cannot be mended, or is not wanted.
func (g *generator) hopeless() {
	t := g.truth
	switch g.IntN(5) {
	case 0:
		g.row[colID] = ""
		t.rule(colID, "required").Corrupt++
	case 1:
		g.row[colID] = "T" + g.row[colID]
		t.rule(colID, "match").Corrupt++
	case 2:
		g.row[colAmount] = "12.34.56"
		t.rule(colAmount, "decimal").Corrupt++
	case 3:
		g.row[colBookedOn] = "2024-02-31"
		t.rule(colBookedOn, "date").Corrupt++
	case 4:
		g.row[colChannel] = "test"
		t.rule(colChannel, "one of").Dropped++
		t.counts.Dropped++
		g.write(g.row)
		return
	}
	t.counts.Corrupt++
	g.write(g.row)
}

// mendable makes defects that can be mended: one to three, in columns of their own.
func (g *generator) mendable() {
	g.truth.mended++
	g.truth.counts.Mended++
	first := g.IntN(len(repairs))
	for i := range 1 + g.IntN(3) {
		r := repairs[(first+i*5)%len(repairs)]
		g.row[r.column] = r.spoil(g, g.row[r.column])
		c := g.truth.rule(r.column, r.rule)
		if r.nulled {
			c.Nulled++
		} else {
			c.Mended++
		}
	}
}

// repair is a way to spoil a text that one rule mends.
type repair struct {
	column int
	rule   string
	nulled bool
	spoil  func(g *generator, text string) string
}

// Each column is in here once: no defect hides another one.
var repairs = []repair{
	{colID, "upper", false, func(_ *generator, s string) string { return strings.ToLower(s) }},
	{colAccount, "spaces", false, func(_ *generator, s string) string { return " " + s + "\t" }},
	{colHolder, "mojibake", false, func(*generator, string) string { return "JÃ¼rgen MÃ¼ller" }},
	{colEmail, "lower", false, func(_ *generator, s string) string { return strings.ToUpper(s) }},
	{colPhone, "match", true, func(*generator, string) string { return "call me" }},
	{colStreet, "spaces", false, func(_ *generator, s string) string { return strings.Replace(s, " ", "  ", 1) }},
	{colCity, "characters", false, func(_ *generator, s string) string { return s[:1] + "\u200b" + s[1:] }},
	{colCountry, "replace", false, func(*generator, string) string { return "UK" }},
	{colCurrency, "upper", false, func(_ *generator, s string) string { return strings.ToLower(s) }},
	{colAmount, "decimal", false, func(g *generator, s string) string { return dressed(g, s) }},
	{colFee, "null", false, func(g *generator, _ string) string { g.fee = 0; return "n/a" }},
	{colBookedOn, "date", false, func(_ *generator, s string) string { return s[8:] + "." + s[5:7] + "." + s[:4] }},
	{colValueOn, "date", false, func(_ *generator, s string) string { return s[5:7] + "/" + s[8:] + "/" + s[:4] }},
	{colStatus, "one of", false, func(_ *generator, s string) string { return strings.ToUpper(s) }},
	{colNote, "characters", false, func(*generator, string) string { return "“quoted” – and\u00a0more…" }},
}

// dressed writes an amount as people do.
func dressed(g *generator, amount string) string {
	whole, cents, _ := strings.Cut(amount, ".")
	grouped := whole[:len(whole)-3] + "," + whole[len(whole)-3:] + "." + cents
	switch g.IntN(3) {
	case 0:
		return "€" + grouped
	case 1:
		return "+" + grouped
	}
	g.amount = -g.amount
	return "(" + grouped + ")"
}

func transactionID(number int) string { return fmt.Sprintf("TX%08d", number) }

// write writes fields as a line.
func (g *generator) write(fields []string) {
	g.line = g.line[:0]
	for i, f := range fields {
		if i > 0 {
			g.line = append(g.line, ',')
		}
		if strings.ContainsAny(f, "\",\n") {
			g.line = append(g.line, '"')
			g.line = append(g.line, strings.ReplaceAll(f, `"`, `""`)...)
			g.line = append(g.line, '"')
			continue
		}
		g.line = append(g.line, f...)
	}
	_, _ = g.out.Write(append(g.line, '\n'))
}
