package csv_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/dir"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// over returns a source of one object.
func over(t testing.TB, cfg csv.Config, text string) (source.Source, *sourcetest.Memory) {
	m := sourcetest.NewMemory(map[string]string{"a.csv": text})
	s, err := csv.New(m, cfg)
	require.NoError(t, err)
	return s, m
}

func read(s source.Source, key string) (string, source.Object, error) {
	r, found, err := s.Open(context.Background(), source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return "", found, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), found, err
}

// lines returns what comes of a text, one line for each row, flaws as
// "! reason: text". Both ways of reading must agree.
func lines(t testing.TB, cfg csv.Config, text string) []string {
	s, _ := over(t, cfg, text)
	got, _, err := read(s, "a.csv")
	require.NoError(t, err)
	small, _, err := s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: "a.csv", Size: -1}, []byte("x"), 1<<20)
	require.NoError(t, err)
	require.Equal(t, "x"+got, string(small))
	return records(t, got)
}

// records returns what the splitter makes of a stream.
func records(t testing.TB, stream string) []string {
	split, err := source.NewSplitter(source.Split{Format: source.FormatLines})
	require.NoError(t, err)
	out := []string{}
	for data := []byte(stream); ; {
		tok := split.Next(data, true)
		piece := data[tok.Start:tok.End]
		data = data[tok.Advance:]
		switch tok.Kind {
		case source.TokenEnd:
			return out
		case source.TokenRecord:
			out = append(out, string(piece))
		case source.TokenCorrupt:
			require.True(t, source.IsFlaw(tok.Err), "%v: %q", tok.Err, piece)
			_, reason, _ := strings.Cut(tok.Err.Error(), ": csv: ")
			out = append(out, "! "+reason+": "+string(source.AppendFlawText(nil, piece)))
		default:
			t.Fatalf("asks for more than there is: %+v", tok)
		}
	}
}

