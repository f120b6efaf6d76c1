package main

import (
	"time"

	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/transform/clean"
)

// table is how the file is read: a header, its byte order mark and quotes as in
// RFC 4180. A row with fields missing, too many, or misquoted is put aside.
func table() csv.Config {
	cfg := csv.Config{Match: []string{"*.csv"}}
	for _, name := range columns {
		cfg.Columns = append(cfg.Columns, csv.Column{Name: name})
	}
	return cfg
}

// rules are what the columns ought to be.
func rules() clean.Config {
	text := func(column int, more ...clean.Rule) clean.Column {
		return clean.Column{Name: columns[column], Rules: more}
	}
	number := func(column int) clean.Column {
		return clean.Column{Name: columns[column], Type: clean.Number, Rules: []clean.Rule{clean.Decimal(".", ",")}}
	}
	required := func(c clean.Column) clean.Column {
		c.Required = true
		return c
	}
	date := clean.Date(time.DateOnly, "2.1.2006", "01/02/2006")
	phone := text(colPhone, clean.Match(`\+?[0-9 ]{6,20}`))
	phone.Bad = clean.MakeNull
	channel := text(colChannel, clean.Lower(), clean.OneOf("web", "branch", "app", "atm"))
	channel.Bad = clean.Drop
	return clean.Config{
		Everywhere: []clean.Rule{clean.Mojibake(), clean.Characters(), clean.Spaces(), clean.Null("n/a", "null", "-")},
		Columns: []clean.Column{
			required(text(colID, clean.Upper(), clean.Match(`TX[0-9]{8}`))),
			required(text(colAccount, clean.Match(`[0-9]{8}`))),
			text(colHolder, clean.MaxLength(80)),
			text(colEmail, clean.Lower()),
			phone,
			text(colStreet),
			text(colCity),
			text(colCountry, clean.Upper(), clean.Replace(map[string]string{"UK": "GB"}), clean.Match(`[A-Z]{2}`)),
			text(colCurrency, clean.Upper(), clean.Match(`[A-Z]{3}`)),
			required(number(colAmount)),
			number(colFee),
			required(text(colBookedOn, date)),
			text(colValueOn, date),
			channel,
			text(colStatus, clean.OneOf("booked", "pending", "reversed")),
			text(colNote),
		},
	}
}
