package source

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/processor/fault"
)

// piece is a token as the tests compare it: the pieces of a corrupt record are
// put together, and separators and preamble are kept as well.
type piece struct {
	Kind  string
	At    int64
	Text  string
	Valid bool
	Err   string
	Flaw  bool
}

// cutter feeds an input to a splitter in pieces and collects the tokens.
type cutter struct {
	cfg    Split
	chunk  func() int // how many bytes the next read gives; nil: all at once
	fused  bool       // take values through AtValue where it offers them
	resume bool       // go on with a new splitter after every token
	lines  bool       // leave whole lines to a splitter of their own
}

// cut returns every byte of input in the tokens it went to. It fails the test
// where an elementary rule of Next is broken.
func (c cutter) cut(t tester, input string) []piece {
	s, err := NewSplitter(c.cfg)
	require.NoError(t, err)
	bytes := []byte(input)
	var (
		out   []piece
		open  bool // the last piece is a corrupt record that goes on
		at    int  // offset of data[0]
		have  int  // end of data
		stall int
	)
	add := func(kind string, from, to int) {
		if from < to {
			if n := len(out); n > 0 && out[n-1].Kind == kind && kind == "separator" {
				out[n-1].Text += input[from:to]
				return
			}
			out = append(out, piece{Kind: kind, At: int64(from), Text: input[from:to]})
		}
	}
	grow := func() {
		n := len(input) - have
		if c.chunk != nil {
			n = min(n, c.chunk())
		}
		have += n
	}
	if c.chunk == nil {
		grow()
	}
	var main *Splitter // while s has lines of its own, up to until
	until := 0
	for range 20*len(input) + 100 {
		data, atEOF := bytes[at:have:have], have == len(input)
		if c.lines && main == nil {
			state := s.State()
			if n := s.TakeLines(data, atEOF); n > 0 {
				main, until = s, at+n
				require.EqualValues(t, until, main.Offset())
				s, err = NewSplitter(c.cfg)
				require.NoError(t, err)
				require.NoError(t, s.Resume(state, int64(at)))
			}
		}
		if main != nil {
			data, atEOF = bytes[at:until:until], true
		}
		require.Equal(t, int64(at), s.Offset())
		tok, ok := Token{}, false
		if c.fused {
			if start, end, offered := s.AtValue(data, atEOF); offered {
				n, err := jsonscan.Value(data[start:end], 0, s.cfg.MaxDepth)
				if err == nil {
					tok, ok = s.Took(n)
				}
			}
		}
		if !ok {
			tok = s.Next(data, atEOF)
		}
		require.LessOrEqual(t, tok.Start, tok.End)
		require.LessOrEqual(t, tok.End, tok.Advance)
		require.LessOrEqual(t, tok.Advance, len(data))
		require.LessOrEqual(t, tok.Preamble, max(tok.Start, tok.Advance))
		start, end := tok.Start, tok.End
		if tok.Kind != TokenRecord && tok.Kind != TokenCorrupt {
			start, end = tok.Advance, tok.Advance
		}
		add("preamble", at, at+tok.Preamble)
		add("separator", at+tok.Preamble, at+start)
		switch tok.Kind {
		case TokenMore:
			require.False(t, atEOF && tok.Advance == 0, "asks for more at the end of %q in %q", data, input)
			if tok.Advance == 0 && len(data) >= s.MaxBuffer() {
				t.Fatalf("asks for more with %d bytes at hand, at %d of %q", len(data), at, input)
			}
		case TokenRecord:
			require.False(t, open, "a record inside a corrupt one")
			require.NoError(t, tok.Err)
			out = append(out, piece{"record", int64(at + start), string(data[start:end]), tok.Valid, "", false})
		case TokenCorrupt:
			require.Equal(t, fault.ClassCorrupt, fault.Of(tok.Err))
			p := piece{"corrupt", int64(at + start), string(data[start:end]), false, tok.Err.Error(), IsFlaw(tok.Err)}
			if open {
				last := &out[len(out)-1]
				require.Equal(t, last.Err, p.Err)
				require.Equal(t, last.At+int64(len(last.Text)), p.At)
				last.Text += p.Text
			} else {
				out = append(out, p)
			}
			if tok.Continues {
				require.Less(t, start, end, "empty piece before the last")
				require.Equal(t, end, tok.Advance)
			}
			open = tok.Continues
		case TokenEnd:
			require.True(t, atEOF)
			require.False(t, open)
			require.Equal(t, len(data), tok.Advance)
			add("separator", at+start, at+tok.Advance)
			if main != nil {
				at += tok.Advance
				require.Equal(t, until, at)
				s, main = main, nil
				continue
			}
			require.Equal(t, tok.Kind, s.Next(nil, true).Kind, "the end is not final")
			return out
		}
		add("separator", at+end, at+tok.Advance)
		at += tok.Advance

		if state := s.State(); tok.Kind != TokenMore && !tok.Continues {
			require.NotEmpty(t, state)
		}
		if c.resume && (s.State() != "" || at == 0) {
			next, err := NewSplitter(c.cfg)
			require.NoError(t, err)
			require.NoError(t, next.Resume(s.State(), s.Offset()))
			require.Equal(t, s.State(), next.State())
			s = next
		}
		if tok.Kind == TokenMore {
			if !atEOF {
				grow()
				stall = 0
			} else if stall++; stall > 3 {
				t.Fatalf("no progress at %d of %q", at, input)
			}
		}
	}
	t.Fatalf("no end: %q", input)
	return nil
}