func TestRows(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  csv.Config
		in   string
		want []string
	}{
		"plain":            {in: "id,name\n1,a\n2,b", want: []string{`{"id":"1","name":"a"}`, `{"id":"2","name":"b"}`}},
		"nothing":          {in: "", want: []string{}},
		"header alone":     {in: "id,name\n", want: []string{}},
		"carriage returns": {in: "id,name\r\n1,a\r\n\r\n2,b\r\n", want: []string{`{"id":"1","name":"a"}`, `{"id":"2","name":"b"}`}},
		"byte order mark":  {in: "\ufeffid\n1\n", want: []string{`{"id":"1"}`}},
		"mark and quotes":  {in: "\ufeff\"id\"\n1\n", want: []string{`{"id":"1"}`}},
		"quotes":           {in: "id,\"the \"\"name\"\"\"\n1,\"a,b\r\nc\"\n2,\"\"\n", want: []string{`{"id":"1","the \"name\"":"a,b\r\nc"}`, `{"id":"2","the \"name\"":""}`}},
		"what JSON escapes": {in: "a\n\\\n\x01\n\t|\né\n\x7f\n", want: []string{
			`{"a":"\\"}`, `{"a":"\u0001"}`, `{"a":"\t|"}`, `{"a":"é"}`, "{\"a\":\"\x7f\"}"}},
		"one bad row": {in: "id,name\n1,a\n2\n3,c\n4,d,e\n\"5\"x,e\nf\"6,f\n7,g\n", want: []string{
			`{"id":"1","name":"a"}`, "! row 2: 1 fields, not 2: 2", `{"id":"3","name":"c"}`, "! row 4: 3 fields, not 2: 4,d,e",
			"! row 5: text behind a quoted field: \"5\"x,e", "! row 6: quote in a field that does not begin with one: f\"6,f", `{"id":"7","name":"g"}`}},
		"bad row over lines": {in: "id,name\n1,\"a\nb\",c\n2,b\n", want: []string{"! row 1: 3 fields, not 2: 1,\"a\nb\",c", `{"id":"2","name":"b"}`}},
		"quote not closed":   {in: "id\n1\n\"2\n3\n4\n", want: []string{`{"id":"1"}`, "! row 2: quoted field is not closed: \"2\n3\n4\n"}},
		"not closed in a line": {csv.Config{SingleLine: true}, "id\n1\n\"2\n3\n4\n", []string{
			`{"id":"1"}`, "! row 2: quoted field is not closed: \"2", `{"id":"3"}`, `{"id":"4"}`}},
		"no UTF-8":        {in: "id,name\n1,\xff\n2,b\n", want: []string{"! row 1: field 2: not UTF-8: 1,\xff", `{"id":"2","name":"b"}`}},
		"UTF-8 replaced":  {csv.Config{UTF8: csv.ReplaceUTF8}, "n\xff\n1\xff\n", []string{`{"n�":"1�"}`}},
		"a NUL":           {in: "id\na\x00b\n\"\x00\"x\n", want: []string{`{"id":"a\u0000b"}`, "! row 2: text behind a quoted field: \"\x00\"x"}},
		"tabs":            {csv.Config{Comma: '\t'}, "a\tb\n1,2\t3\n", []string{`{"a":"1,2","b":"3"}`}},
		"a rune":          {csv.Config{Comma: '│'}, "a│b\n1│\"2│\"\n", []string{`{"a":"1","b":"2│"}`}},
		"no quotes":       {csv.Config{NoQuotes: true}, "a,b\n\"1,2\"\n", []string{`{"a":"\"1","b":"2\""}`}},
		"lazy quotes":     {csv.Config{LazyQuotes: true}, "a,b\nx\"y,\"p\"q\"\n", []string{`{"a":"x\"y","b":"p\"q"}`}},
		"comments":        {csv.Config{Comment: '#'}, "#x\na\n# a,b,c\n1\n", []string{`{"a":"1"}`}},
		"space":           {csv.Config{TrimSpace: true}, " a ,\"b\" \n 1\t,  \" 2 \"  \n , \n", []string{`{"a":"1","b":" 2 "}`, `{"a":"","b":""}`}},
		"names":           {csv.Config{Names: []string{"x", "y"}}, "1,2\n", []string{`{"x":"1","y":"2"}`}},
		"names instead":   {csv.Config{Names: []string{"x", "y"}, Header: csv.HeaderSkip}, "a,b\n1,2\n", []string{`{"x":"1","y":"2"}`}},
		"no names":        {csv.Config{Header: csv.HeaderNone}, "1,2\n3\n", []string{`{"c1":"1","c2":"2"}`, "! row 2: 1 fields, not 2: 3"}},
		"no names, skip":  {csv.Config{Header: csv.HeaderSkip}, "h\n1,2\n", []string{`{"c1":"1","c2":"2"}`}},
		"made unique":     {csv.Config{UniqueNames: true}, "a,,a,a_2,a,c2\n1,2,3,4,5,6\n", []string{`{"a":"1","c3":"2","a_3":"3","a_2":"4","a_4":"5","c2":"6"}`}},
		"missing null":    {csv.Config{Missing: csv.MissingNull}, "a,b,c\n1\n", []string{`{"a":"1","b":null,"c":null}`}},
		"missing omitted": {csv.Config{Missing: csv.MissingOmit}, "a,b,c\n1,2\n", []string{`{"a":"1","b":"2"}`}},
		"extra":           {csv.Config{Extra: "more"}, "a\n1\n2,3,\"\"\"\"\n", []string{`{"a":"1"}`, `{"a":"2","more":["3","\""]}`}},
		"extra, no UTF-8": {csv.Config{Extra: "more"}, "a\n2,3,\xff\n", []string{"! row 1: field 3: not UTF-8: 2,3,\xff"}},
		"empty null":      {csv.Config{Empty: csv.EmptyNull}, "a,b\n,\"\"\n", []string{`{"a":null,"b":null}`}},
		"empty omitted":   {csv.Config{Empty: csv.EmptyOmit}, "a,b\n,\n1,\n,2\n", []string{`{}`, `{"a":"1"}`, `{"b":"2"}`}},
		"numbers": {csv.Config{Type: csv.TypeNumber}, "n\n-1.50e+9\n12345678901234567890123\n\"7\"\n01\n1_0\n\"\"\n", []string{
			`{"n":-1.50e+9}`, `{"n":12345678901234567890123}`, `{"n":7}`, "! row 4: field 1: not a number: 01", "! row 5: field 1: not a number: 1_0", `{"n":null}`}},
		"bools": {csv.Config{Type: csv.TypeBool}, "b\ntrue\nFALSE\nT\n0\nyes\n", []string{
			`{"b":true}`, `{"b":false}`, `{"b":true}`, `{"b":false}`, "! row 5: field 1: neither true nor false: yes"}},
		"auto": {csv.Config{Type: csv.TypeAuto}, "a\n1\n\"1\"\n007\ntrue\nTrue\nnull\n\"\"\n", []string{
			`{"a":1}`, `{"a":"1"}`, `{"a":"007"}`, `{"a":true}`, `{"a":"True"}`, `{"a":"null"}`, `{"a":""}`}},
		"chosen": {csv.Config{Columns: []csv.Column{{Name: "c", As: "see", Type: csv.TypeNumber}, {Name: "a"}, {Name: "x", Optional: true}}, Missing: csv.MissingNull},
			"a,b,b,c\n1,2,3,4\n5\n", []string{`{"see":4,"a":"1","x":null}`, `{"see":null,"a":"5","x":null}`}},
		"chosen before others": {csv.Config{Columns: []csv.Column{{Name: "c", Type: csv.TypeNumber}}, Others: true}, "a,b,c\n1,2,3\n", []string{`{"c":3,"a":"1","b":"2"}`}},
		"row numbers":          {csv.Config{RowNumber: "row"}, "a\nx\n1,2\ny\n", []string{`{"row":1,"a":"x"}`, "! row 2: 2 fields, not 1: 1,2", `{"row":3,"a":"y"}`}},
		"too many rows":        {csv.Config{MaxRows: 2}, "a\n1\n2\n3\n4\n", []string{`{"a":"1"}`, `{"a":"2"}`, "! row 3: more than 2 rows: what follows is not read: "}},
		"just enough rows":     {csv.Config{MaxRows: 2}, "a\n1\n2\n\n", []string{`{"a":"1"}`, `{"a":"2"}`}},
		"too long a row": {csv.Config{MaxRowBytes: 5}, "a\n12345\n123456\n\"a\nbcdefg\"\nx\n", []string{
			`{"a":"12345"}`, "! row 2: longer than 5 bytes: 123456", "! row 3: longer than 5 bytes: \"a\nbcdefg\"", `{"a":"x"}`}},
		"too many fields": {csv.Config{MaxColumns: 2, Extra: "e"}, "a\n1,2\n1,2,3\n\"1\",2,3\n4\n", []string{
			`{"a":"1","e":["2"]}`, "! row 2: more than 2 fields: 1,2,3", "! row 3: more than 2 fields: \"1\",2,3", `{"a":"4"}`}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, lines(t, c.cfg, c.in)) })
	}
}

