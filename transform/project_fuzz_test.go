package transform

import (
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// pathPool is what the projections under test are made of: each kind of path
// that the one pass takes, each that it must leave to gjson, and paths that
// share starts.
var pathPool = []string{
	"a", "b", "a.b", "a.c", "a.b.c", "a.0", "a.1", "a.00", "0", "1", "0.a", "1.b", "a.0.b", "a.1.0",
	"#", "#.a", "#.a.b", "#.#", "#.0", "#.#.a", "a.#", "a.#.b", "a.#.c", "a.#.b.c", "a.#.b.#", "a.#.b.#.c", "a.#.#", "a.#.0", "a.#.#.b",
	"a.b.#.c", "a.b.#", "b.#.a", "a.#.b.0", "#.b.#.a",
	`a\.b`, `a\*`, `a\\b`, `a\.b.c`, `\#`, `a.\#`, `\0`, `a\|b`, `a\.[x]`, `a\.@this`, `é`, `a b`, `😀`, "\ufffd", "\ufffdA",
	"", ".", "a.", ".a", "..a", "..0", "a..b", "a*", "?", "a.*", "*.b", "a.#.*", "a|b", "a|#", "a.#|0", "a.#.b|0", "a.b|@this",
	`a.#(b=="x").c`, `a.#(b==1)#.c`, `a.#(>1)`, "#(a==1)", "#(a)#", `a.#(b=="x"`, "@this", "@keys", "a.@values", "a.@reverse.0", "@pretty", "@ugly", "@flatten", "@nope", "a.@nope",
	"[a,b]", "{a,b}", `{"x":a,"y":a.#.b}`, "a.[b,c]", `!"x"`, "!5", "!nan", "a.!5",
	"99999999999999999999", "a.18446744073709551616", "a.9999999999", "a#", "#a", "a.#b", "a.-1",
	"id", "user.screen_name", "entities.hashtags.#.text", "entities.hashtags.#.indices.0", "entities.hashtags.#.indices.#",
}

// docPool seeds the documents. They put what is subtle about gjson in the way
// of the paths above.
var docPool = []string{
	`{}`, `[]`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"a":{"b":{}},"a":{"b":{"c":3}}}`, `{"a":1,"a":{"b":2}}`,
	`{"a":null}`, `{"a":[]}`, `{"a":[ ]}`, `{"a":[{"b":1},{"c":2},{"b":null},5,"x",[{"b":9}]]}`, `{"a":null,"a":[{"b":1}]}`, `{"a":[{"b":1}],"a":[{"b":2},{"c":3}]}`,
	`{"a":{"0":"k","00":"kk"}}`, `{"a":["v","w"]}`, `{"a":{"#":{"b":1}}}`, `{"a":{"#":{"b":1}},"a":[{"c":2},{"b":3}]}`, `{"#":1}`, `{"0":{"a":1},"1":{"b":2}}`,
	`[{"a":1},{"b":2},{"a":{"b":3}}]`, `[[1,[2]],[{"a":3}],"x"]`, `[1,2,3]`, `{"a":[[1,2],[],[{"b":1}],{"b":[{"c":1},{},{"c":[2]}]}]}`,
	`{"a":["[1,2]","{\"b\":1}","[{\"b\":1}]"]}`, `"[5,6]"`, `"{\"a\":1}"`, `"[{\"a\":1}]"`, `1`, `null`, `true`, `"x"`,
	`{"\u0061":1}`, `{"\u0061":{"\u0062":2},"a":3}`, `{"a.b":1,"a*":2,"a\\b":3,"a|b":4,"\ud83d\ude00":5,"\u00e9":6,"\ud800":7,"\ud800\u0041":8}`, `{"\ufffd":1,"\ufffdA":2}`,
	`{"":1}`, `{"a":{"":{"b":1}}}`, ` { "a" : [ { "b" : 1 } , { "b" : [ ] } , { } ] , "b" : -1.50e+10 } `,
	`{"a":12345678901234567890.10,"b":"\/\ud800"}`, `{"a":"\"","b":"\\\\"}`, "{\"a\":\"\xff\",\"b\":1}", `{"a":1}x`, `{"a":1,}`, `{"a"}`, `[1,]`, `{"a":[1`, `{"a":01}`, "{\"a\":\"\x01\"}",
	`{"a":{"b":[{"c":1,"c":2},{"c":{"d":[]}},7]},"a":{"b":[{"c":3}]}}`,
	`{"id":1068574316932927488,"user":{"screen_name":"x"},"entities":{"hashtags":[{"text":"a","indices":[1,2]},{"text":"b","indices":[]}]}}`,
	`{"entities":{"hashtags":[{"indices":"[7]"}]}}`,
}

// FuzzProject compares projections with gjson, which says what each field is,
// and with encoding/json, which says what is accepted.
func FuzzProject(f *testing.F) {
	for i, doc := range docPool {
		f.Add([]byte(doc), uint64(i)*0x9e3779b97f4a7c15)
		f.Add([]byte(`{"a":`+doc+`,"b":[`+doc+`,{"a":`+doc+`}]}`), uint64(i)*0xbf58476d1ce4e5b9)
	}
	f.Fuzz(func(t *testing.T, doc []byte, pick uint64) {
		var paths []string
		for n := pick%7 + 1; n > 0; n-- {
			pick = pick*6364136223846793005 + 1442695040888963407
			paths = append(paths, pathPool[pick>>33%uint64(len(pathPool))])
		}
		checkProjection(t, doc, paths)
	})
}

// Every path meets every document, alone and in company.
func TestProjectionAgreesWithGJSON(t *testing.T) {
	for _, doc := range docPool {
		for _, wrapped := range []string{doc, `{"a":` + doc + `}`, `[` + doc + `,` + doc + `]`, `{"a":[` + doc + `,` + doc + `]}`, `{"a":{"b":` + doc + `}}`, `{"a":` + doc + `,"a":` + doc + `}`} {
			checkProjection(t, []byte(wrapped), pathPool)
		}
	}
	for _, path := range pathPool {
		for _, doc := range docPool {
			checkProjection(t, []byte(doc), []string{path})
		}
	}
}

// checkProjection projects doc to paths and fails unless acceptance is that of
// encoding/json and each value that of gjson.
func checkProjection(t *testing.T, doc []byte, paths []string) {
	t.Helper()
	var fields []Field
	for i, path := range paths {
		f := Field{Name: fmt.Sprint("f", i), Path: path}
		if _, err := ProjectFields([]Field{f}); err == nil {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return
	}
	p, err := ProjectFields(fields)
	require.NoError(t, err)

	var out Output
	err = p.Apply(t.Context(), source.Record{Data: doc}, &out)
	if !json.Valid(doc) || !utf8.Valid(doc) {
		require.Error(t, err, "%q is not valid", doc)
		require.Equal(t, fault.ClassCorrupt, fault.Of(err), "%q: %v", doc, err)
		require.Zero(t, out.Size(), "an error leaves nothing behind")
	}
	want := []byte{'{'}
	for _, f := range fields {
		res := gjson.GetBytes(trimSpace(doc), f.Path)
		if !res.Exists() {
			continue
		}
		if !json.Valid([]byte(res.Raw)) || !utf8.ValidString(res.Raw) {
			require.Equal(t, fault.ClassCorrupt, fault.Of(err), "path %q gives no JSON: %q %v", f.Path, doc, err)
		}
		if len(want) > 1 {
			want = append(want, ',')
		}
		want = fmt.Appendf(want, "%q:%s", f.Name, res.Raw)
	}
	want = append(want, '}')
	if err != nil {
		require.Equal(t, fault.ClassCorrupt, fault.Of(err), "%q: %v", doc, err)
		if json.Valid(doc) && utf8.Valid(doc) && json.Valid(want) {
			t.Fatalf("%q with %+v: %v", doc, fields, err)
		}
	} else {
		require.Equal(t, 1, out.Len())
		require.Equal(t, string(want), string(out.Value(0)), "%q with %+v", doc, fields)
		require.True(t, json.Valid(out.Value(0)), "%q", out.Value(0))
	}

	// ApplyPrefix gives the same outputs, whatever follows.
	for _, tail := range []string{"", "\n", ",{", "\xff", "x"} {
		var fast Output
		n, ok, fastErr := p.ApplyPrefix(t.Context(), source.Record{}, append(append([]byte{}, trimSpace(doc)...), tail...), 10_000, &fast)
		if !ok {
			require.Zero(t, fast.Size())
			require.NoError(t, fastErr)
			continue
		}
		if n == len(trimSpace(doc)) {
			require.Equal(t, fmt.Sprint(err), fmt.Sprint(fastErr), "%q", doc)
			require.Equal(t, out.Len(), fast.Len())
			if out.Len() > 0 {
				require.Equal(t, string(out.Value(0)), string(fast.Value(0)))
			}
		}
	}
}
