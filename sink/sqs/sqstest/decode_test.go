package sqstest

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzDecoder holds the decoder against encoding/json: what one takes as the
// request of a SendMessage the other takes, with the same body. The decoder is
// stricter in two things, by intent: bytes that are not UTF-8 are malformed and
// lone surrogates stay recognisable, where encoding/json replaces both.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		`{"MessageBody":"x"}`, `{"MessageBody":"a\"\\\/\b\f\n\r\tA\u00e9\u6f22\ud83d\ude00"}`, ` { "a" : [ 1, -2.5e3, true, false, null, {} ] , "MessageBody" : "12345678é\n" } `,
		`{"MessageBody":"\ud800"}`, `{"MessageBody":null}`, `{}`, `{"MessageBody":"` + "\x01" + `"}`, `{"MessageBody":"1234567` + "\xff" + `"}`, `{"x":01}`, `{"x":1.}`, `[]`, `{"MessageBody":"a"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d := newDecoder(in, nil)
		r, err := decodeSend(d, false)
		var whole map[string]json.RawMessage
		refErr := json.Unmarshal(in, &whole)
		if err != nil {
			return // types of other members differ; acceptance is checked the other way
		}
		require.NoError(t, refErr, "the decoder takes what is no JSON: %q", in)
		if !utf8.Valid(in) {
			return // outside of strings that were read
		}
		raw := whole["MessageBody"]
		if len(raw) == 0 || string(raw) == "null" || !utf8.Valid(r.entries[0].body) {
			return
		}
		var want string
		require.NoError(t, json.Unmarshal(raw, &want))
		require.Equal(t, want, string(r.entries[0].body))
	})
}

// FuzzString holds strings that encoding/json writes against the decoder.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "x", "12345678", "\"\\\x00\x1f\x7f", "é漢😀\u2028", "1234567\"", "12345678\\9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		in, err := json.Marshal(s)
		require.NoError(t, err)
		d := newDecoder(in, nil)
		got, err := d.str()
		require.NoError(t, err)
		require.NoError(t, d.end())
		require.Equal(t, s, string(got))
	})
}

func TestValidCharsAreThoseOfXML(t *testing.T) {
	for r := rune(0); r <= 0x10FFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		want := r == 0x9 || r == 0xA || r == 0xD || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
		if got := validChars([]byte(string(r))); got != want {
			t.Fatalf("%U: %v, want %v", r, got, want)
		}
	}
	require.False(t, validChars([]byte("12345678\x1f")))
	require.False(t, validChars([]byte("1234\x1f678")))
	require.False(t, validChars([]byte("\xed\xa0\x80")), "a surrogate")
}