func TestCharsets(t *testing.T) {
	const text = "náme,b\r\n\"ü\n\",x\r\n"
	want := []string{`{"náme":"ü\n","b":"x"}`}
	latin, err := charmap.ISO8859_1.NewEncoder().String(text)
	require.NoError(t, err)
	assert.Equal(t, want, lines(t, csv.Config{Charset: csv.Latin1}, latin))
	assert.Equal(t, want, lines(t, csv.Config{Charset: csv.Windows1252}, latin))
	assert.Equal(t, []string{`{"a":"€"}`}, lines(t, csv.Config{Charset: csv.Windows1252}, "a\n\x80\n"))
	for charset, e := range map[csv.Charset]unicode.Endianness{csv.UTF16LE: unicode.LittleEndian, csv.UTF16BE: unicode.BigEndian} {
		for _, mark := range []string{"", "\ufeff"} {
			wide, err := unicode.UTF16(e, unicode.IgnoreBOM).NewEncoder().String(mark + text)
			require.NoError(t, err)
			assert.Equal(t, want, lines(t, csv.Config{Charset: charset}, wide))
			if mark != "" || e == unicode.LittleEndian {
				assert.Equal(t, want, lines(t, csv.Config{Charset: csv.UTF16}, wide))
			}
		}
	}
}

