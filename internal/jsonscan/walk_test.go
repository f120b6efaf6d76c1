package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wantedTree has names that the seeds have, at several depths; each that ends
// in an exclamation mark is wanted whole.
func wantedTree() *Tree {
	root := new(Tree)
	id := 0
	add := func(t *Tree, name string, whole bool) *Tree {
		id++
		c := t.Add(name, id)
		c.Whole = whole
		return c
	}
	for _, name := range []string{"id", "", "text", "aaaaaaaaaa", "a name that is longer than two words", "\u00e9"} {
		add(root, name, true)
	}
	for t, depth := add(root, "a", false), 0; depth < 70; depth++ {
		add(t, "b", true)
		add(t, "id", false)
		t = add(t, "a", depth%9 == 8)
	}
	add(add(root, "n", true), "a", true)
	// Arrays in arrays are walked through, too.
	for t, depth := add(root, "e", false), 0; depth < 40; depth++ {
		t.Each = add(t, "#", false)
		t = t.Each
		add(t, "b", true)
		add(add(t, "a", false), "b", true)
		t = add(t, "e", false)
	}
	return root
}

// recorder is a [Walker] that keeps what it is told.
type recorder struct {
	t         *testing.T
	maxDepth  int // of the walk
	data      []byte
	told      []string
	validUTF8 bool
	err       error // of a container
}

func (r *recorder) Unescape(raw []byte) []byte {
	var name string
	if err := json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &name); err != nil {
		panic(err)
	}
	return []byte(name)
}

func (r *recorder) Scalar(t *Tree, start, end int) {
	r.told = append(r.told, fmt.Sprintf("%d scalar %s", t.ID, r.data[start:end]))
}

func (r *recorder) Begin(each *Tree) bool {
	if each.ID%5 == 4 {
		return false
	}
	r.told = append(r.told, fmt.Sprintf("%d begin", each.ID))
	return true
}

func (r *recorder) Element(each *Tree) { r.told = append(r.told, fmt.Sprintf("%d element", each.ID)) }
func (r *recorder) End(each *Tree)     { r.told = append(r.told, fmt.Sprintf("%d end", each.ID)) }

func (r *recorder) Container(t *Tree, i, maxDepth int) int {
	end, validUTF8, err := Text(r.data, i, maxDepth)
	if err != nil {
		r.err = err
		return -1
	}
	r.validUTF8 = r.validUTF8 && validUTF8
	if walked := walkedThrough(r.t, r.data[i:end], t); walked != nil {
		require.Greater(r.t, r.maxDepth-maxDepth, 50, "%q is left to the walker", r.data[i:end])
		r.told = append(r.told, walked...)
		return end
	}
	r.told = append(r.told, fmt.Sprintf("%d container %s", t.ID, r.data[i:end]))
	return end
}

// agreeOnWalk fails unless a walk through the object at data[i] ends as Value
// does, with the error want, and tells of the members that encoding/json sees.
func agreeOnWalk(t *testing.T, data []byte, i int, want error) {
	t.Helper()
	tree := wantedTree()
	r := &recorder{t: t, maxDepth: 10_000, data: data, validUTF8: true}
	end, validUTF8, err := Walk(data, i, r.maxDepth, tree, r)
	if errors.Is(err, ErrWalker) {
		err = r.err
	}
	require.Equal(t, want, err, "%q", data)
	if err != nil {
		return
	}
	valueEnd, err := Value(data, i, 10_000)
	require.NoError(t, err)
	require.Equal(t, valueEnd, end, "%q", data)
	require.Equal(t, utf8.Valid(data[i:end]), validUTF8 && r.validUTF8, "%q", data)
	require.Equal(t, membersOf(t, data[i:end], tree), r.told, "%q", data)
}

// membersOf returns what a walk should tell of an object, as encoding/json
// reads it.
func membersOf(t *testing.T, object []byte, tree *Tree) (told []string) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(object))
	_, err := dec.Token()
	require.NoError(t, err)
	for dec.More() {
		name, err := dec.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))

		var wanted *Tree
		for _, c := range tree.children {
			// Unlike encoding/json, the scanner leaves invalid UTF-8 as it is.
			if c.name == name {
				wanted = c
			}
		}
		switch {
		case wanted == nil:
		case value[0] != '{' && value[0] != '[':
			told = append(told, fmt.Sprintf("%d scalar %s", wanted.ID, value))
		default:
			walked := walkedThrough(t, value, wanted)
			if walked == nil {
				walked = []string{fmt.Sprintf("%d container %s", wanted.ID, value)}
			}
			told = append(told, walked...)
		}
	}
	return told
}

