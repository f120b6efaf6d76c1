package clean

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
	"github.com/unspool-go/unspool/transform/transformtest"
)

func testConfig() Config {
	return Config{
		Everywhere: []Rule{Characters(), Spaces(), Null("N/A")},
		Columns: []Column{
			{Name: "id", Required: true, Rules: []Rule{Upper(), Match(`[A-Z]\d+`)}},
			{Name: "amount", As: "sum", Type: Number, Rules: []Rule{Decimal(".", ",")}},
			{Name: "paid", Type: Boolean, Bad: MakeNull, Rules: []Rule{Bool([]string{"y"}, []string{"n"})}},
			{Name: "state", Bad: Drop, Rules: []Rule{OneOf("open", "closed")}},
		},
		Rows: []RowRule{{Name: "closed is paid", Bad: Drop, Good: func(r Row) bool {
			return string(r.Text("state")) != "closed" || string(r.Text("paid")) == "true"
		}}},
	}
}

func newRows(t require.TestingT, cfg Config) *Rows {
	r, err := New(cfg)
	require.NoError(t, err)
	return r
}

// of returns what becomes of a record: its value, "" if it is dropped, or the
// reason for which it is put aside behind an exclamation mark.
func of(t require.TestingT, r *Rows, record string) string {
	var out transform.Output
	out.Emit([]byte("before"))
	err := r.Apply(context.Background(), source.Record{Data: []byte(record)}, &out)
	require.Equal(t, "before", string(out.Value(0)))
	switch {
	case err != nil:
		require.Equal(t, fault.ClassCorrupt, fault.Of(err))
		require.Equal(t, 1, out.Len())
		return "!" + err.Error()
	case out.Len() == 1:
		return ""
	}
	require.True(t, json.Valid(out.Value(1)))
	return string(out.Value(1))
}

func TestRows(t *testing.T) {
	r := newRows(t, testConfig())
	for _, c := range []struct{ record, want string }{
		{`{"id":"a1","amount":"$1,000.50","paid":"Y","state":"OPEN"}`, `{"id":"A1","sum":1000.50,"paid":true,"state":"open"}`},
		{`{ "state" : "open" , "id" : "A1" , "more" : "x" }`, `{"id":"A1","sum":null,"paid":null,"state":"open"}`},
		{`{"id":"A1","amount":12.5,"paid":true,"state":null}`, `{"id":"A1","sum":12.5,"paid":true,"state":null}`},
		{`{"\u0069d":"\u0041\u0031"}`, `{"id":"A1","sum":null,"paid":null,"state":null}`},
		{`{"id":"A1","paid":"perhaps"}`, `{"id":"A1","sum":null,"paid":null,"state":null}`},
		{`{"id":"A1","amount":"N/A"}`, `{"id":"A1","sum":null,"paid":null,"state":null}`},

		{`{"id":"A1","state":"gone"}`, ``},
		{`{"id":"A1","state":"closed","paid":"n"}`, ``},
		{`{"id":" ","amount":"","paid":"n/a"}`, ``},
		{`{}`, ``},
		{`{"id":"ID ","amount":"amount","paid":"Paid","state":"state"}`, ``},

		{`{"id":"","amount":"1"}`, `!clean: column "id": rule "required"`},
		{`{"id":"1A"}`, `!clean: column "id": rule "match"`},
		{`{"id":"A1","amount":"much"}`, `!clean: column "amount": rule "decimal"`},
		{`{"id":"1A","state":"gone"}`, `!clean: column "id": rule "match"`}, // the first column decides
		{`{"id":"id","amount":"amount"}`, `!clean: column "id": rule "match"`},
		{`{"id":{"a":1}}`, `!clean: a member is an object or an array`},
		{`{"id":"A1","id":"A1"}`, `!clean: two members have one name`},
		{`{"amount":"1","id":"A1","amount":"2"}`, `!clean: two members have one name`},
		{`{"id":"A` + "\xff" + `"}`, `!clean: the record is not valid UTF-8`},
		{``, `!clean: the record is no JSON object`},
		{`[]`, `!clean: the record is no JSON object`},
		{`{"id":"A1"`, `!clean: the record is no JSON object`},
		{`{"id":"A1"} x`, `!clean: the record is no JSON object`},
		{`{} x`, `!clean: the record is no JSON object`},
		{`{"id"}`, `!clean: the record is no JSON object`},
		{`{"id":}`, `!clean: the record is no JSON object`},
		{`{"id":"A1",}`, `!clean: the record is no JSON object`},
		{`{id:1}`, `!clean: the record is no JSON object`},
		{`{"id":nul}`, `!clean: the record is no JSON object`},
		{`{"id":"\x"}`, `!clean: the record is no JSON object`},
	} {
		assert.Equal(t, c.want, of(t, r, c.record), "%s", c.record)
	}
}