// An object whose columns cannot be told is corrupt as a whole, and the error
// holds nothing of it.
func TestHeadersAtFault(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  csv.Config
		in   string
		says string
	}{
		"twice":            {in: "secret,b,secret\n1,2,3\n", says: "column 3 has the name of another column, 1"},
		"empty":            {in: "secret,,c\n1,2,3\n", says: "column 2 has no name"},
		"flawed":           {in: "secret\"\n1\n", says: "quote in a field"},
		"not UTF-8":        {in: "secret,\xff\n1\n", says: "column 2: not UTF-8"},
		"too long":         {csv.Config{MaxRowBytes: 3}, "secret\n1\n", "longer than 3 bytes"},
		"not there":        {csv.Config{Columns: []csv.Column{{Name: "x"}}}, "secret\n1\n", `there is no column "x"`},
		"not told":         {csv.Config{Columns: []csv.Column{{Name: "x"}}}, "secret,x,x\n1\n", `column "x" is there more than once`},
		"another member's": {csv.Config{Extra: "secret"}, "a,secret\n1\n", "column 2 has the name of another member"},
		"not in the row":   {csv.Config{Header: csv.HeaderNone, Columns: []csv.Column{{Name: "c3"}}}, "secret,2\n", `there is no column "c3"`},
	} {
		s, _ := over(t, c.cfg, c.in)
		got, _, err := read(s, "a.csv")
		assert.Empty(t, got, name)
		require.Error(t, err, name)
		assert.True(t, fault.Is(err, fault.ClassCorrupt), name)
		assert.ErrorContains(t, err, c.says, name)
		assert.ErrorContains(t, err, `csv: read "a.csv": header: `, name)
		assert.NotContains(t, err.Error(), "secret", name)
		_, _, err = s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: "a.csv", Size: -1}, nil, 1<<20)
		assert.ErrorIs(t, err, source.ErrTooLarge, name)
	}
}

// A source is used for object after object: nothing of one shows in the next.
func TestObjectsHaveHeadersOfTheirOwn(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"1": "a,b\n1,2\n", "2": "b,a\n3,4\n", "3": "b,a\n5,6\n", "4": "b,b\n7,8\n", "5": "b,a\n9,\"", "6": "b,a\n10,11\n"})
	s, err := csv.New(m, csv.Config{})
	require.NoError(t, err)
	for key, want := range map[string]string{"1": `{"a":"1","b":"2"}`, "2": `{"b":"3","a":"4"}`, "3": `{"b":"5","a":"6"}`, "6": `{"b":"10","a":"11"}`} {
		got, _, err := read(s, key)
		require.NoError(t, err)
		assert.Equal(t, want+"\n", got)
		_, _, err = read(s, "4")
		require.Error(t, err)
		_, _, err = read(s, "5")
		require.NoError(t, err)
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := csv.New(nil, csv.Config{
		Match: []string{"["}, Comma: '"', Comment: '\n', NoQuotes: true, LazyQuotes: true, Header: "second", Names: []string{"a", "a", ""},
		Columns: []csv.Column{{Name: "x", As: "y"}, {Name: "x", As: "y", Type: "date"}}, Type: "int", Empty: "zero", Missing: "zero",
		Extra: "e", RowNumber: "e", Charset: "ebcdic", UTF8: "drop", MaxRowBytes: -1, MaxColumns: -1, MaxRows: -1,
	})
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	for _, field := range []string{
		"no source", "Match[0]", "Comma", "Comment", "LazyQuotes", "Header", "Names[1]", "Names[2]", "Columns[1].Name", "Columns[1].As", "Columns[1].Type",
		"Config.Type", "Empty", "Missing", "RowNumber", "Charset", "UTF8", "MaxRowBytes", "MaxColumns", "MaxRows",
	} {
		assert.ErrorContains(t, err, field)
	}
	for _, cfg := range []csv.Config{
		{Header: csv.HeaderFirst, Names: []string{"a"}}, {Others: true}, {Comma: '\t', TrimSpace: true}, {Comma: '#', Comment: '#'}, {Columns: []csv.Column{{Name: "a"}}, Extra: "a"},
	} {
		_, err := csv.New(&sourcetest.Memory{}, cfg)
		assert.Error(t, err, "%+v", cfg)
	}
	cfg := csv.Config{Columns: []csv.Column{{Name: "a"}}}
	_, err = csv.New(&sourcetest.Memory{}, cfg)
	require.NoError(t, err)
	assert.Equal(t, csv.Column{Name: "a"}, cfg.Columns[0], "the caller's configuration is changed")
}

