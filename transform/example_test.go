package transform_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// show prints what t makes of one record.
func show(t transform.Transform, data string) {
	var out transform.Output
	if err := t.Apply(context.Background(), source.Record{Data: []byte(data)}, &out); err != nil {
		fmt.Printf("%s: %v\n", fault.Of(err), err)
		return
	}
	if out.Len() == 0 {
		fmt.Println("dropped")
	}
	for i := range out.Len() {
		fmt.Printf("%s\n", out.Value(i))
	}
}

const tweet = `{"id":1068574316932927488,"user":{"screen_name":"ada","lang":null},"entities":{"hashtags":[{"text":"go"},{"text":"sqs"}]}}`

func ExampleProject() {
	t, err := transform.Project("id", "user=user.screen_name", "tags=entities.hashtags.#.text")
	if err != nil {
		fmt.Println(err)
		return
	}
	show(t, tweet)
	show(t, `{"id":1.50}`)
	show(t, `{"id":1`)
	// Output:
	// {"id":1068574316932927488,"user":"ada","tags":["go","sqs"]}
	// {"id":1.50}
	// corrupt: project: invalid JSON: unexpected end of JSON
}

func ExampleMustProject() {
	show(transform.MustProject("id", `tags=entities.hashtags.#(text%"s*")#.text`), tweet)
	// Output: {"id":1068574316932927488,"tags":["sqs"]}
}

func ExampleProjectFields() {
	t, err := transform.ProjectFields([]transform.Field{
		{Name: "id", Path: "id", Missing: transform.MissingCorrupt},
		{Name: "lang", Path: "user.lang", Missing: transform.MissingNull},
		{Name: "place", Path: "place.name", Missing: transform.MissingOmit},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	show(t, `{"id":1}`)
	show(t, `{"user":{"lang":"en"}}`)
	// Output:
	// {"id":1,"lang":null}
	// corrupt: project: field "id" is missing
}

func ExampleParseFields() {
	fields, err := transform.ParseFields(`id, user=user.screen_name, first=tags.#(rank==1).text`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range fields {
		fmt.Println(f.Name, "<-", f.Path)
	}
	_, err = transform.ParseFields("id,tags.#,id=x")
	fmt.Println(err)
	// Output:
	// id <- id
	// user <- user.screen_name
	// first <- tags.#(rank==1).text
	// field 2 ("tags.#"): its last part is no name: write name=path
	// field 3 ("id"): the name is taken by field 1
}

func ExampleChain() {
	t := transform.Chain(
		transform.StripPreamble{},
		transform.MustProject("id", "lang"),
		transform.Filter(func(rec source.Record) bool { return bytes.Contains(rec.Data, []byte(`"lang":"en"`)) }),
	)
	show(t, "// exported {today}\n"+`{"id":1,"lang":"en","text":"…"}`)
	show(t, `{"id":2,"lang":"de"}`)
	// Output:
	// {"id":1,"lang":"en"}
	// dropped
}

func ExampleMap() {
	wrap := transform.Map(func(_ context.Context, dst []byte, rec source.Record) ([]byte, error) {
		dst = append(dst, `{"offset":`...)
		dst = fmt.Append(dst, rec.Offset)
		dst = append(dst, `,"record":`...)
		return append(append(dst, rec.Data...), '}'), nil
	})
	show(wrap, `{"id":1}`)
	// Output: {"offset":0,"record":{"id":1}}
}

func ExampleFilter() {
	long := transform.Filter(func(rec source.Record) bool { return len(rec.Data) > 4 })
	show(long, `[]`)
	show(long, `[1,2,3]`)
	// Output:
	// dropped
	// [1,2,3]
}

func ExampleStripPreamble() {
	show(transform.StripPreamble{}, "/* {\"not\":\"this\"} */\nDump of {feed}\n# see [1]\n{\"id\":1}")
	show(transform.StripPreamble{}, "while(1);[1,2]")
	// Output:
	// {"id":1}
	// [1,2]
}

func ExampleStripPreamble_Skip() {
	object := []byte("// comment\n{\"id\":1}\n{\"id\":2}\n")
	n, ok := transform.StripPreamble{}.Skip(object, true)
	fmt.Println(n, ok)
	_, ok = transform.StripPreamble{}.Skip(object[:5], false)
	fmt.Println(ok)
	// Output:
	// 11 true
	// false
}

func ExampleValidate() {
	show(transform.Validate{}, `{"id" : 1.50}`)
	show(transform.Validate{MaxDepth: 2}, `[[[]]]`)
	show(transform.Validate{}, "\"\xff\"")
	show(transform.Validate{UTF8: transform.ReplaceUTF8}, "\"\xff\"")
	// Output:
	// {"id" : 1.50}
	// corrupt: validate: invalid JSON: JSON nested too deep
	// corrupt: validate: invalid UTF-8
	// "�"
}

func ExampleFunc() {
	split := transform.Func(func(_ context.Context, rec source.Record, out *transform.Output) error {
		for part := range bytes.SplitSeq(rec.Data, []byte(" ")) {
			if len(part) > 3 {
				return fault.Corruptf("part of %d bytes", len(part))
			}
			out.Emit(part)
		}
		return nil
	})
	show(split, "1 2")
	show(split, "1 2345")
	// Output:
	// 1
	// 2
	// corrupt: part of 4 bytes
}

func ExampleOutput() {
	var out transform.Output
	out.WriteString("one")
	out.End()
	mark := out.Mark()
	out.Emit([]byte("two"))
	out.Rollback(mark)
	out.SetBuffer(fmt.Append(out.Buffer(), 3))
	out.End()
	for i := range out.Len() {
		fmt.Printf("%s\n", out.Value(i))
	}
	// Output:
	// one
	// 3
}
