package source_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/transform"
)

// show cuts data, the whole of an object, and prints what it finds.
func show(s *source.Splitter, data string) {
	for {
		t := s.Next([]byte(data), true)
		switch t.Kind {
		case source.TokenMore, source.TokenEnd: // everything was at hand: there is no more
			return
		case source.TokenRecord:
			fmt.Println("record ", data[t.Start:t.End])
		case source.TokenCorrupt:
			fmt.Printf("corrupt %s (%v)\n", data[t.Start:t.End], t.Err)
		}
		data = data[t.Advance:]
	}
}

func ExampleSplitter() {
	s, err := source.NewSplitter(source.Split{Preamble: transform.StripPreamble{}})
	if err != nil {
		panic(err)
	}
	show(s, `// exported 2026-01-02
{"id":1} {"id":2
{"id":3}
[{"id":4},{"id":oops},{"id":6}]`)
	// Output:
	// record  {"id":1}
	// corrupt {"id":2 (split: record at offset 32: no comma or } after an object member, at offset 40)
	// record  {"id":3}
	// record  {"id":4}
	// corrupt {"id":oops} (split: record at offset 59: unexpected byte where a JSON value must start, at offset 65)
	// record  {"id":6}
}

func ExampleSplit_records() {
	s, err := source.NewSplitter(source.Split{Records: "data.statuses"})
	if err != nil {
		panic(err)
	}
	show(s, `{"page":1,"data":{"count":2,"statuses":[{"id":1},{"id":2}]}}
{"page":2,"data":{"count":0}}
{"page":3,"data":{"statuses":[{"id":3}]}}`)
	// Output:
	// record  {"id":1}
	// record  {"id":2}
	// record  {"id":3}
}

// A stream is read into one buffer that grows where a record needs it to.
func ExampleSplitter_Next() {
	stream := strings.NewReader(`[{"id":1},{"id":2},{"text":"longer than the first buffer"}]`)
	s, err := source.NewSplitter(source.Split{MaxRecordBytes: 100})
	if err != nil {
		panic(err)
	}
	buf, start, atEOF := make([]byte, 0, 16), 0, false
	for {
		t := s.Next(buf[start:], atEOF)
		if t.Kind == source.TokenRecord {
			fmt.Printf("%s\n", buf[start+t.Start:start+t.End])
		}
		start += t.Advance
		if t.Kind == source.TokenEnd {
			break
		}
		if t.Kind != source.TokenMore {
			continue
		}
		buf, start = buf[:copy(buf, buf[start:])], 0
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*cap(buf), s.MaxBuffer())), buf...)
		}
		n, err := stream.Read(buf[len(buf):cap(buf)])
		if err != nil && err != io.EOF {
			panic(err)
		}
		buf, atEOF = buf[:len(buf)+n], err == io.EOF
	}
	// Output:
	// {"id":1}
	// {"id":2}
	// {"text":"longer than the first buffer"}
}

// A caller that validates while it transforms needs no scan before.
func ExampleSplitter_AtValue() {
	s, err := source.NewSplitter(source.Split{})
	if err != nil {
		panic(err)
	}
	project := transform.MustProject("id")
	var out transform.Output
	data := []byte(` {"id":1,"text":"x"}`)
	if start, end, ok := s.AtValue(data, true); ok {
		rec := source.Record{Offset: s.Offset() + int64(start)}
		n, ok, err := project.ApplyPrefix(context.Background(), rec, data[start:end], 100, &out)
		if err != nil || !ok {
			panic("s.Next would tell what is wrong")
		}
		t, _ := s.Took(n)
		fmt.Printf("%s gives %s\n", data[t.Start:t.End], out.Value(0))
	}
	// Output: {"id":1,"text":"x"} gives {"id":1}
}

// A splitter goes on where another stood at the same offset.
func ExampleSplitter_Resume() {
	data := `[{"id":1},{"id":2},{"id":3}]`
	first, err := source.NewSplitter(source.Split{})
	if err != nil {
		panic(err)
	}
	first.Next([]byte(data), true)
	state, offset := first.State(), first.Offset()

	second, err := source.NewSplitter(source.Split{})
	if err != nil {
		panic(err)
	}
	if err := second.Resume(state, offset); err != nil {
		panic(err)
	}
	show(second, data[offset:])
	// Output:
	// record  {"id":2}
	// record  {"id":3}
}

func ExampleObject_Identity() {
	o := source.Object{Key: "a.json", Size: 1200, ModTime: time.Unix(1, 0)}
	fmt.Println(o.Identity())
	o.Version = "etag"
	fmt.Println(o.Identity())
	// Output:
	// 4b0-3b9aca00
	// etag
}
