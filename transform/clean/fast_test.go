package clean

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/internal/jsonscan"
	"github.com/unspool-go/unspool/transform"
)

// What is spared is not missed: each short cut is held against the long way.

// pieces make texts that rules have something to do with, and their likes that
// they have not.
var pieces = []string{
	"a", "Zz", "0", " ", "  ", "\t", "\n", "\x00", "\x7f", `"`, `\`, "é", "ß", "Å", "ſ", "Ĳ", "ŀ", "À", "ÿ", "×", "\u00a0", "\u00ad", "\u0085", "\u0080", "¿",
	"\u0180", "e\u0301", "\u0301", "\u0345", "\u1e9e", "İ", "ı", "K", "\u2028", "\u2003", "\u200b", "“", "–", "…", "\ufeff", "Ã¼", "ÃŠ", "â‚¬", "Ã", "日本", "😀", "·",
}

func drawText(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6).Draw(t, "text"), "")
}

// A rule would leave alone all the texts that it is spared for what they look like.
func TestSparedTextsAreAsTheyOughtToBe(t *testing.T) {
	check := func(t require.TestingT, text string) {
		for _, r := range []Rule{Trim(), Spaces(), Characters(), Mojibake(), Upper(), Lower()} {
			if r.spares(look([]byte(text))) {
				require.Equal(t, text, apply(r, text), r.Name)
			}
		}
	}
	for r := range rune(utf8.MaxRune + 1) {
		if r < 0x300 || r%257 == 0 {
			check(t, string(r))
			check(t, "a"+string(r)+"\u00e9"+string(r))
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, drawText(t)) })
	for _, text := range []string{"", "plain", "Zoë Faß", "a b", "12 Å"} {
		assert.Zero(t, look([]byte(text))&(exotic|loose|escapes), "%q is plain", text)
	}
}

// Both looks see the same.
func TestLookTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(drawText(t))
		end, has := lookTo(append([]byte("  "), text...), 2)
		want := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
		if want < 0 {
			want = len(text)
		}
		require.Equal(t, want, end-2)
		require.Equal(t, look(text[:want]), has)
	})
}

// What cannot be mojibake by its looks is none.
func TestLikeMojibake(t *testing.T) {
	for a := range rune(0x180) {
		for b := range rune(0x180) {
			text := []byte("x" + string(a) + string(b))
			if !likeMojibake(text) && !bytes.Equal(text, unmangled(nil, text)) {
				require.Fail(t, "it is", "%q", text)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(drawText(t))
		require.True(t, likeMojibake(text) || bytes.Equal(text, unmangled(nil, text)), "%q", text)
	})
	for _, r := range []rune{0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff} { // with the least and the greatest of first bytes
		var mangled []rune
		for _, b := range []byte(string(r)) {
			c := charmap.Windows1252.DecodeByte(b)
			if c == utf8.RuneError {
				c = rune(b)
			}
			mangled = append(mangled, c)
		}
		assert.Equal(t, string(r), apply(Mojibake(), string(mangled)), "%U", r)
	}
	assert.False(t, likeMojibake([]byte("Müller")))
}

var patterns = []string{
	`TX[0-9]{8}`, `[A-Z]{2}`, `\+?[0-9 ]{6,20}`, ``, `a*`, `a|ab|abc`, `(a|b)*abb`, `(?i)straße|kg`, `.*`, `(?s).*`, `a)|(?:b`, `a$`, `^a`, `(?:$^)?a*`, `(?m)^a$`, `\ba`,
	`a)|^(?:b`, `a*$^`, `[^a]+`, `x{3,}y?`, `(?:)`, `[^\x00-\x{10FFFF}]`, `a{1,1000}`, `é`, `[a-é]`, `\d+(\.\d+)?`, `(a?){20}a{20}`, `$`, `\z`, `a\n?`, `(?U)a+b*`,
}

// The automaton says what package regexp does.
func FuzzAutomaton(f *testing.F) {
	for _, pattern := range patterns {
		for _, text := range []string{"", "a", "ab", "abb", "TX00000001", "DE", "+44 20 123", "kg", "KG", "aa\n", "\n", "xxx", "b", "12.5", "12345", strings.Repeat("a", 30)} {
			f.Add(pattern, text)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		expr := `^(?:` + pattern + `)$`
		re, err := regexp.Compile(expr)
		if err != nil || len(pattern) > 100 {
			t.Skip()
		}
		a := newAutomaton(expr)
		if a == nil {
			t.Skip("not for an automaton")
		}
		good, ok := a.match([]byte(text))
		require.Equal(t, strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0, ok, "it is for ASCII")
		if ok {
			require.Equal(t, re.MatchString(text), good, "%q for %q", text, expr)
		}
	})
}

func TestWhatHasAnAutomaton(t *testing.T) {
	good, ok := newAutomaton(`^a`).match([]byte("ab"))
	assert.True(t, good && ok, "where nobody asks for the end, what follows does not matter")
	for pattern, want := range map[string]bool{
		`TX[0-9]{8}`: true, `\+?[0-9 ]{6,20}`: true, `(?i)de|at`: true, `[a-é]`: true,
		`\ba`: false, `(?m)^a$`: false, `a{1,1000}`: false, `a)|(?:b`: false, `(`: false,
	} {
		assert.Equal(t, want, newAutomaton(`^(?:`+pattern+`)$`) != nil, pattern)
	}
}

// A time that fits is one that package time would write just so.
func FuzzDigits(f *testing.F) {
	layouts := []string{time.DateOnly, time.DateTime, "20060102", "02.01.2006", "15:04:05.2006-01-02", "01/02/2006 15:04", "2006-01-02T15:04:05.", "2006-01-02 15:15", "2006-002", "Jan 02 2006", "2006-01-02-07"}
	for _, layout := range layouts {
		for _, at := range []string{"2024-02-29T23:59:59Z", "0000-12-31T00:00:00Z", "9999-04-30T01:02:03Z"} {
			when, err := time.Parse(time.RFC3339, at)
			require.NoError(f, err)
			f.Add(layout, when.Format(layout))
		}
		for _, text := range []string{"2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-04-31", "2024-01-00", "20240101", "2024-1-01", "2024-01-01 24:00:00", "2024-01-01 23:60:00"} {
			f.Add(layout, text)
		}
	}
	f.Fuzz(func(t *testing.T, layout, text string) {
		d := newDigits(layout)
		when, err := time.Parse(layout, text)
		want := err == nil && when.Format(layout) == text
		if d.fit([]byte(text)) {
			require.True(t, want, "%q is no %q", text, layout)
		} else if d.form != "" {
			require.False(t, want, "%q is %q", text, layout)
		}
	})
}

func TestDaysAreThoseOfTheCalendar(t *testing.T) {
	d := newDigits(time.DateOnly)
	for _, year := range []int{0, 1900, 2000, 2023, 2024} {
		for month := range 14 {
			for day := range 33 {
				text := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				_, err := time.Parse(time.DateOnly, text)
				require.Equal(t, err == nil, d.fit([]byte(text)), text)
			}
		}
	}
}

func TestWhatIsDigits(t *testing.T) {
	for layout, want := range map[string]bool{
		time.DateOnly: true, time.DateTime: true, "20060102": true, "2006-01-02T15:04": true,
		"2.1.2006": false, "2006-01": false, "Jan 02 2006": false, "2006-01-02 15:15": false, time.RFC3339: false, "": false, "15:04:05": false,
	} {
		assert.Equal(t, want, newDigits(layout).form != "", layout)
	}
}

func FuzzWords(f *testing.F) {
	for _, word := range []string{"", "n/a", "K", "\u212a", "ſ", "ß", "\ufffd", "\xff", "İ", "Σ", "-"} {
		for _, text := range []string{"", "N/A", "k", "s", "S", "\xfe", "\ufffd", "ς", "i", "—"} {
			f.Add(word, text)
		}
	}
	f.Fuzz(func(t *testing.T, word, text string) {
		require.Equal(t, strings.EqualFold(word, text), newWords([]string{word}).index([]byte(text)) == 0)
	})
}

func TestIsDecimal(t *testing.T) {
	piece := rapid.SampledFrom([]string{"-", "+", "0", "1", "12", ".", "e", " ", "5"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
		isJSON := jsonscan.Valid([]byte(text), 1) == nil && strings.TrimSpace(text) == text
		require.Equal(t, isJSON, isNumber([]byte(text)), "%q", text)
		require.Equal(t, isJSON && !strings.Contains(text, "e"), isDecimal([]byte(text)), "%q", text)
	})
}

// However a row is written, what comes of it and what is counted is the same: with
// white space, every member takes the long way.
func TestRowsWrittenOtherwiseAreTheSame(t *testing.T) {
	cfg := testConfig()
	cfg.Everywhere = append([]Rule{Mojibake()}, cfg.Everywhere...)
	cfg.Columns = append(cfg.Columns, Column{Name: "note", Bad: MakeNull, Rules: []Rule{MaxLength(3)}},
		Column{Name: "é", Type: Number, Bad: MakeNull}, Column{Name: "x", As: "y"}, Column{Name: "last"})
	cfg.Others, cfg.KeepBlank = true, true
	names := []string{"id", "amount", "paid", "state", "note", "é", "x", "last", "other", "id"}
	// Good values are the more likely: a row that is put aside shows little.
	value := func(name string) *rapid.Generator[string] {
		good := map[string][]string{
			"id": {"A1", "a1"}, "amount": {"12.50", "$1", "n/a", ""}, "paid": {"true", "y", "n"}, "state": {"open", "OPEN"}, "é": {"1", "1e5", "x"},
		}[name]
		if good == nil {
			return rapid.Custom(drawText)
		}
		sound := rapid.SampledFrom(good)
		return rapid.OneOf(sound, sound, sound, sound, sound, sound, rapid.Custom(drawText))
	}
	rapid.Check(t, func(t *rapid.T) {
		row := []byte{'{'}
		from := rapid.IntRange(0, 1).Draw(t, "from")
		for i, name := range names[from:rapid.IntRange(from, len(names)).Draw(t, "to")] {
			if i > 0 {
				row = append(row, ',')
			}
			row = append(jsonscan.AppendString(row, name), ':')
			text := value(name).Draw(t, name)
			switch rapid.IntRange(0, 19).Draw(t, "how") {
			case 0:
				row = append(row, "12.5"...)
			case 1:
				row = append(row, "null"...)
			case 2, 3:
				escaped, err := json.Marshal(text)
				require.NoError(t, err)
				row = append(row, bytes.ReplaceAll(escaped, []byte("e"), []byte(`\u0065`))...)
			default:
				row = jsonscan.AppendString(row, text)
			}
		}
		row = append(row, '}')
		var spaced bytes.Buffer
		require.NoError(t, json.Indent(&spaced, row, " ", "\t"))
		here, there := newRows(t, cfg), newRows(t, cfg)
		got := of(t, here, string(row))
		require.Equal(t, of(t, there, spaced.String()), got, "%s", row)
		require.Equal(t, there.Counts(), here.Counts())

		var out transform.Output
		ahead := newRows(t, cfg)
		n, ok, err := ahead.ApplyPrefix(t.Context(), record(""), row, 1, &out)
		if !ok {
			require.Contains(t, got, errTwice.Error())
			return
		}
		require.Equal(t, len(row), n)
		require.Equal(t, here.Counts(), ahead.Counts())
		if err != nil {
			require.Equal(t, got, "!"+err.Error())
		} else if got != "" {
			require.Equal(t, got, string(out.Value(0)))
		}
	})
}

// Escapes mean what they do to encoding/json.
func TestUnescape(t *testing.T) {
	piece := rapid.SampledFrom([]string{`\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0041`, `\ud83d\ude00`, `\ud83d`, "a", "bc", "é"})
	rapid.Check(t, func(t *rapid.T) {
		quoted := `"` + strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "") + `"`
		var want string
		require.NoError(t, json.Unmarshal([]byte(quoted), &want))
		w := &row{scratch: []byte("before")}
		got, err := w.unescape([]byte(quoted))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		require.Equal(t, "before"+want, string(w.scratch))
	})
}

// A row that goes on, or of which it is not known, is left to the long way, and
// not counted.
func TestApplyPrefixTellsOfWholeRowsOnly(t *testing.T) {
	r := newRows(t, testConfig())
	var out transform.Output
	for _, data := range []string{`{"id":"A1"} `, `{"id":"A1"}` + "\n", `{"id":"A1"},`, `{"id":"A1"`, ` {"id":"A1"}`, `x`, ``, `{"id":[1]}`} {
		_, ok, err := r.ApplyPrefix(t.Context(), record(""), []byte(data), 10, &out)
		assert.False(t, ok, data)
		assert.NoError(t, err, data)
	}
	_, ok, _ := r.ApplyPrefix(t.Context(), record(""), []byte(`{"id":"A1"}`), 0, &out)
	assert.False(t, ok, "deeper than the limit")
	assert.Zero(t, out.Size())
	assert.Equal(t, Counts{}, r.Counts())
}

// Fields as they ought to be are copied together, also where one in between is not.
func TestRowsCopiesWhatIsAsItOughtToBe(t *testing.T) {
	var cfg Config
	for i := range 5 {
		cfg.Columns = append(cfg.Columns, Column{Name: fmt.Sprint("c", i), Rules: []Rule{Upper(), Null("-")}})
	}
	r := newRows(t, cfg)
	for in, want := range map[string]string{
		`{"c0":"A","c1":"B","c2":"C","c3":"D","c4":"E"}`:   `{"c0":"A","c1":"B","c2":"C","c3":"D","c4":"E"}`,
		`{"c0":"A","c1":"B","c2":"c","c3":"D","c4":"E"}`:   `{"c0":"A","c1":"B","c2":"C","c3":"D","c4":"E"}`,
		`{"c0":"a","c1":"B","c2":"-","c3":"D","c4":"e"}`:   `{"c0":"A","c1":"B","c2":null,"c3":"D","c4":"E"}`,
		`{"c0":"A", "c1":"B","c3":"D","c2":"C","c4":"E"}`:  `{"c0":"A","c1":"B","c2":"C","c3":"D","c4":"E"}`,
		`{"c0":"A","x":"X","c1":"B","c4":"E"}`:             `{"c0":"A","c1":"B","c2":null,"c3":null,"c4":"E"}`,
		`{"c4":"É","c3":"","c2":"\"","c1":"\\n","c0":"Ä"}`: `{"c0":"Ä","c1":"\\N","c2":"\"","c3":null,"c4":"É"}`,
	} {
		assert.Equal(t, want, of(t, r, in))
	}
}

// What is not as it ought to be, or is written otherwise, is not copied, nor is a
// rule forgotten that stands before others with nothing to do.
func TestRowsCopiesNothingElse(t *testing.T) {
	r := newRows(t, Config{Columns: []Column{
		{Name: "a", Bad: MakeNull, Rules: []Rule{MaxLength(3)}}, {Name: "n", Type: Number}, {Name: "b", Type: Boolean},
		{Name: "c", As: "d"}, {Name: "m", Rules: []Rule{Mojibake(), Characters(), Trim()}},
	}})
	assert.Equal(t, `{"a":null,"n":1.5,"b":true,"d":"x","m":"yÊ"}`, of(t, r, `{"a":"long","n":"1.5","b":"true","c":"x","m":"yÃŠ"}`))
}
