package transform

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
)

func TestParseFields(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []Field
	}{
		{"id", []Field{{Name: "id", Path: "id"}}},
		{"id,user=user.screen_name,tags=entities.hashtags.#.text", []Field{
			{Name: "id", Path: "id"}, {Name: "user", Path: "user.screen_name"}, {Name: "tags", Path: "entities.hashtags.#.text"},
		}},
		{" a.b.c ,\n x = y.0 ", []Field{{Name: "c", Path: "a.b.c"}, {Name: "x", Path: "y.0"}}},
		{`a.b\.c,d\,e`, []Field{{Name: "b.c", Path: `a.b\.c`}, {Name: "d,e", Path: `d\,e`}}},
		{`f=a.#(b=="x,y").c,g={a,"n":b},h=[a,b]`, []Field{{Name: "f", Path: `a.#(b=="x,y").c`}, {Name: "g", Path: `{a,"n":b}`}, {Name: "h", Path: "[a,b]"}}},
		{`a.#(b=="]").c,d`, []Field{{Name: "c", Path: `a.#(b=="]").c`}, {Name: "d", Path: "d"}}},
		{`p=a.@pretty:{"indent":"a,b"}|0,q=!"x,y"`, []Field{{Name: "p", Path: `a.@pretty:{"indent":"a,b"}|0`}, {Name: "q", Path: `!"x,y"`}}},
		{`a"b,c"`, []Field{{Name: `a"b`, Path: `a"b`}, {Name: `c"`, Path: `c"`}}},
		{"a=b=c", []Field{{Name: "a", Path: "b=c"}}},
		{`a\=b`, []Field{{Name: "a=b", Path: `a\=b`}}},
		{"a.0", []Field{{Name: "0", Path: "a.0"}}},
		{"a|b", []Field{{Name: "b", Path: "a|b"}}},
	} {
		got, err := ParseFields(c.in)
		require.NoError(t, err, c.in)
		assert.Equal(t, c.want, got, c.in)
	}
}

// All mistakes are reported at once, each with its field.
func TestMistakesInFields(t *testing.T) {
	_, err := ParseFields("id,,a.#,=x,y=,id=z,a.#(b==1),w*,c=a.#(b")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "bracket without its partner")

	_, err = ParseFields("id,,a.#,=x,y=,id=z,a.#(b==1),w*,a.@keys")
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{
		"field 2 (\"\"): it is empty",
		"field 3 (\"a.#\"): its last part is no name",
		"field 4 (\"=x\"): no name before the equals sign",
		"field 5 (\"y=\"): no path behind the equals sign",
		"field 6 (\"id\"): the name is taken by field 1",
		"field 7 (\"a.#(b==1)\"): its last part is no name",
		"field 8 (\"w*\"): its last part is no name",
		"field 9 (\"a.@keys\"): its last part is no name",
	} {
		require.Less(t, i, len(lines))
		assert.Contains(t, lines[i], want)
	}
	assert.Len(t, lines, 8)

	_, err = Project()
	assert.ErrorContains(t, err, "no fields")
	_, err = Project(`a=b.#(c=="d)`)
	assert.ErrorContains(t, err, "a quote without its partner")
	assert.Panics(t, func() { MustProject("") })

	_, err = ProjectFields([]Field{{Name: "a"}, {Path: "b"}, {Name: "c", Path: "c", Missing: 9}, {Name: "c", Path: "d.#(e"}, {Name: "\xff", Path: "\xff"}})
	require.Error(t, err)
	for _, want := range []string{
		`field 1 ("a"): no path`, `field 2 (""): no name`, `field 3 ("c"): unknown policy 9`,
		`field 4 ("c"): the name is taken by field 3`, `field 4 ("c"): path "d.#(e": a bracket`, `the name is not UTF-8`, `the path is not UTF-8`,
	} {
		assert.ErrorContains(t, err, want)
	}
	_, err = ProjectFields([]Field{{Name: "a", Path: "b)"}})
	assert.NoError(t, err, "a bracket in a plain name needs no partner")
}

func FuzzParseFields(f *testing.F) {
	f.Add(`id,user=user.screen_name,tags=entities.hashtags.#.text`)
	f.Add(`f=a.#(b=="x,y").c,g={a,"n":b},h=[a,b]`)
	f.Add(`a\,b,"c`)
	f.Fuzz(func(t *testing.T, list string) {
		fields, err := ParseFields(list)
		if err != nil {
			return
		}
		p, err := ProjectFields(fields)
		require.NoError(t, err, "what parses is a projection")
		var out Output
		if err := p.Apply(t.Context(), source.Record{Data: []byte(`{"id":[1,{"a":"b"}],"user":{"screen_name":null}}`)}, &out); err != nil {
			require.Equal(t, fault.ClassCorrupt, fault.Of(err))
		}
	})
}
