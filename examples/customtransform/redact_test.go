package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/transformtest"
)

// This is all that the test of a transform needs.
func TestRedact(t *testing.T) {
	transformtest.Run(t, Redact("email"), []transformtest.Case{
		{Name: "masks the member", In: `{"email":"a@b.c","id":1}`, Want: `{"email":"***","id":1}`},
		{Name: "at any depth", In: `[{"u":{"email":"a@b.c"}}]`, Want: `[{"u":{"email":"***"}}]`},
		{Name: "whatever the value is", In: `{"email":["a@b.c",{"x":1}]}`, Want: `{"email":"***"}`},
		{Name: "every one of repeated members", In: `{"email":"a@b.c","email":"d@e.f"}`, Want: `{"email":"***","email":"***"}`},
		{Name: "an escaped name", In: `{"\u0065mail":"a@b.c"}`, Want: `{"\u0065mail":"***"}`},
		{Name: "keeps numbers as they are", In: `{"id":12345678901234567890.10}`, Want: `{"id":12345678901234567890.10}`},
		{Name: "rejects what is not JSON", In: `oops`, Err: fault.ClassCorrupt},
	})
}

// FuzzRedact asks of any input: what is accepted is exactly what is JSON, the
// output is JSON, no e-mail address is left in it, and redacting it again
// changes nothing.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{
		`{"email":"a@b.c","id":1}`, `{"a":[{"email":{"email":1}}],"email":null}`, `{"em\u0061il" : "x" }`,
		`"email"`, `[]`, `{}`, `[1 , 2]`, `{"":{"email":[]}}`, `{"a":1,}`, ``, "\f0", ` 1 `, `[[[{"email":"` + "\xff" + `"}]]]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := redacted(in)
		if !json.Valid(in) {
			require.True(t, fault.Is(err, fault.ClassCorrupt))
			return
		}
		require.NoError(t, err)
		require.True(t, json.Valid(once), "%q", once)
		requireMasked(t, json.NewDecoder(bytes.NewReader(once)))

		twice, err := redacted(once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

func redacted(in []byte) ([]byte, error) {
	var out transform.Output
	rec := source.Record{Data: bytes.Trim(in, " \t\r\n"), Object: &source.Object{Key: "fuzz"}}
	if err := (Redact("email")).Apply(context.Background(), rec, &out); err != nil {
		return nil, err
	}
	return out.Value(0), nil
}

// requireMasked reads the next value of dec and fails if a member called email
// holds anything but the mask. It sees repeated members, which a map would not.
func requireMasked(t *testing.T, dec *json.Decoder) {
	dec.UseNumber()
	open, err := dec.Token()
	require.NoError(t, err)
	if open != json.Delim('{') && open != json.Delim('[') {
		return
	}
	for dec.More() {
		if open == json.Delim('{') {
			name, err := dec.Token()
			require.NoError(t, err)
			if name == "email" {
				value, err := dec.Token()
				require.NoError(t, err)
				require.Equal(t, "***", value)
				continue
			}
		}
		requireMasked(t, dec)
	}
	_, err = dec.Token() // the closing bracket
	require.NoError(t, err)
}