// What does not match is passed on as it is.
func TestMatch(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"d/A.CSV": "a\n1\n", "b.json": "{}"})
	s, err := csv.New(m, csv.Config{Match: []string{"*.csv"}})
	require.NoError(t, err)
	got, found, err := read(s, "d/A.CSV")
	require.NoError(t, err)
	assert.Equal(t, "{\"a\":\"1\"}\n", got)
	assert.Regexp(t, "^csv-[0-9a-f]{8}$", found.Encoding)
	got, found, err = read(s, "b.json")
	require.NoError(t, err)
	assert.Equal(t, "{}", got)
	assert.Empty(t, found.Encoding)
	small, found, err := s.(source.SmallReader).ReadObject(t.Context(), source.Object{Key: "b.json", Size: -1}, nil, 10)
	require.NoError(t, err)
	assert.Equal(t, "{}", string(small))
	assert.Empty(t, found.Encoding)
}

// Streams that differ have other names, so that no checkpoint is taken for one of
// another stream.
func TestEncodingTellsStreamsApart(t *testing.T) {
	seen := map[string]csv.Config{}
	for _, cfg := range []csv.Config{{}, {Comma: ';'}, {Header: csv.HeaderNone}, {Names: []string{"ab"}}, {Names: []string{"a", "b"}}, {RowNumber: "x"}, {Extra: "x"}} {
		s, _ := over(t, cfg, "a\n1\n")
		_, found, err := read(s, "a.csv")
		require.NoError(t, err)
		assert.NotContains(t, seen, found.Encoding, "%+v", cfg)
		seen[found.Encoding] = cfg
	}
	s, _ := over(t, csv.Config{Match: []string{"*"}}, "a\n1\n")
	_, found, err := read(s, "a.csv")
	require.NoError(t, err)
	assert.Contains(t, seen, found.Encoding)
}

// The stream can be read from its beginning only, and as much of it as is asked
// for.
func TestOffsets(t *testing.T) {
	s, _ := over(t, csv.Config{}, "a\n1\n2\n")
	o := source.Object{Key: "a.csv", Size: -1}
	_, _, err := s.Open(t.Context(), o, 5, -1)
	assert.ErrorIs(t, err, source.ErrNoRange)
	r, _, err := s.Open(t.Context(), o, 0, 12)
	require.NoError(t, err)
	data, err := io.ReadAll(iotest.OneByteReader(r))
	require.NoError(t, err)
	assert.Equal(t, "{\"a\":\"1\"}\n{\"", string(data))
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrClosed)
}

// What is compressed is decompressed first, and the name tells both.
func TestCompressed(t *testing.T) {
	m := &sourcetest.Memory{}
	packed := gzipped(t, "a\n1\n"+strings.Repeat("2\n", 1000))
	m.Put("a.csv.gz", packed)
	m.Put("cut.csv.gz", packed[:len(packed)-9])
	inner, err := decompress.New(m, decompress.Config{})
	require.NoError(t, err)
	s, err := csv.New(inner, csv.Config{})
	require.NoError(t, err)
	got, found, err := read(s, "a.csv.gz")
	require.NoError(t, err)
	assert.Equal(t, "{\"a\":\"1\"}\n"+strings.Repeat("{\"a\":\"2\"}\n", 1000), got)
	assert.Regexp(t, "^gzip[+]csv-", found.Encoding)
	assert.Same(t, m, s.(source.Decoder).Stored(), "who copies what is stored must not get it decompressed")

	// What there is of a truncated one is read; the row in which it ends is a
	// flaw; and then the error comes.
	got, _, err = read(s, "cut.csv.gz")
	assert.True(t, fault.Is(err, fault.ClassCorrupt), "%v", err)
	rows := records(t, got)
	require.NotEmpty(t, rows)
	assert.Equal(t, `{"a":"1"}`, rows[0])
}

// A row that a transport has cut is not told as one.
func TestInterrupted(t *testing.T) {
	long := "a\n1\n\"" + strings.Repeat("x", 1<<20)
	for _, cfg := range []csv.Config{{}, {MaxRowBytes: 4}} {
		for _, class := range []func(error) error{fault.Interrupted, fault.Corrupt} {
			s, m := over(t, cfg, long)
			m.Inject("a.csv", sourcetest.Fault{At: int64(len(long) - 1), Err: class(io.ErrUnexpectedEOF)})
			got, _, err := read(s, "a.csv")
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.True(t, strings.HasPrefix(got, "{\"a\":\"1\"}\n"))
			if fault.Is(err, fault.ClassCorrupt) {
				rows := records(t, got)
				require.Len(t, rows, 2)
				assert.True(t, strings.HasSuffix(rows[1], ": "+long[4:len(long)-1]))
			} else {
				assert.Equal(t, cfg.MaxRowBytes == 0, got == "{\"a\":\"1\"}\n", "an interrupted row is ended")
				assert.False(t, strings.HasSuffix(got, "\x00\n"))
			}
		}
	}
}

