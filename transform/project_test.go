package transform

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

// project applies t to data and returns its only output.
func apply(t *testing.T, tr Transform, data string) (string, error) {
	t.Helper()
	var out Output
	out.Emit([]byte("before"))
	err := tr.Apply(t.Context(), source.Record{Data: []byte(data)}, &out)
	if err != nil {
		require.Equal(t, len("before"), out.Size(), "an error leaves nothing behind")
		return "", err
	}
	require.Equal(t, 2, out.Len())
	return string(out.Value(1)), nil
}

func TestProjectValuesByteForByte(t *testing.T) {
	p := MustProject("n=a", "s=b.c", "o=b")
	got, err := apply(t, p, ` {"a": 12345678901234567890.10e-0 , "b": { "c" : "\u00e9\/\ud800" } } `)
	require.NoError(t, err)
	assert.Equal(t, `{"n":12345678901234567890.10e-0,"s":"\u00e9\/\ud800","o":{ "c" : "\u00e9\/\ud800" }}`, got)
}

func TestProjectNamesAreJSONStrings(t *testing.T) {
	p, err := ProjectFields([]Field{{Name: "a\"\\\n\u2028<é", Path: "x"}})
	require.NoError(t, err)
	got, err := apply(t, p, `{"x":1}`)
	require.NoError(t, err)
	var m map[string]int
	require.NoError(t, json.Unmarshal([]byte(got), &m))
	assert.Equal(t, map[string]int{"a\"\\\n\u2028<é": 1}, m)
}

func TestProjectMissing(t *testing.T) {
	for _, path := range []string{"x", "x*", "a.#.b.#"} { // one pass, and left to gjson
		p, err := ProjectFields([]Field{{Name: "o", Path: path}, {Name: "n", Path: path, Missing: MissingNull}, {Name: "a", Path: "a", Missing: MissingCorrupt}})
		require.NoError(t, err)
		got, err := apply(t, p, `{"a":null}`)
		require.NoError(t, err, "null is not missing")
		assert.Equal(t, `{"n":null,"a":null}`, got)

		_, err = apply(t, p, `{"b":"secret"}`)
		require.Error(t, err)
		assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
		assert.ErrorContains(t, err, `field "a" is missing`)
		assert.NotContains(t, err.Error(), "secret")
	}
	got, err := apply(t, MustProject("x", "y"), `[]`)
	require.NoError(t, err)
	assert.Equal(t, `{}`, got)
}

func TestProjectUTF8(t *testing.T) {
	p := MustProject("a", "b")
	_, err := apply(t, p, "{\"a\":1,\"c\":\"\xff\"}")
	require.Error(t, err, "also where the bytes are not asked for")
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
	assert.ErrorContains(t, err, "UTF-8")

	p.UTF8 = ReplaceUTF8
	got, err := apply(t, p, "{\"a\":\"x\xff\xc3y\xed\xa0\x80\",\"b\":\"é\"}")
	require.NoError(t, err)
	assert.Equal(t, `{"a":"x��y���","b":"é"}`, got, "a replacement for each byte, as encoding/json does it")
	_, err = apply(t, p, "{\"a\":\xff}")
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))

	_, ok, err := p.ApplyPrefix(t.Context(), source.Record{}, []byte("{\"a\":\"\xff\"}"), 100, new(Output))
	require.NoError(t, err)
	assert.False(t, ok, "the slow way mends it")
}

func TestProjectDepth(t *testing.T) {
	nested := func(n int) string { return `{"b":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `,"a":1}` }
	for _, path := range []string{"a", "b.#", "b.0.0.0", "a*"} {
		p := MustProject("x=" + path)
		_, err := apply(t, p, nested(10_000))
		require.NoError(t, err)
		_, err = apply(t, p, nested(10_001))
		assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
		assert.ErrorContains(t, err, "nested too deep")

		p.MaxDepth = 5
		_, err = apply(t, p, nested(5))
		require.NoError(t, err)
		_, err = apply(t, p, nested(6))
		assert.Error(t, err)
		_, ok, _ := p.ApplyPrefix(t.Context(), source.Record{}, []byte(nested(5)), 4, new(Output))
		assert.False(t, ok, "the caller's limit holds too")
		_, ok, _ = p.ApplyPrefix(t.Context(), source.Record{}, []byte(nested(5)), 100, new(Output))
		assert.True(t, ok)
	}
	_, err := apply(t, MustProject("a.b.c.d"), strings.Repeat(`{"a":`, 1<<20))
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
	// gjson would overflow the stack here and end the process.
	_, err = apply(t, MustProject("x=a.@fromstr.@valid"), `{"a":"`+strings.Repeat(`[`, 16<<20)+`"}`)
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
}

func TestApplyPrefix(t *testing.T) {
	p := MustProject("a")
	for _, c := range []struct {
		in string
		n  int
		ok bool
	}{
		{`{"a":1}`, 7, true}, {`{"a":1}{"a":2}`, 7, true}, {"{\"a\":1}\xff", 7, true}, {`[],1`, 2, true}, {`12 `, 2, true}, {`"x"`, 3, true},
		{`12`, 0, false}, {`-`, 0, false}, {`{"a":1`, 0, false}, {`{"a":x}`, 0, false}, {``, 0, false}, {` {}`, 0, false}, {"\"\xff\"", 0, false},
	} {
		for _, tr := range []Prefixer{p, Validate{}} {
			var out Output
			n, ok, err := tr.ApplyPrefix(t.Context(), source.Record{}, []byte(c.in), 100, &out)
			require.NoError(t, err)
			assert.Equal(t, c.ok, ok, "%T %q", tr, c.in)
			assert.Equal(t, c.n, n, "%T %q", tr, c.in)
			if !ok {
				assert.Zero(t, out.Size())
			}
		}
	}
	q, err := ProjectFields([]Field{{Name: "a", Path: "a", Missing: MissingCorrupt}})
	require.NoError(t, err)
	n, ok, err := q.ApplyPrefix(t.Context(), source.Record{}, []byte(`{"b":1},`), 100, new(Output))
	assert.True(t, ok, "the value is known to end here, and to be corrupt")
	assert.Equal(t, 7, n)
	assert.Equal(t, fault.ClassCorrupt, fault.Of(err))
}

func TestValidate(t *testing.T) {
	got, err := apply(t, Validate{}, " {\"a\" : \"\\ud800\"}\n")
	require.NoError(t, err)
	assert.Equal(t, `{"a" : "\ud800"}`, got)
	got, err = apply(t, Validate{UTF8: ReplaceUTF8}, "\"\xff\"")
	require.NoError(t, err)
	assert.Equal(t, `"�"`, got)
	for _, bad := range []string{"", "{", "{}x", "nul", "\"\xff\"", "secret"} {
		_, err = apply(t, Validate{}, bad)
		require.Error(t, err, bad)
		assert.Equal(t, fault.ClassCorrupt, fault.Of(err), bad)
		assert.NotContains(t, err.Error(), "secret")
	}
	_, err = apply(t, Validate{MaxDepth: 1}, "[[]]")
	assert.ErrorContains(t, err, "nested too deep")

	var out Output
	require.NoError(t, Validate{}.Apply(t.Context(), source.Record{Data: []byte("{}"), Valid: true}, &out))
	assert.True(t, bytes.Equal(out.Value(0), []byte("{}")))
}
