package source

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

// checkLaws checks on one input what holds for all.
func checkLaws(t tester, cfg Split, input string, chunk func() int) []piece {
	want := cutter{cfg: cfg}.cut(t, input)
	full := cfg.WithDefaults()
	var all strings.Builder
	for _, p := range want {
		require.EqualValues(t, all.Len(), p.At, "a byte is lost or in two tokens: %q", input)
		all.WriteString(p.Text)
		switch p.Kind {
		case "record":
			require.NotEmpty(t, p.Text)
			require.LessOrEqual(t, len(p.Text), full.MaxRecordBytes, "record over the limit: %q", input)
			require.Equal(t, !cfg.Raw, p.Valid)
			if !cfg.Raw {
				require.True(t, json.Valid([]byte(p.Text)), "record %q of %q", p.Text, input)
				require.Equal(t, strings.TrimSpace(p.Text), p.Text)
				require.LessOrEqual(t, depth(p.Text), full.MaxDepth)
			}
		case "corrupt":
			require.NotEmpty(t, p.Err)
			if len(p.Text) > 6 && !p.Flaw { // short ones are in the texts of errors by chance
				require.NotContains(t, p.Err, p.Text, "payload in an error")
			}
		}
	}
	require.Equal(t, input, all.String(), "the tokens are not the input")

	require.Equal(t, want, cutter{cfg: cfg, chunk: chunk}.cut(t, input), "in chunks: %q", input)
	require.Equal(t, want, cutter{cfg: cfg, fused: true}.cut(t, input), "with AtValue: %q", input)
	require.Equal(t, want, cutter{cfg: cfg, fused: true, chunk: chunk}.cut(t, input), "with AtValue, in chunks: %q", input)
	require.Equal(t, want, cutter{cfg: cfg, resume: true}.cut(t, input), "resumed: %q", input)
	require.Equal(t, want, cutter{cfg: cfg, resume: true, chunk: chunk}.cut(t, input), "resumed, in chunks: %q", input)
	if cfg.Format == FormatLines {
		require.Equal(t, want, cutter{cfg: cfg, lines: true}.cut(t, input), "by lines: %q", input)
		if len(input) > 4096 {
			return want // TakeLines looks at all of its data at each call
		}
		require.Equal(t, want, cutter{cfg: cfg, lines: true, chunk: chunk}.cut(t, input), "by lines, in chunks: %q", input)
		require.Equal(t, want, cutter{cfg: cfg, lines: true, fused: true, chunk: chunk}.cut(t, input), "by lines with AtValue, in chunks: %q", input)
	}
	return want
}

// depth returns how deep a valid value nests.
func depth(value string) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}', c == ']':
			now--
		}
	}
	return deepest
}

