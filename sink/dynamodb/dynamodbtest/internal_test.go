package dynamodbtest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// numbers draws numbers as clients may write them.
var numbers = rapid.Custom(func(t *rapid.T) string {
	s := rapid.StringMatching(`[+-]?[0-9]{1,20}(\.[0-9]{0,17})?`).Draw(t, "digits")
	if rapid.Bool().Draw(t, "exponent") {
		s += fmt.Sprintf("e%d", rapid.IntRange(-110, 100).Draw(t, "exponent"))
	}
	return s
})

func rational(t require.TestingT, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	require.True(t, ok, s)
	return r
}

// Numbers are what arithmetic says they are, in their form, their order and their
// sums.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := numbers.Draw(t, "x"), numbers.Draw(t, "y")
		a, err := canonical(x)
		require.Nil(t, err)
		b, err := canonical(y)
		require.Nil(t, err)
		require.Zero(t, rational(t, x).Cmp(rational(t, a)), "%s is not %s", x, a)
		again, err := canonical(a)
		require.Nil(t, err)
		require.Equal(t, a, again)
		require.Equal(t, rational(t, x).Cmp(rational(t, y)), compareNumbers(a, b), "%s and %s", a, b)
		for minus, want := range map[bool]*big.Rat{false: new(big.Rat).Add(rational(t, x), rational(t, y)), true: new(big.Rat).Sub(rational(t, x), rational(t, y))} {
			if sum, err := add(a, b, minus); err == nil {
				require.Zero(t, want.Cmp(rational(t, sum)), "%s, %s: %s", a, b, sum)
			} else {
				digits := strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(want.FloatString(260)), "0")
				require.Greater(t, len(digits), maxDigits, "%s, %s: %v", a, b, err)
			}
		}
	})
}

// documents draws attribute values of every kind.
func documents(depth int) *rapid.Generator[value] {
	return rapid.Custom(func(t *rapid.T) value {
		kinds := []kind{kindS, kindN, kindB, kindBool, kindNull, kindSS, kindNS, kindBS}
		if depth > 0 {
			kinds = append(kinds, kindM, kindL, kindM, kindL)
		}
		v := value{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		scalar := func(k kind) value {
			if k == kindN {
				n, _ := canonical(numbers.Draw(t, "number"))
				return value{kind: k, text: n}
			}
			return value{kind: k, text: rapid.String().Draw(t, "text")}
		}
		switch v.kind {
		case kindS, kindN, kindB:
			return scalar(v.kind)
		case kindBool:
			v.truth = rapid.Bool().Draw(t, "truth")
		case kindSS, kindNS, kindBS:
			v.elems = []value{scalar(v.kind.element())}
		case kindL:
			v.elems = rapid.SliceOfN(documents(depth-1), 0, 3).Draw(t, "elements")
		case kindM:
			v.attrs = members(depth-1).Draw(t, "members")
		}
		return v
	})
}

func members(depth int) *rapid.Generator[attrs] {
	return rapid.Custom(func(t *rapid.T) attrs {
		var out attrs
		for name, v := range rapid.MapOfN(rapid.StringN(1, 5, 20), documents(depth), 0, 4).Draw(t, "attributes") {
			out = out.with(name, v)
		}
		return out
	})
}

// What is packed is unpacked as it was, has the size that it had, and is the same
// through JSON.
func TestItemsArePackedAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := members(3).Draw(t, "item")
		it := pack(a)
		require.True(t, value{attrs: a}.equal(value{attrs: it.attrs()}))
		require.Equal(t, a.size(), it.size())
		require.Equal(t, it, pack(it.attrs()))

		text := a.appendJSON(nil)
		require.True(t, json.Valid(text))
		var d doc
		in, err := d.parse(string(text))
		require.NoError(t, err)
		b, bad := decodeAttrs(in)
		require.Nil(t, bad)
		require.Equal(t, it, pack(b))
	})
}

// The map in blocks is a map, in the order of its keys.
func TestBlocksAreAMapInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m blocks
		want := map[string]item{}
		key := func() string { return fmt.Sprintf("%04d", rapid.IntRange(0, 3000).Draw(t, "key")) }
		for n := range rapid.IntRange(0, 2500).Draw(t, "first") { // so that there are several blocks
			k := fmt.Sprintf("%04d", n*7%3001)
			m.put(k, "x")
			want[k] = "x"
		}
		for range rapid.IntRange(0, 200).Draw(t, "changes") {
			k := key()
			if rapid.Bool().Draw(t, "put") {
				m.put(k, item(k))
				want[k] = item(k)
			} else {
				m.remove(k)
				delete(want, k)
			}
			require.Equal(t, want[k], m.get(k))
		}
		if rapid.Bool().Draw(t, "emptied") {
			for k := range want {
				m.remove(k)
			}
			clear(want)
		}
		var all []string
		for k := range want {
			all = append(all, k)
		}
		slices.Sort(all)
		require.Equal(t, len(all), m.count)
		from, to := key(), key()
		var up, down []string
		for e := range m.between(from, to, false) {
			require.Equal(t, want[e.key], e.item)
			up = append(up, e.key)
		}
		for e := range m.between(from, to, true) {
			down = append(down, e.key)
		}
		var inside []string
		for _, k := range all {
			if from <= k && k < to {
				inside = append(inside, k)
			}
		}
		require.Equal(t, inside, up)
		slices.Reverse(down)
		require.Equal(t, inside, down)
	})
}

