package transform

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/source"
)

const bom = "\ufeff"

// preambles are preambles whole in themselves: any sequence of them, at the
// start of lines, is a preamble too.
var preambles = []string{
	"", "\n", "\r\n", "  \t\n", "// see [1] {x}\n", "# {\"a\":1}\n", "-- SELECT \"x\" {\r\n", "; [section]\r", "\t # indented\n", "#\n", "//\n", "--\n",
	"/* {\"a\":1} */ ", "/* over\n{\"lines\":[1]}\n */\n", "/**/", "/*/ not closed by its own slash */", "/***/\n", "<!-- {\"x\": [\"y\"] } -->", "<!--\n[1,2]\n-->\n", "<!---->",
	")]}',\n", ")]}'\n", ")]}',", "while(1);", "for(;;);\n", "while(1);\n",
	"Dump of {feed}\n", "2026-01-02 12:00 export [3 records]\n", "Ünïcödé \"text\" with 'quotes\n", "true story\n", "12 records\n", "-5 degrees\n", "null and void\n",
	"<html>\n", "<?xml version=\"1.0\"?>\n", "/usr/bin/dump\n", "while (1);\n", ")]}\n", "- item\n", "callback(\n", "01\n", "'\n", "nul\n", "1,2,3\n",
}

// documents are what preambles may stand before: JSON, and what must be called
// corrupt rather than taken for text.
var documents = []string{
	`{"a":1}`, `[1,2]`, "{\n  \"a\": \"// no comment\"\n}\n", `"text"`, "42\n", "-1.5e3 \n", "true", "null\r\n", "1 2 3\n{}", `{broken`, `["unclosed`, `"unclosed`, "{}\n# not a preamble\n{}",
}

func TestSkip(t *testing.T) {
	for _, p := range preambles {
		for _, d := range documents {
			for _, start := range []string{"", bom} {
				data := []byte(start + p + d)
				n, ok := StripPreamble{}.Skip(data, true)
				require.True(t, ok)
				assert.Equal(t, d, string(data[n:]), "preamble %q", p)
			}
		}
	}
}

// Nothing that may be data is taken for a preamble.
func TestSkipLeavesWhatMayBeData(t *testing.T) {
	for _, c := range []struct{ name, in, rest string }{
		{"empty", "", ""},
		{"only a byte order mark", bom, ""},
		{"only white space", " \n\t\r\n", ""},
		{"only comments", "# one\n/* two */ // three\n-- four", ""},
		{"only a guard", ")]}'\n", ""},
		{"free text without JSON", "some text\nmore of it\n", "some text\nmore of it\n"},
		{"free text behind a comment, without JSON", "# one\n  some text\n# two\n", "some text\n# two\n"},
		{"a comment without its end", "/* {\"a\":1}\n{\"b\":2}", "/* {\"a\":1}\n{\"b\":2}"},
		{"a comment without its end behind text", "text\n<!-- {\"a\":1}\n{\"b\":2}", "text\n<!-- {\"a\":1}\n{\"b\":2}"},
		{"a second byte order mark", bom + "\n" + bom + "\n", bom + "\n"},
		{"binary data", "\x1f\x8b\x08\x00text\n{}", "\x1f\x8b\x08\x00text\n{}"},
		{"binary data that looks like a comment", "#\x00\x01\n{}", "#\x00\x01\n{}"},
		{"binary data in a comment", "/*\x00*/{}", "/*\x00*/{}"},
		{"binary data behind text", "text\n\xff\xfe\n{}", "text\n\xff\xfe\n{}"},
		{"Latin-1 text", "caf\xe9\n{}", "caf\xe9\n{}"},
		{"Latin-1 comment", "# caf\xe9\n{}", "{}"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "\xff\xfe{\x00}\x00"},
		{"a torn value", "}\n{}", "}\n{}"},
		{"torn elements", ",1]\n[]", ",1]\n[]"},
		{"text behind the value", "{} text", "{} text"},
		{"scalars on lines", "1\n2\n{}", "1\n2\n{}"},
		{"a scalar and text", "1 and\n{}", "{}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, ok := StripPreamble{}.Skip([]byte(c.in), true)
			assert.True(t, ok)
			assert.Equal(t, c.rest, c.in[n:])
			skipInPieces(t, []byte(c.in))
		})
	}
}