func gzipped(t testing.TB, text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// asRows reads every content: quotes that are none are text, and so is what is
// not UTF-8.
var asRows = csv.Config{Header: csv.HeaderNone, LazyQuotes: true, UTF8: csv.ReplaceUTF8, Extra: "more", Missing: csv.MissingNull, MaxRowBytes: 4 << 20}

var decoded = cached(func(content string) string {
	m := sourcetest.NewMemory(map[string]string{"x": content})
	s, err := csv.New(m, asRows)
	if err != nil {
		return err.Error()
	}
	got, _, err := read(s, "x")
	if err != nil {
		return err.Error()
	}
	return got
})

// cached returns f, called once for each argument.
func cached(f func(string) string) func(string) string {
	var mu sync.Mutex
	known := map[string]string{}
	return func(in string) string {
		mu.Lock()
		defer mu.Unlock()
		out, ok := known[in]
		if !ok {
			out = f(in)
			known[in] = out
		}
		return out
	}
}

func TestConformance(t *testing.T) {
	t.Run("dir", func(t *testing.T) {
		sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
			root := t.TempDir()
			then := time.Now().Add(-time.Hour)
			write := func(key, content string) error {
				path := filepath.Join(root, filepath.FromSlash(key))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					return err
				}
				then = then.Add(time.Second)
				return os.Chtimes(path, then, then)
			}
			for key, content := range files {
				require.NoError(t, write(key, content))
			}
			inner, err := dir.Open(root, dir.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { inner.Close() })
			s, err := csv.New(inner, asRows)
			require.NoError(t, err)
			return sourcetest.Fixture{
				Source: s, Write: write, Decoded: decoded,
				Remove: func(key string) error { return os.Remove(filepath.Join(root, filepath.FromSlash(key))) },
			}
		})
	})
	for name, cfg := range map[string]csv.Config{"memory": asRows, "no match": {Match: []string{"*.csv"}}} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
				m := sourcetest.NewMemory(files)
				s, err := csv.New(m, cfg)
				require.NoError(t, err)
				f := sourcetest.Fixture{
					Source: s,
					Write:  func(key, content string) error { m.Put(key, []byte(content)); return nil },
					Remove: func(key string) error { m.Delete(key); return nil },
				}
				if name == "memory" {
					f.Decoded = decoded
				}
				return f
			})
		})
	}
}

// endless is a source of one object, made while it is read.
type endless struct {
	source.Source
	head  string
	piece string
	at    int
	left  int
}

func (e *endless) Open(context.Context, source.Object, int64, int64) (io.ReadCloser, source.Object, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader(e.head), e)), source.Object{Key: "a"}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && e.left > 0 {
		m := copy(p[n:], e.piece[e.at:])
		if n, e.at = n+m, e.at+m; e.at == len(e.piece) {
			e.at, e.left = 0, e.left-1
		}
	}
	return n, nil
}

// Memory does not grow with an object, whatever is in it.
func TestMemoryIsBounded(t *testing.T) {
	length, most := 4<<20, uint64(6<<20)
	if testing.Short() {
		length, most = 3<<19, 16<<20 // the race detector has slices grown in two steps
	}
	for name, c := range map[string]struct{ head, piece string }{
		"rows": {"", "some,row\n"}, "quoted rows": {"", "\"some\",\"\"\"row\"\n"}, "a row": {"", "some words "}, "a quoted field": {`"`, `"" and more `},
		"commas": {"", ",,,,,,,,"}, "carriage returns": {"", "\r\r\r\r\r\r\r\r"}, "an open quote": {`"`, "a,b\n"}, "blank lines": {"", "\r\n"},
	} {
		s, err := csv.New(&endless{head: c.head, piece: c.piece, left: length / len(c.piece)}, csv.Config{Header: csv.HeaderNone})
		require.NoError(t, err)
		r, _, err := s.Open(t.Context(), source.Object{Key: "a"}, 0, -1)
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 64<<10))
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		require.NoError(t, r.Close())
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, most, name)
	}
}