// of returns the texts of one kind.
func of(pieces []piece, kind string) []string {
	texts := []string{}
	for _, p := range pieces {
		if p.Kind == kind {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

// skipComment is a preamble for tests: lines that start with "//".
type skipComment struct{}

func (skipComment) Skip(data []byte, atEOF bool) (int, bool) {
	n := 0
	for {
		switch rest := data[n:]; {
		case len(rest) == 0, len(rest) == 1 && rest[0] == '/':
			return n, atEOF
		case rest[0] != '/' || rest[1] != '/':
			return n, true
		}
		for ; n < len(data) && data[n] != '\n'; n++ {
		}
		if n == len(data) {
			return n, atEOF
		}
		n++
	}
}

func TestSplitter(t *testing.T) {
	pretty, err := json.MarshalIndent(map[string]any{"a": []int{1, 2, 3}, "b": map[string]any{"c": "d"}, "e": []any{map[string]int{"f": 1}}}, "", "  ")
	require.NoError(t, err)
	lines, whole, statuses := Split{Format: FormatLines}, Split{Format: FormatWhole}, Split{Records: "statuses"}
	lineStatuses := Split{Format: FormatLines, Records: "statuses"}
	raw := Split{Format: FormatLines, Raw: true}

	for name, c := range map[string]struct {
		cfg     Split
		in      string
		records []string
		corrupt []string
	}{
		"nothing":                              {in: ""},
		"white space":                          {in: " \n\t\r\n"},
		"one object":                           {in: `{"a":1}`, records: []string{`{"a":1}`}},
		"pretty-printed":                       {in: string(pretty) + "\n", records: []string{string(pretty)}},
		"concatenated":                         {in: `{"a":1}{"b":2} {"c":3}`, records: []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}},
		"scalars":                              {in: "1 2\n\"x\"true\nnull", records: []string{"1", "2", `"x"`, "true", "null"}},
		"array":                                {in: `[{"a":1}, [2,3] ,"]",4]`, records: []string{`{"a":1}`, `[2,3]`, `"]"`, `4`}},
		"empty array":                          {in: `[ ] {"a":1}`, records: []string{`{"a":1}`}},
		"array among lines":                    {in: "{\"a\":1}\n[2,3]\n4\n", records: []string{`{"a":1}`, "2", "3", "4"}},
		"truncated line":                       {in: "{\"a\":1\n{\"b\":2}\n", records: []string{`{"b":2}`}, corrupt: []string{`{"a":1`}},
		"truncated after a colon":              {in: "{\"a\":\n{\"b\":2}\n{\"c\":3}\n", records: []string{`{"b":2}`, `{"c":3}`}, corrupt: []string{`{"a":`}},
		"truncated after a bracket":            {in: "{\"a\":[\n{\"b\":2}\n", records: []string{`{"b":2}`}, corrupt: []string{`{"a":[`}},
		"truncated in a string":                {in: "{\"a\":\"x\n{\"b\":2}", records: []string{`{"b":2}`}, corrupt: []string{`{"a":"x`}},
		"truncated last line":                  {in: "{\"b\":2}\n{\"a\":", records: []string{`{"b":2}`}, corrupt: []string{`{"a":`}},
		"truncated pretty-printed":             {in: string(pretty[:len(pretty)-14]), corrupt: []string{string(pretty[:len(pretty)-14])}},
		"broken pretty-printed":                {in: "{\n  \"a\": oops,\n  \"b\": 1\n}\n{\"c\":2}", records: []string{`{"c":2}`}, corrupt: []string{"{\n  \"a\": oops,\n  \"b\": 1\n}"}},
		"one bracket too many":                 {in: "{\n  \"a\": {\n    \"b\": 1\n  }},\n  \"c\": 2\n}\n{\"d\":3}", records: []string{"{\n  \"a\": {\n    \"b\": 1\n  }}", `{"d":3}`}, corrupt: []string{",\n  \"c\": 2\n}"}},
		"without a head":                       {in: "\"c\": 2,\n  \"d\": 3\n}\n{\"e\":1}", records: []string{`{"e":1}`}, corrupt: []string{"\"c\": 2,\n  \"d\": 3\n}"}},
		"text between lines":                   {in: "{\"a\":1}\noops {x}\nthis too\n{\"b\":2}\n", records: []string{`{"a":1}`, `{"b":2}`}, corrupt: []string{"oops {x}\nthis too"}},
		"text between scalars":                 {in: "1\noops\n2\n", records: []string{"1", "2"}, corrupt: []string{"oops"}},
		"commas between values":                {in: "{\"a\":1},\n{\"b\":2}", records: []string{`{"a":1}`, `{"b":2}`}, corrupt: []string{","}},
		"garbage behind the value":             {in: `{"a":1} x`, records: []string{`{"a":1}`}, corrupt: []string{"x"}},
		"byte order mark":                      {in: "\ufeff{\"a\":1}\n{\"b\":2}", records: []string{`{"b":2}`}, corrupt: []string{"\ufeff{\"a\":1}"}},
		"nul bytes":                            {in: "\x00\x00\x00", corrupt: []string{"\x00\x00\x00"}},
		"broken element":                       {in: `[{"a":1}, {"a":oops, "x":[1,{}]} , {"b":2}]`, records: []string{`{"a":1}`, `{"b":2}`}, corrupt: []string{`{"a":oops, "x":[1,{}]}`}},
		"element cut off in a string":          {in: "[{\"a\":\"x\n},{\"b\":2}]", records: []string{`{"b":2}`}, corrupt: []string{"{\"a\":\"x\n}"}},
		"raw newline in an element":            {in: "[\n  {\"id\":1},\n  {\"id\":2, \"t\": \"bad\nstring\"},\n  {\"id\":3}\n]", records: []string{`{"id":1}`, `{"id":3}`}, corrupt: []string{"{\"id\":2, \"t\": \"bad\nstring\"},"}},
		"string not closed":                    {in: "[\n  {\"id\":1},\n  {\"t\": \"x},\r\n  {\"id\":3},\n  4]", records: []string{`{"id":1}`, `{"id":3}`, "4"}, corrupt: []string{`{"t": "x},`}},
		"two strings not closed":               {in: "[\n{\"t\": \"x},\n{\"t\": [\"y]},\n{\"id\":\n3\n}\n]", records: []string{"{\"id\":\n3\n}"}, corrupt: []string{"{\"t\": \"x},\n{\"t\": [\"y]},"}},
		"neighbour broken as well":             {in: "[\n\t[\"x],\n\t{\"id\":oops},\n\t{\"id\":3},\n\t{\"id\":4}\n]", records: []string{`{"id":3}`, `{"id":4}`}, corrupt: []string{"[\"x],\n\t{\"id\":oops},"}},
		"last string not closed":               {in: "[\n{\"id\":1},\n{\"t\": \"x}\n]\n{\"id\":2}", records: []string{`{"id":1}`, `{"id":2}`}, corrupt: []string{`{"t": "x}`}},
		"string not closed, cut off":           {in: "[\n{\"t\": \"x},\n{\"id\":2}\n", records: []string{`{"id":2}`}, corrupt: []string{`{"t": "x},`, ""}},
		"string not closed, inner":             {in: "[\n  {\n    \"t\": \"x,\n    \"a\": [\n      {\"b\":1},\n      {\"b\":2}\n    ]\n  },\n  {\"id\":3}\n]", records: []string{`{"id":3}`}, corrupt: []string{"{\n    \"t\": \"x,\n    \"a\": [\n      {\"b\":1},\n      {\"b\":2}\n    ]\n  }"}},
		"string not closed, no indent":         {in: "[\n{\n\"t\": \"x,\n\"a\": [\n{\"b\":1},\n{\"b\":2}\n]\n},\n{\"id\":3}\n]", records: []string{`{"id":3}`}, corrupt: []string{"{\n\"t\": \"x,\n\"a\": [\n{\"b\":1},\n{\"b\":2}\n]\n}"}},
		"string not closed, other indent":      {in: "[\n  {\"t\": \"x},\n    {\"id\":2},\n {\"id\":3}\n]", corrupt: []string{"{\"t\": \"x},\n    {\"id\":2},\n {\"id\":3}"}},
		"element with lost brackets":           {in: `[{"a":[1,2}, {"b":2}]`, records: []string{`{"b":2}`}, corrupt: []string{`{"a":[1,2}`}},
		"no comma":                             {in: `[{"a":1} {"b":2}, 3]`, records: []string{`{"a":1}`, `3`}, corrupt: []string{`{"b":2}`}},
		"too many commas":                      {in: `[,1,, ,2,]`, records: []string{`1`, `2`}, corrupt: []string{",", ", ,", ""}},
		"array cut off in an element":          {in: `[{"a":1},{"b":`, records: []string{`{"a":1}`}, corrupt: []string{`{"b":`}},
		"array cut off":                        {in: `[{"a":1},`, records: []string{`{"a":1}`}, corrupt: []string{""}},
		"array cut off in a number":            {in: `[1,2`, records: []string{`1`}, corrupt: []string{"2"}},
		"values after an array":                {in: `[1]{"a":1}]`, records: []string{"1", `{"a":1}`}, corrupt: []string{"]"}},
		"lines":                                {cfg: lines, in: "{\"a\":1}\r\n\n \t\n  [1,2] \n\"x", records: []string{`{"a":1}`, `[1,2]`}, corrupt: []string{`"x`}},
		"two values in a line":                 {cfg: lines, in: "{} {}\n1", records: []string{"1"}, corrupt: []string{"{} {}"}},
		"raw lines":                            {cfg: raw, in: " a\tb\t\r\n\r\n  \nc d\r", records: []string{" a\tb\t", "c d"}},
		"whole":                                {cfg: whole, in: "\n[1,\n2] \n", records: []string{"[1,\n2]"}},
		"whole with more":                      {cfg: whole, in: "{} {}", corrupt: []string{"{} {}"}},
		"whole, raw":                           {cfg: Split{Format: FormatWhole, Raw: true}, in: " any\nthing\n", records: []string{"any\nthing"}},
		"path":                                 {cfg: statuses, in: `{"x":{"statuses":[9]},"statuses":[{"a":1},2],"statuses":[3]}`, records: []string{`{"a":1}`, "2"}},
		"path to no array":                     {cfg: statuses, in: `{"statuses":{"a":1}}{"statuses":7}{"statuses":null}`, records: []string{`{"a":1}`, "7", "null"}},
		"path to nothing":                      {cfg: statuses, in: `{"a":[1,2,{"statuses":3}]} 4 "x"`},
		"path in elements":                     {cfg: statuses, in: `[{"statuses":[1]},{"statuses":2},3,[4]] {"statuses":[5]}`, records: []string{"1", "2", "5"}},
		"path, escaped name":                   {cfg: statuses, in: `{"st\u0061tuses":[1]}`, records: []string{"1"}},
		"longer path":                          {cfg: Split{Records: `data.it\.ems`}, in: `{"data":1,"data":{"x":{"it.ems":0}},"data":{"it.ems":[1,2]},"it.ems":3}`, records: []string{"1", "2"}},
		"longer path, wrong turn":              {cfg: Split{Records: `a.b`}, in: `{"a":{"x":1},"c":{"b":2},"a":{"x":{"b":3},"b":4}}`, records: []string{"4"}},
		"path, broken element":                 {cfg: statuses, in: `{"statuses":[1,oops,3],"x":2}`, records: []string{"1", "3"}, corrupt: []string{"oops"}},
		"path, string not closed":              {cfg: statuses, in: "{\"statuses\":[\n {\"t\":\"x},\n {\"a\":1}\n]}\n{\"statuses\":2}", records: []string{`{"a":1}`, "2"}, corrupt: []string{`{"t":"x},`}},
		"path, broken before":                  {cfg: statuses, in: "{\"x\":oops,\"statuses\":[1]}\n{\"statuses\":[2]}", records: []string{"2"}, corrupt: []string{`{"x":oops,"statuses":[1]}`}},
		"path, broken behind":                  {cfg: statuses, in: "{\"statuses\":[1],oops}\n{\"statuses\":[2]}", records: []string{"1", "2"}, corrupt: []string{"oops}"}},
		"path, broken value":                   {cfg: statuses, in: `{"statuses":oops,"x":1}{"statuses":2}`, records: []string{"2"}, corrupt: []string{"oops"}},
		"path, cut off before":                 {cfg: statuses, in: `{"a":1,`, corrupt: []string{`{"a":1,`}},
		"path, cut off behind":                 {cfg: statuses, in: `{"statuses":[1`, corrupt: []string{`1`}},
		"path, line cut off behind":            {cfg: statuses, in: "{\"statuses\":[1],\n{\"statuses\":[2]}", records: []string{"1", "2"}, corrupt: []string{""}},
		"path, broken in an element":           {cfg: statuses, in: `[{"statuses":[1],"x":[oops]},{"statuses":[2]}]`, records: []string{"1", "2"}, corrupt: []string{`oops]}`}},
		"lines, path":                          {cfg: lineStatuses, in: "{\"statuses\":[1,2]}\n\n{\"statuses\":[3,\n{\"statuses\":[4]} x\n{\"a\":oops}\n[{\"statuses\":5}]\n{\"statuses\":6}", records: []string{"1", "2", "3", "4", "6"}, corrupt: []string{"", "x", `{"a":oops}`}},
		"lines, path, cut off":                 {cfg: lineStatuses, in: "{\"statuses\":[{\"a\":\n1}]}\n{\"statuses\":[2]}", records: []string{"2"}, corrupt: []string{`{"a":`, "}]}"}},
		"preamble":                             {cfg: Split{Preamble: skipComment{}}, in: "// {x}\n{\"a\":1}", records: []string{`{"a":1}`}},
		"preamble only":                        {cfg: Split{Preamble: skipComment{}}, in: "// {x}"},
		"preamble too long":                    {cfg: Split{Preamble: skipComment{}, MaxPreambleBytes: 5}, in: "// {x}\n{\"a\":1}\n", corrupt: []string{"// {x}\n{\"a\":1}"}},
		"lines, path, preamble too long":       {cfg: Split{Format: FormatLines, Records: "a", Preamble: skipComment{}, MaxPreambleBytes: 5}, in: "// {x}\n{\"a\":1}\n", corrupt: []string{"// {x}\n{\"a\":1}"}},
		"record too long":                      {cfg: Split{MaxRecordBytes: 9}, in: `{"a":1234} {"a":123} "12345678" "1234567" 1234567890 123456789`, records: []string{`{"a":123}`, `"1234567"`, `123456789`}, corrupt: []string{`{"a":1234}`, `"12345678"`, `1234567890`}},
		"record too long and cut off":          {cfg: Split{MaxRecordBytes: 3}, in: "{\"a\":[1,2\n{}\n", records: []string{`{}`}, corrupt: []string{`{"a":[1,2`}},
		"element too long":                     {cfg: Split{MaxRecordBytes: 3}, in: `[12,"]45",1234,[1],123]`, records: []string{`12`, `[1]`, `123`}, corrupt: []string{`"]45"`, `1234`}},
		"line too long":                        {cfg: Split{Format: FormatLines, MaxRecordBytes: 3}, in: "1234\n123\r\n12", records: []string{"123", "12"}, corrupt: []string{"1234"}},
		"whole too long":                       {cfg: Split{Format: FormatWhole, MaxRecordBytes: 3}, in: "1234\n", corrupt: []string{"1234"}},
		"too deep":                             {cfg: Split{MaxDepth: 2}, in: "{\"a\":[[]]}\n{\"a\":[]}\n[[[]],[[[]]],{}]", records: []string{`{"a":[]}`, `[[]]`, `{}`}, corrupt: []string{`{"a":[[]]}`, `[[[]]]`}},
		"path, newline in a long value around": {cfg: Split{Records: "a", MaxRecordBytes: 1}, in: "\n{\"b\n{\"a\":1}", records: []string{"1"}, corrupt: []string{""}},
		"path, value around too deep":          {cfg: Split{Records: "a", MaxDepth: 2}, in: "{\"b\":[[]],\"a\":1}\n{\"a\":[[2]]}", records: []string{`[2]`}, corrupt: []string{`{"b":[[]],"a":1}`}},
		"path, element around is wide":         {cfg: Split{Records: "a", MaxRecordBytes: 5}, in: "{\"b\":\"" + "0123456789" + "\",\"a\":[1]}", records: []string{`1`}},
		"path, broken, around is wide":         {cfg: Split{Records: "a", MaxRecordBytes: 5}, in: "{\"b\":\"" + "0123456789" + "\",oops,\"a\":[1]}", corrupt: []string{`oops,"a":[1]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []cutter{
				{cfg: c.cfg},
				{cfg: c.cfg, fused: true},
				{cfg: c.cfg, resume: true},
				{cfg: c.cfg, chunk: func() int { return 1 }},
			} {
				got := how.cut(t, c.in)
				what := fmt.Sprintf("fused %v, resume %v, bytewise %v: %+v", how.fused, how.resume, how.chunk != nil, got)
				assert.Equal(t, append([]string{}, c.records...), of(got, "record"), what)
				assert.Equal(t, append([]string{}, c.corrupt...), of(got, "corrupt"), what)
			}
		})
	}
}

func TestNewSplitterReportsEveryMistake(t *testing.T) {
	_, err := NewSplitter(Split{Format: "csv", Records: "a.#.b", Raw: true, MaxRecordBytes: -1, MaxPreambleBytes: 2 << 30, MaxDepth: -1})
	for _, field := range []string{"Split.Format", "Split.Records", "Split.Raw", "Split.MaxRecordBytes", "Split.MaxPreambleBytes", "Split.MaxDepth"} {
		assert.ErrorContains(t, err, field)
	}
	for path, mistake := range map[string]string{
		".":       "empty",
		"a..b":    "empty",
		"a.":      "empty",
		`a\`:      "backslash",
		"a.#":     `'#'`,
		"a|b":     `'|'`,
		"a.@this": `'@'`,
		"a*":      `'*'`,
	} {
		_, err := NewSplitter(Split{Records: path})
		assert.ErrorContains(t, err, "Split.Records", path)
		assert.ErrorContains(t, err, mistake, path)
	}
	for _, cfg := range []Split{{Raw: true}, {Raw: true, Format: FormatLines, Records: "a"}, {Format: FormatWhole, Records: "a"}} {
		_, err := NewSplitter(cfg)
		assert.Error(t, err, "%+v", cfg)
	}
}

func TestWithDefaults(t *testing.T) {
	assert.Equal(t, Split{Format: FormatAuto, MaxRecordBytes: 16 << 20, MaxPreambleBytes: 64 << 10, MaxDepth: 10_000}, Split{}.WithDefaults())
	set := Split{Format: FormatLines, MaxRecordBytes: 1, MaxPreambleBytes: 2, MaxDepth: 3}
	assert.Equal(t, set, set.WithDefaults())
}

func TestResumeRefusesWhatCannotBe(t *testing.T) {
	for state, cfg := range map[string]Split{
		"":    {},                                  // without an offset only
		"x":   {},                                  // no state
		"rn":  {},                                  // of a path
		"an":  {Format: FormatLines},               // of another format
		"arn": {Format: FormatLines, Records: "a"}, // of another format
		"l":   {Format: FormatLines},               // of a path
		"aan": {},                                  // no state
		"t\n": {},                                  // no state
	} {
		s, err := NewSplitter(cfg)
		require.NoError(t, err)
		assert.Error(t, s.Resume(state, 7), "%q", state)
		assert.Zero(t, s.Offset())
		assert.Equal(t, TokenEnd, s.Next(nil, true).Kind, "unusable after an error")
	}
	s, err := NewSplitter(Split{})
	require.NoError(t, err)
	assert.Error(t, s.Resume("t", -1))
	assert.NoError(t, s.Resume("", 0))
}

func TestErrorsOfTheSplitter(t *testing.T) {
	for input, want := range map[string]string{
		"  {\"a\":1,}":     "split: record at offset 2: no string where an object key must start, at offset 9",
		`[1,2`:             "split: record at offset 3: array is cut off, at offset 4",
		`{"a":"bcdefghijk`: "split: record at offset 0: longer than 12 bytes",
		`{"a":[[]]}`:       "split: record at offset 0: nested too deep, at offset 6",
	} {
		got := cutter{cfg: Split{MaxRecordBytes: 12, MaxDepth: 2}}.cut(t, input)
		for _, p := range got {
			if p.Kind == "corrupt" {
				assert.Equal(t, want, p.Err)
			}
		}
		assert.Len(t, of(got, "corrupt"), 1, input)
	}
}
