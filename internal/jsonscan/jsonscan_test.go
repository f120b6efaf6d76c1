package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// seeds are texts at the edges of the grammar. Each is also tried cut short at
// every byte and shifted by a few, which moves the edges over word boundaries.
var seeds = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulL`, `trux`, `"`, `""`, `"a"`, `"\`, `"\u12`, `"\u12g4"`,
	`"\ud800"`, `"\uDBFF\uDFFF\u00e9"`, `"\x"`, `"\/\b\f\n\r\t\"\\"`, "\"\xff\xfe\"", "\"a\x1fb\"", "\"\x7f\"", "\"tab\tin\"",
	`"exactly8"`, `"a quote after sixteen \" and more"`, `" !#[]^~` + "\u00a2\u20ac" + `"`,
	`0`, `-`, `-0`, `01`, `-01`, `1.`, `1.e3`, `.5`, `+1`, `1e`, `1e+`, `1E-07`, `1.5e300`, `123456789012345678`, `12345678`, `1234567x`, `0x10`, `1e5.3`,
	`[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `[1,2]`, `[`, `]`, `{}`, `{ }`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a" : 1 , "b":[{}]}`, `{a:1}`, `{"a":1]`, `[1}`, `{"a":1}x`,
	` { "a" : [ true , false , null , -1.5e+3 , "x" ] } `, "\v1", "\u00a01", "\ufeff{}", "[\n\t\r ]", "1\x00", "\x00",
	`{"id":"12345678","text":"` + strings.Repeat("x", 37) + `","n":{"a":[[],[[]],{}]}}`,
	strings.Repeat("[", 70) + strings.Repeat("]", 70),
	strings.Repeat(`{"a":[`, 70) + "1" + strings.Repeat("]}", 70),
	strings.Repeat(`[`, 64) + "}",
	strings.Repeat(`[`, 65) + strings.Repeat("]", 63) + "}]",
}

// agree fails unless the scanner and encoding/json say the same of data.
func agree(t *testing.T, data []byte) {
	t.Helper()
	const depth = 10_000 // encoding/json's own limit

	err := Valid(data, depth)
	require.Equal(t, json.Valid(data), err == nil, "Valid(%q) = %v", data, err)

	var theirs *json.SyntaxError
	var raw json.RawMessage
	if ours, ok := errors.AsType[*SyntaxError](err); ok {
		require.ErrorAs(t, json.Unmarshal(data, &raw), &theirs, "%q", data)
		require.Equal(t, int(theirs.Offset)-1, ours.Offset, "offset of the fault in %q", data)
	}

	dec := json.NewDecoder(bytes.NewReader(data))
	want := dec.Decode(&raw)
	end, err := Value(data, SkipSpace(data, 0), depth)
	switch {
	case want == nil:
		require.NoError(t, err, "%q", data)
		require.Equal(t, int(dec.InputOffset()), end, "end of the value in %q", data)
	case want == io.EOF || want == io.ErrUnexpectedEOF:
		require.ErrorIs(t, err, ErrIncomplete, "%q", data)
	case strings.Contains(want.Error(), "exceeded max depth"):
		require.ErrorIs(t, err, ErrDepth, "%q", data)
	default:
		require.ErrorAs(t, err, new(*SyntaxError), "%q", data)
	}

	start := SkipSpace(data, 0)
	textEnd, validUTF8, textErr := Text(data, start, depth)
	require.Equal(t, err, textErr, "%q", data)
	if err == nil {
		require.Equal(t, end, textEnd)
		require.Equal(t, utf8.Valid(data[start:end]), validUTF8, "UTF-8 of %q", data[start:end])
	}
	if start < len(data) && data[start] == '{' {
		agreeOnWalk(t, data, start, err)
	}
}

// The scanner accepts, and measures, exactly what encoding/json does.
func FuzzValue(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(agree)
}

func TestValueAgreesWithEncodingJSONOnEveryCut(t *testing.T) {
	for _, s := range seeds {
		for n := range len(s) + 1 {
			agree(t, []byte(s[:n]))
		}
		for n := range 9 {
			agree(t, []byte(`["`+strings.Repeat("x", n)+`",`+s+`]`))
			agree(t, []byte(s+strings.Repeat(" ", n)))
		}
	}
}

// Every byte is tried in every place of a word: the word-wise tests must not
// differ from the byte-wise ones.
func TestEveryByteInEveryPlace(t *testing.T) {
	for _, text := range []string{`"aaaaaaaaaaaaaaaaa"`, `1111111111111111111`, `{"aaaaaaaaaa":1.1111111111e11}`} {
		for at := range len(text) {
			for c := range 256 {
				data := []byte(text)
				data[at] = byte(c)
				agree(t, data)
			}
		}
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		in      string
		end     int
		escaped bool
	}{
		{`""`, 2, false},
		{`"abc":1`, 5, false},
		{`"a longer one, more than a word"`, 32, false},
		{`"a\"b"`, 6, true},
		{`"\u0061"`, 8, true},
	} {
		end, escaped, err := String([]byte(c.in), 0)
		require.NoError(t, err, c.in)
		assert.Equal(t, c.end, end, c.in)
		assert.Equal(t, c.escaped, escaped, c.in)
	}
}

// The limit holds at the same depth as encoding/json's, on both sides of every
// multiple of what a register keeps, and 16 million brackets do not kill the
// process.
func TestDepth(t *testing.T) {
	nested := func(n int) []byte {
		return append(bytes.Repeat([]byte("["), n), bytes.Repeat([]byte("]"), n)...)
	}
	for _, limit := range []int{1, 2, 63, 64, 65, 127, 128, 129, 1000, 9_999, 10_000, 20_000} {
		assert.NoError(t, Valid(nested(limit), limit), "depth %d", limit)
		assert.ErrorIs(t, Valid(nested(limit+1), limit), ErrDepth, "depth %d", limit)
	}
	assert.NoError(t, Valid([]byte("1"), 0))
	assert.ErrorIs(t, Valid([]byte("[]"), 0), ErrDepth)
	agree(t, nested(10_000))
	agree(t, nested(10_001))
	agree(t, bytes.Repeat([]byte(`{"a":[`), 6_000))

	hostile := bytes.Repeat([]byte("["), 16<<20)
	assert.ErrorIs(t, Valid(hostile, 10_000), ErrDepth)
	assert.ErrorIs(t, Valid(hostile, 1<<40), ErrDepth)
	assert.ErrorIs(t, Valid(bytes.Repeat([]byte(`{"":`), 4<<20), 1<<40), ErrDepth)
}

func TestValueDoesNotAllocate(t *testing.T) {
	data := []byte(strings.Repeat(`{"a":[`, 500) + `"a longish string \n with escapes",-1.25e17` + strings.Repeat("]}", 500))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := Valid(data, 10_000); err != nil {
			t.Error(err)
		}
	}))
}
