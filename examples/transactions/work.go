package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"

	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// A result is what the work makes of a transaction, and what is added to its item.
type result struct {
	ID     string `json:"transaction_id"`
	Record string `json:"record"`
	Object string `json:"object"`
	Offset int64  `json:"offset"`
	// Net is the amount less the fee, in the smallest unit of the currency.
	Net int64 `json:"net"`
}

// work is the work of the example: it needs to know the smallest units of
// currencies, and one of them it learns later.
type work struct {
	krone atomic.Bool // is known
}

var errCurrency = errors.New("currency is not known")

// lateCurrency is that which is learned later.
const lateCurrency = "NOK"

// digits is how many decimals a currency has.
func (w *work) digits(currency string) (int, error) {
	switch currency {
	case "GBP", "EUR", "SEK", "CHF":
		return 2, nil
	case lateCurrency:
		if w.krone.Load() {
			return 2, nil
		}
	}
	// It may be known when this is tried again: no fault of the record's.
	return 0, errCurrency
}

// transform makes the result of an image of an item.
func (w *work) transform() transform.Transform {
	paths := []string{"transaction_id", "record", "object", "offset", "currency", "amount", "fee"}
	return transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		v := gjson.GetManyBytes(rec.Data, paths...)
		digits, err := w.digits(v[4].Str)
		if err != nil {
			return err
		}
		net, err := net(v[5].Raw, v[6].Raw, digits)
		if err != nil {
			return fault.Corrupt(err)
		}
		return out.EmitJSON(result{v[0].Str, v[1].Str, v[2].Str, v[3].Int(), net})
	})
}

// net returns amount less fee in units of so many decimals. A fee may be missing, or null.
func net(amount, fee string, digits int) (int64, error) {
	a, ok := new(big.Rat).SetString(amount)
	if !ok {
		return 0, fmt.Errorf("no amount")
	}
	if fee != "" && fee != "null" {
		f, ok := new(big.Rat).SetString(fee)
		if !ok {
			return 0, fmt.Errorf("no fee")
		}
		a.Sub(a, f)
	}
	for range digits {
		a.Mul(a, big.NewRat(10, 1))
	}
	if !a.IsInt() || !a.Num().IsInt64() {
		return 0, fmt.Errorf("amount or fee has too many digits")
	}
	return a.Num().Int64(), nil
}