// skipInPieces fails unless Skip says the same however much of data it sees:
// either that it needs more, or the final answer.
func skipInPieces(t *testing.T, data []byte) {
	t.Helper()
	want, ok := StripPreamble{}.Skip(data, true)
	require.True(t, ok, "at the end Skip must decide")
	for size := range len(data) + 1 {
		n, ok := StripPreamble{}.Skip(data[:size:size], false)
		if ok {
			require.Equal(t, want, n, "with %d bytes of %q", size, data)
		} else {
			require.Zero(t, n)
		}
		n, ok = StripPreamble{}.Skip(data[:size:size], true)
		require.True(t, ok)
		require.LessOrEqual(t, n, size)
	}
}

// Behind any sequence of preambles Skip stops exactly at the document, and
// does not care how the data comes.
func FuzzSkip(f *testing.F) {
	for i := range preambles {
		f.Add(uint64(i), preambles[i])
	}
	f.Fuzz(func(t *testing.T, seed uint64, extra string) {
		skipInPieces(t, []byte(extra))

		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		if r.IntN(4) == 0 {
			b.WriteString(bom)
		}
		for range r.IntN(6) {
			b.WriteString(preambles[r.IntN(len(preambles))])
		}
		if inner := strings.NewReplacer("*/", "", "-->", "").Replace(extra); printable([]byte(inner)) && !strings.HasSuffix(inner, "*") {
			b.WriteString("/*" + inner + "*/")
			b.WriteString("//" + strings.NewReplacer("\n", "", "\r", "").Replace(inner) + "\n")
		}
		doc := documents[r.IntN(len(documents))]
		data := []byte(b.String() + doc)
		n, ok := StripPreamble{}.Skip(data, true)
		require.True(t, ok)
		require.Equal(t, doc, string(data[n:]), "behind %q", b.String())
		skipInPieces(t, data)
	})
}

// What a chunk ends in the middle of is never decided too early.
func TestSkipInPieces(t *testing.T) {
	for _, p := range preambles {
		for _, d := range documents {
			skipInPieces(t, []byte(bom+p+p+d))
		}
	}
}

// A megabyte of whatever could be looked at again and again takes milliseconds,
// and on a busy machine seconds; in quadratic time it would take an hour.
func TestSkipIsLinear(t *testing.T) {
	for _, unit := range []string{"/**/", "# x\n", "text\n", "/", "/* ", "<!--", "1 ", "1\n", "-", ")]}'", " "} {
		data := []byte(strings.Repeat(unit, 1<<20/len(unit)))
		start := time.Now()
		StripPreamble{}.Skip(data, true)
		assert.Less(t, time.Since(start), 5*time.Minute, "%q repeated", unit)
	}
}

func TestStripPreambleOfARecord(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"# comment\n{\"a\":1} \n", `{"a":1}`},
		{`{"a":1}`, `{"a":1}`},
		{bom + "/* c */ [1]", `[1]`},
		{"no JSON at all", "no JSON at all"},
	} {
		var out Output
		require.NoError(t, StripPreamble{}.Apply(t.Context(), source.Record{Data: []byte(c.in)}, &out))
		require.Equal(t, 1, out.Len(), c.in)
		assert.Equal(t, c.want, string(out.Value(0)))
	}
	var out Output
	require.NoError(t, StripPreamble{}.Apply(t.Context(), source.Record{Data: []byte("# nothing\n")}, &out))
	assert.Zero(t, out.Len(), "a record that is all preamble is dropped")
}