// fragments are what hostile inputs are made of.
var fragments = []string{
	"{", "}", "[", "]", ",", ":", `"`, `\`, "\n", "\r\n", " ", "1", "-", ".5", "e", "tru", "true", "null",
	`"a"`, `"a":`, `{"a":1}`, "{\"a\":1}\n", "{\"a\":[\n", "[1,2]", `[{"a":`, "],", "}\n", "\n{", "\n[", "\n1\n",
	`{"statuses":`, `"statuses":[`, `{"statuses":[{"id":1},{"id":2}],"x":[]}`, "{\"data\":{\"items\":[1,\n2]}}\n", `{"data":{`, `"items":`,
	"\n  {\"t\":\"x},\n  {\"a\":1},\n", "[\n{\"t\":\"x\ny\"},\n{}]", "\n  ", "\n  {\"a\":1}", "\n  {\"a\":[{},\n",
	"\x00flaw ", "\n\x00flaw r\x00", "\x00\n", "\n\x00flaw bad \x00a\x00nb \x00\n", "\x00flaw why\x00" + strings.Repeat("t", 600) + "\x00\n",
	`"\u0061"`, `\u00`, "\x00", "\xff", "\ufeff", "// c\n", "//", "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n",
	strings.Repeat(" ", 300), strings.Repeat("\n", 600), strings.Repeat("[", 70), strings.Repeat("]", 70), strings.Repeat("7", 600),
}

func drawSplit(t *rapid.T) Split {
	cfg := Split{
		Format:         rapid.SampledFrom([]Format{FormatAuto, FormatAuto, FormatLines, FormatWhole}).Draw(t, "format"),
		MaxRecordBytes: rapid.SampledFrom([]int{0, 0, 1, 2, 3, 7, 20, 40}).Draw(t, "max record"),
		MaxDepth:       rapid.SampledFrom([]int{0, 0, 1, 2, 3, 66}).Draw(t, "max depth"),
	}
	switch {
	case cfg.Format != FormatWhole && rapid.Bool().Draw(t, "records"):
		cfg.Records = rapid.SampledFrom([]string{"statuses", "data.items", "a"}).Draw(t, "path")
	case cfg.Format != FormatAuto:
		cfg.Raw = rapid.Bool().Draw(t, "raw")
	}
	if rapid.Bool().Draw(t, "preamble") {
		cfg.Preamble = skipComment{}
		cfg.MaxPreambleBytes = rapid.SampledFrom([]int{0, 3, 8}).Draw(t, "max preamble")
	}
	return cfg
}

func drawChunk(t *rapid.T) func() int {
	most := rapid.SampledFrom([]int{1, 2, 5, 100, 1000}).Draw(t, "chunk")
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	return func() int { return 1 + random.IntN(most) }
}

// TestSplitterLawsOnHostileInput: whatever the input and however it is cut into
// calls, every byte goes to one token, records are valid, and Next, AtValue and
// a resumed splitter agree.
func TestSplitterLawsOnHostileInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, chunk := drawSplit(t), drawChunk(t)
		input := strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 12).Draw(t, "fragments"), "")
		checkLaws(t, cfg, input, chunk)
	})
}

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	require.TestingT
	Fatalf(format string, args ...any)
}

func drawValue(t *rapid.T, levels int) string {
	kinds := []string{"number", "string", "literal"}
	if levels > 0 {
		kinds = append(kinds, "array", "object", "object")
	}
	space := func() string { return rapid.SampledFrom([]string{"", "", "", " ", "\n", "\r\n\t"}).Draw(t, "space") }
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "number":
		return rapid.SampledFrom([]string{"0", "-1", "12.50", "1e9", "-0.1E-7", "12345678901234567890"}).Draw(t, "number")
	case "string":
		return rapid.SampledFrom([]string{`""`, `"a"`, `"]},{["`, `"\"\\\/\u00e9"`, `"é "`}).Draw(t, "string")
	case "literal":
		return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "literal")
	case "array":
		elements := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return space() + drawValue(t, levels-1) + space() }), 0, 3).Draw(t, "elements")
		return "[" + strings.Join(elements, ",") + space() + "]"
	}
	members := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		key := rapid.SampledFrom([]string{`"a"`, `"b"`, `"a"`, `"items"`, `"\u0061"`, `"a.b"`}).Draw(t, "key")
		return space() + key + space() + ":" + space() + drawValue(t, levels-1) + space()
	}), 0, 4).Draw(t, "members")
	return "{" + strings.Join(members, ",") + space() + "}"
}

// drawStream draws a valid stream of values with white space between them.
func drawStream(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(0, 4).Draw(t, "values") {
		b.WriteString(drawValue(t, 3))
		b.WriteString(rapid.SampledFrom([]string{"\n", " ", "\n\n"}).Draw(t, "between"))
	}
	return b.String()
}

// TestSplitterGivesWhatDecoderGives: of a valid stream, the records are the
// values that json.Decoder reads, arrays taken apart, and nothing is corrupt.
func TestSplitterGivesWhatDecoderGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := drawStream(t)
		want := []string{}
		for d := json.NewDecoder(strings.NewReader(input)); ; {
			var value json.RawMessage
			if err := d.Decode(&value); err == io.EOF {
				break
			} else {
				require.NoError(t, err)
			}
			if value[0] != '[' {
				want = append(want, string(value))
				continue
			}
			var elements []json.RawMessage
			require.NoError(t, json.Unmarshal(value, &elements))
			for _, e := range elements {
				want = append(want, string(e))
			}
		}
		got := checkLaws(t, Split{}, input, drawChunk(t))
		require.Equal(t, want, of(got, "record"), input)
		require.Empty(t, of(got, "corrupt"))
	})
}

// TestSplitterLeadsWhereGjsonLeads: what a path leads to is what gjson finds
// in each value.
func TestSplitterLeadsWhereGjsonLeads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := drawStream(t)
		path := rapid.SampledFrom([]string{"a", "a.b", "b.a", "b.items", `a\.b`, "b.a.items"}).Draw(t, "path")
		want := []string{}
		for _, value := range of(cutter{}.cut(t, input), "record") {
			found := gjson.Get(value, path)
			switch {
			case value[0] != '{' || !found.Exists():
			case found.IsArray():
				for _, element := range found.Array() {
					want = append(want, element.Raw)
				}
			default:
				want = append(want, found.Raw)
			}
		}
		got := checkLaws(t, Split{Records: path}, input, drawChunk(t))
		require.Equal(t, want, of(got, "record"), input)
		require.Empty(t, of(got, "corrupt"), input)
	})
}

// TestSplitterFindsEveryLineButTheTruncatedOne: one line of NDJSON, cut short
// anywhere, takes no other along.
func TestSplitterFindsEveryLineButTheTruncatedOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		for range rapid.IntRange(1, 6).Draw(t, "lines") {
			var line bytes.Buffer
			value := `{"id":7,"v":` + drawValue(t, 3) + `}`
			require.NoError(t, json.Compact(&line, []byte(value)))
			lines = append(lines, line.String())
		}
		broken := rapid.IntRange(0, len(lines)-1).Draw(t, "broken")
		line := lines[broken]
		lines[broken] = line[:rapid.IntRange(1, len(line)-1).Draw(t, "length")]
		want := append(append([]string{}, lines[:broken]...), lines[broken+1:]...)
		for _, cfg := range []Split{{}, {Format: FormatLines}} {
			got := checkLaws(t, cfg, strings.Join(lines, "\n"), drawChunk(t))
			require.Equal(t, want, of(got, "record"))
			require.Equal(t, []string{strings.TrimSpace(lines[broken])}, of(got, "corrupt"))
		}
	})
}

// TestSplitterKeepsATruncatedDocumentInOnePiece is the document that became
// 126 fragments elsewhere.
func TestSplitterKeepsATruncatedDocumentInOnePiece(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var doc bytes.Buffer
		require.NoError(t, json.Indent(&doc, []byte(`{"id":7,"v":`+drawValue(t, 3)+`}`), "", "  "))
		text := doc.String()[:rapid.IntRange(1, doc.Len()-1).Draw(t, "length")]
		got := checkLaws(t, Split{}, text, drawChunk(t))
		require.Equal(t, []string{strings.TrimSpace(text)}, of(got, "corrupt"))
		require.Empty(t, of(got, "record"))
	})
}

func FuzzSplitter(f *testing.F) {
	for _, s := range fragments {
		f.Add([]byte(s), uint16(0), uint8(3))
	}
	f.Add([]byte("{\"a\":[\n{\"b\":2}\n{\"c\":3}"), uint16(0), uint8(1))
	f.Add([]byte("// x\n[{\"statuses\":[1,oops]},{\"statuses\":2}]"), uint16(0x11), uint8(7))
	f.Add([]byte("{\"statuses\":[1,\n{\"statuses\":[4]} x\n"), uint16(0x12), uint8(2))
	f.Add([]byte(`[12,"]45",1234,[1],123]`), uint16(0x80), uint8(2))
	f.Add([]byte("{\"a\":[1,2\n{}\n"), uint16(0x80), uint8(2))
	for _, options := range []uint16{0, 2, 0x10, 0x12, 0x42, 0xc2, 0x22} {
		f.Add([]byte("{\"a\":1}\n\x00flaw why\x00the\x00n text\x00\n[1]\n{oops\n\x00flaw \x00\x00flaw x\x00 \x00 \n"), options, uint8(4))
	}
	f.Fuzz(func(t *testing.T, input []byte, options uint16, chunk uint8) {
		if len(input) > 1<<10 {
			t.Skip("longer than needed")
		}
		checkLaws(t, splitOf(options), string(input), func() int { return int(chunk) + 1 })
	})
}

// splitOf makes a valid configuration of any bits.
func splitOf(options uint16) Split {
	cfg := Split{
		Format:         []Format{FormatAuto, FormatAuto, FormatLines, FormatWhole}[options&3],
		MaxRecordBytes: []int{0, 1, 3, 20}[options>>6&3],
		MaxDepth:       []int{0, 1, 2, 66}[options>>8&3],
	}
	switch {
	case options&0x30 == 0:
	case cfg.Format != FormatWhole && options&0x20 == 0:
		cfg.Records = []string{"statuses", "data.items"}[options>>10&1]
	case cfg.Format != FormatAuto:
		cfg.Raw = true
	}
	if options&0x1000 != 0 {
		cfg.Preamble, cfg.MaxPreambleBytes = skipComment{}, []int{0, 8}[options>>13&1]
	}
	return cfg
}
