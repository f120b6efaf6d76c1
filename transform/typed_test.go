package transform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/transformtest"
)

type trade struct {
	Account string    `json:"account"`
	Units   int8      `json:"units"`
	At      time.Time `json:"at"`
	Legs    []struct {
		Price float64 `json:"price"`
	} `json:"legs"`
}

// secret stands for what must not be in an error.
const secret = "4711"

func TestTyped(t *testing.T) {
	emit := func(_ context.Context, row *trade, out *transform.Output) error {
		switch row.Account {
		case "drop":
			return nil
		case "fail":
			out.WriteString("half")
			return errors.New("no luck")
		}
		for range row.Units {
			if err := out.EmitJSON(map[string]string{"account": row.Account}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, strict := range []bool{false, true} {
		typed := transform.Typed[trade]{Do: emit, Strict: strict}
		transformtest.Run(t, typed, []transformtest.Case{
			{Name: "one value", In: `{"account":"<a>","units":1}`, Want: `{"account":"<a>"}`},
			{Name: "row is dropped", In: `{"account":"drop","units":1}`},
			{Name: "the function fails", In: `{"account":"fail"}`, Err: fault.ClassRetryable},
			{Name: "no number", In: `{"units":"` + secret + `"}`, Err: fault.ClassCorrupt},
			{Name: "too large a number", In: `{"units":` + secret + `}`, Err: fault.ClassCorrupt},
			{Name: "no JSON", In: `{"account":` + secret, Err: fault.ClassCorrupt},
			{Name: "no object", In: `[` + secret + `]`, Err: fault.ClassCorrupt},
		})
	}
	assert.EqualError(t, (&transform.Typed[trade]{}).Apply(t.Context(), source.Record{Data: []byte(`[]`), Offset: 7}, nil),
		"record at offset 7: is no transform_test.trade: wants transform_test.trade at byte 1")
}

func TestDecodeSaysWhatIsWrongAndNothingElse(t *testing.T) {
	for in, says := range map[string]string{
		`{"units":"` + secret + `"}`:            `is no transform_test.trade: member "units" is no int8`,
		`{"units":` + secret + `}`:              `is no transform_test.trade: member "units" is no int8`,
		`{"legs":[{"price":"` + secret + `"}]}`: `is no transform_test.trade: member "legs.price" is no float64`,
		`{"at":"` + secret + `"}`:               `is no transform_test.trade: a member is not taken`,
		`{"account":` + secret:                  `is no transform_test.trade: no valid JSON at byte `,
		`7`:                                     `is no transform_test.trade: wants transform_test.trade at byte 1`,
	} {
		_, err := transform.Decode[trade]([]byte(in), false)
		require.Error(t, err, in)
		assert.True(t, fault.Is(err, fault.ClassCorrupt), in)
		assert.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), secret)
	}
	_, err := transform.Decode[trade]([]byte(`{"`+secret+`":1}`), true)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), secret)
	_, err = transform.Decode[trade]([]byte(`{} `+secret), true)
	require.Error(t, err)
	row, err := transform.Decode[trade]([]byte(`{"x":1,"account":"a"}`), false)
	require.NoError(t, err)
	assert.Equal(t, "a", row.Account)
	var syntax *json.SyntaxError
	_, err = transform.Decode[trade]([]byte(`{`), false)
	assert.ErrorAs(t, err, &syntax, "the cause is lost")
}

func TestEmitJSONThatCannotBe(t *testing.T) {
	var out transform.Output
	err := out.EmitJSON(func() {})
	require.Error(t, err)
	assert.False(t, fault.Is(err, fault.ClassCorrupt))
	assert.Zero(t, out.Size())
}

// Rows of a type of one's own: what does not fit is corrupt, with the reason.
func ExampleTyped() {
	type Row struct {
		ID     int    `json:"id"`
		Region string `json:"region"`
	}
	type Place struct {
		Key string `json:"key"`
	}
	places := transform.Typed[Row]{Do: func(_ context.Context, row *Row, out *transform.Output) error {
		return out.EmitJSON(Place{Key: fmt.Sprintf("%s/%d", row.Region, row.ID)})
	}}
	for _, line := range []string{`{"id":7,"region":"us"}`, `{"id":"seven"}`} {
		var out transform.Output
		if err := places.Apply(context.Background(), source.Record{Data: []byte(line)}, &out); err != nil {
			fmt.Println(fault.Of(err), err)
			continue
		}
		fmt.Printf("%s\n", out.Value(0))
	}
	// Output:
	// {"key":"us/7"}
	// corrupt record at offset 0: is no transform_test.Row: member "id" is no int
}