// FuzzJSON holds the parser against encoding/json: they take the same, but for bytes
// and escapes that are no text, which encoding/json replaces, and for depth.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":"x"}`, `"a\"\\\/\b\f\n\r\tA\u00e9\u6f22\ud83d\ude00"`, ` { "a" : [ 1, -2.5e3, true, false, null, {} ] , "b" : "é\n" } `, `"\ud800"`, `{"x":01}`, `1.`, `-`, `[]`, `{}}`, `"` + "\x01" + `"`, `[1,]`, `{"a":1,}`, `1e+5`, `1E5`, "0e\r0", `nul`, ``, `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d doc
		in, err := d.parse(s)
		if err != nil {
			if json.Valid([]byte(s)) {
				require.True(t, strings.Contains(s, `\u`) || strings.ToValidUTF8(s, "") != s || strings.Count(s, "[")+strings.Count(s, "{") >= maxDepth, "it refuses %q", s)
			}
			return
		}
		require.True(t, json.Valid([]byte(s)), "it takes %q", s)
		var want, got any
		if json.Unmarshal([]byte(s), &want) != nil {
			return // a number that is too large to compare
		}
		again := in.appendJSON(nil)
		require.NoError(t, json.Unmarshal(again, &got), "%s", again)
		if strings.Count(s, `"`) < 3 { // members of one name count otherwise
			require.Equal(t, want, got)
		}
	})
}

// FuzzExpressions parses anything as each kind of expression, and evaluates what is
// one.
func FuzzExpressions(f *testing.F) {
	for _, s := range []string{
		"a = :v AND NOT (b <> :v OR size(c) BETWEEN :v AND :w)", "attribute_exists(a.b[0]) AND begins_with(#n, :v)", "a IN (:v, :w)", "contains(a, :w)",
		"SET a = if_not_exists(b, :v) + :v, c[3] = list_append(c, :l) REMOVE d.e ADD f :v DELETE g :s", "a, b.c[1], #n", "a = :v AND begins_with(b, :w)", strings.Repeat("(", 500), strings.Repeat("NOT ", 500), "a[99999999999999999999]",
	} {
		f.Add(s)
	}
	item := attrs{{"a", value{kind: kindN, text: "1"}}, {"b", value{kind: kindL, elems: []value{{kind: kindS, text: "x"}}}}, {"c", value{kind: kindM, attrs: attrs{{"e", value{kind: kindNull}}}}}, {"g", value{kind: kindSS, elems: []value{{kind: kindS, text: "x"}}}}}
	s := &schema{keyAttr{"a", kindN}, keyAttr{"b", kindS}}
	f.Fuzz(func(t *testing.T, expression string) {
		body, err := json.Marshal(map[string]any{
			"ConditionExpression": expression, "UpdateExpression": expression, "ProjectionExpression": expression, "KeyConditionExpression": expression,
			"ExpressionAttributeNames":  map[string]string{"#n": "b"},
			"ExpressionAttributeValues": map[string]any{":v": map[string]string{"N": "1"}, ":w": map[string]string{"S": "x"}, ":l": map[string]any{"L": []any{}}, ":s": map[string]any{"SS": []string{"x"}}},
		})
		require.NoError(t, err)
		var d doc
		in, err := d.parse(string(body))
		require.NoError(t, err)
		p, bad := decodePlaceholders(in)
		require.Nil(t, bad)
		if c, _, err := p.condition(in, "ConditionExpression"); err == nil && c != nil {
			c.holds(item)
			c.holds(nil)
		}
		if u, err := p.update(in, &schema{keyAttr{"p", kindS}, keyAttr{}}); err == nil && u != nil {
			for _, old := range []attrs{item, nil} {
				before := pack(old)
				if next, err := u.apply(old); err == nil {
					require.Equal(t, next.size(), pack(next).size())
				}
				require.Equal(t, before, pack(old), "the item as it was is not changed")
			}
		}
		if paths, err := p.projection(in, s); err == nil {
			_ = show(item, paths)
		}
		_, _ = p.keyCondition(in, s)
	})
}
