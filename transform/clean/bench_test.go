package clean

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// transactions are the rules and some rows of a table of 16 columns, as of
// examples/transactions: every tenth row has something to be mended.
func transactions(tb testing.TB) (*Rows, [][]byte) {
	tb.Helper()
	date := Date(time.DateOnly, "2.1.2006", "01/02/2006")
	number := func(name string) Column {
		return Column{Name: name, Type: Number, Rules: []Rule{Decimal(".", ",")}}
	}
	text := func(name string, rules ...Rule) Column { return Column{Name: name, Rules: rules} }
	rows, err := New(Config{
		Everywhere: []Rule{Mojibake(), Characters(), Spaces(), Null("n/a", "null", "-")},
		Columns: []Column{
			text("transaction_id", Upper(), Match(`TX[0-9]{8}`)), text("account", Match(`[0-9]{8}`)), text("holder", MaxLength(80)),
			text("email", Lower()), text("phone", Match(`\+?[0-9 ]{6,20}`)), text("street"), text("city"),
			text("country", Upper(), Replace(map[string]string{"UK": "GB"}), Match(`[A-Z]{2}`)), text("currency", Upper(), Match(`[A-Z]{3}`)),
			number("amount"), number("fee"), text("booked_on", date), text("value_on", date),
			text("channel", Lower(), OneOf("web", "branch", "app", "atm")), text("status", OneOf("booked", "pending", "reversed")), text("note"),
		},
	})
	require.NoError(tb, err)
	var records [][]byte
	for i := range 1000 {
		id, city, day, status := "TX", "München", "2024-02-29", "booked"
		switch i % 40 {
		case 0:
			id = "tx"
		case 10:
			city = "Muenchen  "
		case 20:
			day = "29.2.2024"
		case 30:
			status = "BOOKED"
		}
		records = append(records, fmt.Appendf(nil, `{"transaction_id":"%s%08d","account":"%d","holder":"Ada Lovelace","email":"customer%d@example.com",`+
			`"phone":"+44 20 1234567","street":"Main Street %d","city":"%s","country":"DE","currency":"EUR","amount":"%d.%02d","fee":"0.25",`+
			`"booked_on":"%s","value_on":"2024-03-02","channel":"branch","status":"%s","note":"rent, June"}`, id, i, 10_000_000+i*89_999, i, i%200, city, i, i%100, day, status))
	}
	return rows, records
}

func BenchmarkRows(b *testing.B) {
	rows, records := transactions(b)
	var out transform.Output
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		out.Reset()
		if err := rows.Apply(b.Context(), source.Record{Data: records[i%len(records)]}, &out); err != nil {
			b.Fatal(err)
		}
	}
}