func TestRowsOthers(t *testing.T) {
	cfg := testConfig()
	cfg.Columns, cfg.Rows, cfg.Others = cfg.Columns[:1], nil, true
	r := newRows(t, cfg)
	assert.Equal(t, `{"id":"A1","b c":"x y","n":1e2,"t":true,"z":null}`, of(t, r, `{"b c":" x  y","n":1e2,"id":"a1","t":true,"z":"N/A"}`))
	assert.Contains(t, of(t, r, `{"id":"A1","x":1,"x":1}`), errTwice.Error())
	assert.Equal(t, []RuleCounts{
		{Column: "id", Rule: "upper", Mended: 1}, {Rule: "spaces", Mended: 1}, {Rule: "null", Mended: 1},
	}, r.Counts().Rules)
}

func TestRowsKept(t *testing.T) {
	cfg := Config{Columns: []Column{{Name: "a"}, {Name: "b"}}, KeepBlank: true, KeepHeader: true}
	r := newRows(t, cfg)
	assert.Equal(t, `{"a":null,"b":null}`, of(t, r, `{}`))
	assert.Equal(t, `{"a":"a","b":"b"}`, of(t, r, `{"a":"a","b":"b"}`))
}

// A row of which nothing could be read is no blank one: it is kept, or put aside.
func TestWhatIsBadIsNotBlank(t *testing.T) {
	for bad, want := range map[Bad]string{MakeNull: `{"n":null}`, Drop: "", Corrupt: `!clean: column "n": rule "number"`} {
		r := newRows(t, Config{Columns: []Column{{Name: "n", Type: Number, Bad: bad}}})
		assert.Equal(t, want, of(t, r, `{"n":"x"}`))
		assert.Zero(t, r.Counts().Blank)
	}
}

func TestRowsCounts(t *testing.T) {
	r := newRows(t, testConfig())
	for _, record := range []string{
		`{"id":"A1","state":"open"}`,
		`{"id":"a1","amount":"1,000","state":" open"}`,
		`{"id":"a1","paid":"?"}`,
		`{"id":"a1","state":"?"}`, // what was mended in a row that is dropped does not count
		`{"id":"a1","state":"closed"}`,
		`{"id":"?"}`, `{"amount":"1"}`, `{"id":"A1","amount":"x"}`,
		`{}`, `{"id":"id","amount":"amount","paid":"paid","state":"state"}`, `no row`,
	} {
		of(t, r, record)
	}
	assert.Equal(t, Counts{
		Kept: 3, Mended: 2, Dropped: 4, Blank: 1, Header: 1, Corrupt: 3, Malformed: 1,
		Rules: []RuleCounts{
			{Column: "id", Rule: "required", Corrupt: 1},
			{Column: "id", Rule: "upper", Mended: 2},
			{Column: "id", Rule: "match", Corrupt: 1},
			{Column: "amount", Rule: "decimal", Mended: 1, Corrupt: 1},
			{Column: "paid", Rule: "boolean", Nulled: 1},
			{Column: "state", Rule: "spaces", Mended: 1},
			{Column: "state", Rule: "one of", Dropped: 1},
			{Rule: "closed is paid", Dropped: 1},
		},
	}, r.Counts())
}

func TestRowsConform(t *testing.T) {
	cfg := testConfig()
	cfg.Others = true
	transformtest.Conform(t, newRows(t, cfg),
		`{"id":"a1","amount":"$1,000.50","paid":"Y","state":"OPEN","x":"“y”  z"}`, `{"id":"é\n1"}`, `{"id":"A1","long":"`+strings.Repeat("ü ", 3000)+`"}`)
}

