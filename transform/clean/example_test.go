package clean_test

import (
	"context"
	"fmt"
	"time"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/clean"
)

func Example() {
	rows, err := clean.New(clean.Config{
		Everywhere: []clean.Rule{clean.Characters(), clean.Spaces(), clean.Null("N/A", "-")},
		Columns: []clean.Column{
			{Name: "id", Required: true, Rules: []clean.Rule{clean.Upper(), clean.Match(`[A-Z]{2}\d{4}`)}},
			{Name: "amount", Type: clean.Number, Rules: []clean.Rule{clean.Decimal(".", ",")}},
			{Name: "day", As: "date", Rules: []clean.Rule{clean.Date(time.DateOnly, "2.1.2006")}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, record := range []string{
		`{"id":" ab1234","amount":"$ 1,250.00","day":"1.3.2024"}`,
		`{"id":"AB1235","amount":"-","day":"2024-03-02"}`,
		`{"id":"AB1236","amount":"plenty","day":"2024-03-02"}`,
		`{"id":"","amount":"","day":"N/A"}`,
	} {
		var out transform.Output
		if err := rows.Apply(context.Background(), source.Record{Data: []byte(record)}, &out); err != nil {
			fmt.Println("put aside:", err)
		}
		for i := range out.Len() {
			fmt.Printf("%s\n", out.Value(i))
		}
	}
	counts := rows.Counts()
	fmt.Printf("%d kept, %d of them mended, %d dropped, %d corrupt\n", counts.Kept, counts.Mended, counts.Dropped, counts.Corrupt)
	for _, rule := range counts.Rules {
		fmt.Printf("%+v\n", rule)
	}
	// Output:
	// {"id":"AB1234","amount":1250.00,"date":"2024-03-01"}
	// {"id":"AB1235","amount":null,"date":"2024-03-02"}
	// put aside: clean: column "amount": rule "decimal"
	// 2 kept, 2 of them mended, 1 dropped, 1 corrupt
	// {Column:id Rule:spaces Mended:1 Nulled:0 Dropped:0 Corrupt:0}
	// {Column:id Rule:upper Mended:1 Nulled:0 Dropped:0 Corrupt:0}
	// {Column:amount Rule:null Mended:1 Nulled:0 Dropped:0 Corrupt:0}
	// {Column:amount Rule:decimal Mended:1 Nulled:0 Dropped:0 Corrupt:1}
	// {Column:day Rule:date Mended:1 Nulled:0 Dropped:0 Corrupt:0}
}