// walkedThrough returns what a walk should tell of the insides of an object or
// array. It is nil for one that is left to the walker.
func walkedThrough(t *testing.T, value []byte, wanted *Tree) []string {
	t.Helper()
	switch {
	case wanted.Whole || SkipSpace(value, 1) == len(value)-1:
		return nil
	case value[0] == '{' && len(wanted.children) > 0:
		return append([]string{}, membersOf(t, value, wanted)...)
	case value[0] == '[' && wanted.Each != nil && wanted.Each.ID%5 != 4:
		return elementsOf(t, value, wanted.Each)
	}
	return nil
}

// elementsOf is membersOf for an array that is walked through.
func elementsOf(t *testing.T, array []byte, each *Tree) []string {
	t.Helper()
	told := []string{fmt.Sprintf("%d begin", each.ID)}
	var elements []json.RawMessage
	require.NoError(t, json.Unmarshal(array, &elements))
	for _, e := range elements {
		if e[0] == '{' && SkipSpace(e, 1) != len(e)-1 {
			told = append(told, membersOf(t, e, each)...)
			told = append(told, fmt.Sprintf("%d element", each.ID))
		}
	}
	return append(told, fmt.Sprintf("%d end", each.ID))
}

func TestWalk(t *testing.T) {
	for _, text := range []string{
		`{"id":1,"x":{"id":2,"a":{"b":3}},"a":{"b":4,"x":[{"b":5}],"id":{"b":6},"a":{"b":[7],"id":8}},"b":9,"id":10,"text":"eleven"}`,
		`{"a":{},"a":{"b":1},"a":[{"b":2}],"a":null,"a":{"b":3,"b":4}}`,
		`{"":1,"\u0069d":2,"i\u0064":[3],"aaaaaaaaaa":4,"aaaaaaaaab":5,"a name that is longer than two words":6,"a name that is longer than two wordz":7,"é":8}`,
		`{"e":[{"b":1,"a":{"b":2},"e":[{"b":3},{"e":[{"b":4}]}]},5,"b",[{"b":6}],{},{"x":{"b":7}},{"b":{"b":8},"b":[9]}],"e":[],"e":{"#":{"b":10}},"id":11}`,
		` { "e" : [ { "b" : 1 , "e" : [ { } , { "b" : 2 } ] } , [ ] , { "e" : [ ] } ] , "a" : { "e" : [ { "b" : 3 } ] } } `,
		` {  "a" : { "x" : 1 , "b" : [ 1 ] , "id" : true } , "id" : "x" , "n" : { "a" : 1 } } `,
	} {
		agree(t, []byte(text))
	}
}

// What is wanted may lie deeper than a scanner's stack reaches.
func TestWalkGoesDeep(t *testing.T) {
	for depth := range 80 {
		text := bytes.Repeat([]byte(`{"x":0,"a":`), depth)
		text = append(text, `{"b":"here","id":[1]}`...)
		text = append(text, bytes.Repeat([]byte(`,"id":2}`), depth)...)
		agree(t, text)

		text = bytes.Repeat([]byte(`{"x":[0],"e":[null,`), depth)
		text = append(text, `{"b":"here","a":{"b":[1]}}`...)
		text = append(text, bytes.Repeat([]byte(`,{"b":2}],"id":3}`), depth)...)
		agree(t, text)
	}
}

func TestWalkObeysDepth(t *testing.T) {
	tree := wantedTree()
	for _, text := range []string{`{"a":{"a":{"b":1}}}`, `{"a":{"a":{"b":{}}}}`, `{"a":{"x":{}}}`, `{"a":[{}]}`, `{"a":{}}`, `{"e":[{"b":1}]}`, `{"e":[{"e":[1]}]}`, `{}`} {
		for limit := range 5 {
			r := &recorder{t: t, maxDepth: limit + 100, data: []byte(text)}
			_, _, err := Walk(r.data, 0, limit, tree, r)
			if errors.Is(err, ErrWalker) {
				err = r.err
			}
			_, want := Value(r.data, 0, limit)
			assert.Equal(t, want, err, "%s at most %d deep", text, limit)
		}
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	tree := new(Tree)
	tree.Add("a", 1).Add("b", 2)
	var w Walker = silent{}
	data := []byte(`{"x":"an unwanted one","a":{"b":"a wanted one","x":[1.5,2]},"y":null}`)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := Walk(data, 0, 10, tree, w); err != nil {
			t.Error(err)
		}
	}))
}

// silent is a [Walker] that does nothing.
type silent struct{}

func (silent) Unescape(raw []byte) []byte { return raw }
func (silent) Scalar(*Tree, int, int)     {}
func (silent) Begin(*Tree) bool           { return true }
func (silent) Element(*Tree)              {}
func (silent) End(*Tree)                  {}
func (silent) Container(*Tree, int, int) int {
	return -1
}