// A rule of one's own may not smuggle anything into the JSON.
func TestRowsOwnRules(t *testing.T) {
	own := func(to string) *Rows {
		return newRows(t, Config{Columns: []Column{{Name: "a", Rules: []Rule{
			{Name: "own", Fix: func(dst, _ []byte) ([]byte, Verdict) { return append(dst, to...), IsText }},
			{Name: "again", Fix: func(dst, text []byte) ([]byte, Verdict) { return append(append(dst, text...), '.'), IsText }},
		}}}})
	}
	assert.Equal(t, `{"a":"\"},{\"."}`, of(t, own(`"},{"`), `{"a":"x"}`))
	assert.Equal(t, `{"a":"."}`, of(t, own(""), `{"a":"x"}`))
	assert.Equal(t, `!clean: column "a": rule "own"`, of(t, own("\xff"), `{"a":"x"}`))
}

// What a rule returns is its own to make: a part of what it appended, or of the
// text, or a text that is always the same.
func TestRowsOwnRulesMayCut(t *testing.T) {
	constant := []byte("constant")
	again := Rule{Name: "again", Fix: func(dst, text []byte) ([]byte, Verdict) { return append(append(dst, "<<<<"...), text...), IsText }}
	for want, fix := range map[string]func(dst, text []byte) []byte{
		"<<<<bc":       func(dst, text []byte) []byte { return append(append(dst, ' '), text[1:]...)[1:] },
		"<<<<b":        func(dst, text []byte) []byte { return append(dst, text...)[1:2:2] },
		"<<<<c":        func(_, text []byte) []byte { return text[2:] },
		"<<<<constant": func(_, _ []byte) []byte { return constant },
	} {
		own := Rule{Name: "own", Fix: func(dst, text []byte) ([]byte, Verdict) { return fix(dst, text), IsText }}
		r := newRows(t, Config{Columns: []Column{{Name: "a", Rules: []Rule{own, again}}, {Name: "b", Rules: []Rule{again}}}})
		assert.Equal(t, `{"a":"`+want+`","b":"<<<<long"}`, of(t, r, `{"a":"abc","b":"long"}`))
	}
	assert.Equal(t, "constant", string(constant))
}

func TestConfigMistakesAllAtOnce(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "no Columns")
	_, err = New(Config{
		Everywhere: []Rule{{}},
		Columns: []Column{
			{}, {Name: "a", Rules: []Rule{Match("(")}}, {Name: "a"}, {Name: "b", As: "a"},
			{Name: "c", Type: 9, Bad: 9}, {Name: "d", Required: true, Bad: MakeNull},
		},
		Rows: []RowRule{{}, {Name: "r", Good: func(Row) bool { return true }, Bad: MakeNull}, {Name: "r", Good: func(Row) bool { return true }}},
	})
	for _, want := range []string{
		"Everywhere: rule 1: no Name or no Fix", "column 1", "match: error parsing regexp", `column 3 ("a"): the second of that name`,
		`column 4 ("b"): the second that is written as "a"`, "unknown Type 9", "unknown Bad 9", `column 6 ("d"): what is Required`,
		"rule 1 on rows: no Name", `rule 2 on rows ("r"): a row that is bad`, `rule 3 on rows: the second named "r"`,
	} {
		assert.ErrorContains(t, err, want)
	}
}

// Whatever the record: what is kept is a JSON object with just the columns that
// are wanted, and cleaned again it stays as it is.
func FuzzRows(f *testing.F) {
	cfg := testConfig()
	for i := range cfg.Columns {
		cfg.Columns[i].As = ""
	}
	for _, record := range []string{
		`{"id":"a1","amount":"$1,000.50","paid":"Y","state":"OPEN"}`, `{"id":"A1","x":[1]}`, `{"id":"\ud800A1"}`, `{"id":1}`, ` {"id" : "B2"} `, `{"\u0069d":"A1","id":"A1"}`,
	} {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, record string) {
		r := newRows(t, cfg)
		once := of(t, r, record)
		if once == "" || once[0] == '!' {
			return
		}
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(once), &row))
		require.Len(t, row, len(cfg.Columns))
		require.Equal(t, once, of(t, r, once))
		require.Zero(t, r.Counts().Dropped+r.Counts().Corrupt)
	})
}

func record(data string) source.Record { return source.Record{Data: []byte(data)} }
