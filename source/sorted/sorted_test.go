package sorted_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unspool-go/unspool/processor/fault"
	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/decompress"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// byLine orders lines as a whole: no JSON, no delimiter.
var byLine = sorted.Config{Format: sorted.Delimited, Delimiter: "\x00", By: []sorted.Key{{Index: 0}}}

func ordered(t testing.TB, src source.Source, cfg sorted.Config) source.Source {
	t.Helper()
	s, err := sorted.New(src, cfg)
	require.NoError(t, err)
	return s
}

func read(ctx context.Context, src source.Source, key string) (string, source.Object, error) {
	r, found, err := src.Open(ctx, source.Object{Key: key, Size: -1}, 0, -1)
	if err != nil {
		return "", found, err
	}
	data, err := io.ReadAll(r)
	return string(data), found, errors.Join(err, r.Close())
}

// inOrder returns what becomes of content.
func inOrder(t testing.TB, content string, cfg sorted.Config) string {
	t.Helper()
	got, _, err := read(t.Context(), ordered(t, sourcetest.NewMemory(map[string]string{"o": content}), cfg), "o")
	require.NoError(t, err)
	return got
}

// The suite's objects are short lines, so that the order does not show, but for
// the newline at the end: it is taken off again.
func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB, files map[string]string) sourcetest.Fixture {
		m := sourcetest.NewMemory(nil)
		put := func(key, content string) error { m.Put(key, []byte(content+"\n")); return nil }
		for key, content := range files {
			require.NoError(t, put(key, content))
		}
		return sourcetest.Fixture{
			Source: unended{ordered(t, m, byLine).(everything)},
			Write:  put,
			Remove: func(key string) error { m.Delete(key); return nil },
		}
	})
}

// everything is what the result of New always is.
type everything interface {
	source.Source
	source.Relister
	source.Watcher
	source.Decoder
}

// unended takes the last byte off each object.
type unended struct{ everything }

func (s unended) Open(ctx context.Context, o source.Object, off, n int64) (io.ReadCloser, source.Object, error) {
	more := n
	if n >= 0 {
		more++
	}
	r, found, err := s.everything.Open(ctx, o, off, more)
	if err != nil {
		return nil, found, err
	}
	return &unendedReader{ReadCloser: r, left: n}, found, nil
}

type unendedReader struct {
	io.ReadCloser
	left int64
	held []byte
}

func (r *unendedReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		// A byte is left of what was asked for, and must be there.
		if _, err := io.ReadFull(r.ReadCloser, make([]byte, 1)); err != nil && r.held == nil {
			return 0, err
		}
		r.held = []byte{}
		return 0, io.EOF
	}
	if r.left > 0 {
		n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
		return n, err
	}
	buf := make([]byte, max(len(p), 1))
	n, err := r.ReadCloser.Read(buf)
	all := append(slices.Clone(r.held), buf[:n]...)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	give := min(len(all)-1, len(p))
	copy(p, all[:give])
	r.held = all[give:]
	return give, nil
}

func lines(text ...string) string { return strings.Join(text, "\n") + "\n" }

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		cfg      sorted.Config
		in, want string
	}{
		"text, escapes resolved": {
			sorted.Config{By: []sorted.Key{{Name: "k"}}},
			lines(`{"k":"b"}`, `{"k":"\u0061"}`, `{"k":"ab"}`, `{"k":""}`, `{"k":"a\u0000"}`, `{"k":true}`, `{"k":10}`),
			lines(`{"k":""}`, `{"k":10}`, `{"k":"\u0061"}`, `{"k":"a\u0000"}`, `{"k":"ab"}`, `{"k":"b"}`, `{"k":true}`),
		},
		"descending, the places of what has no key stay": {
			sorted.Config{By: []sorted.Key{{Name: "k", Type: sorted.Number, Descending: true}}, Missing: sorted.First},
			lines(`{"k":1}`, `{"k":"x"}`, `{"k":3}`, `{}`, `{"k":2}`, `{"k":null}`, `not json`, ``, `{"k":[1]}`, `{"k":true}`),
			lines(`{}`, `{"k":null}`, `not json`, ``, `{"k":3}`, `{"k":2}`, `{"k":1}`, `{"k":"x"}`, `{"k":[1]}`, `{"k":true}`),
		},
		"what is invalid is nearer than what is missing": {
			sorted.Config{By: []sorted.Key{{Name: "k", Type: sorted.Number}}, Missing: sorted.First, Invalid: sorted.First},
			lines(`{"k":2}`, `{"k":"x"}`, `{}`, `{"k":1}`, `{"k":{}}`),
			lines(`{}`, `{"k":"x"}`, `{"k":{}}`, `{"k":1}`, `{"k":2}`),
		},
		"and so at the end": {
			sorted.Config{By: []sorted.Key{{Name: "k", Type: sorted.Number}}},
			lines(`{}`, `{"k":2}`, `{"k":"x"}`, `{"k":1}`),
			lines(`{"k":1}`, `{"k":2}`, `{"k":"x"}`, `{}`),
		},
		"several keys": {
			sorted.Config{By: []sorted.Key{{Name: "u.id", Type: sorted.Number, Descending: true}, {Name: "t.0"}}},
			lines(`{"u":{"id":1},"t":["b"]}`, `{"u":{"id":2},"t":["b"]}`, `{"u":{"id":1},"t":["a"]}`, `{"u":{"id":2}}`),
			lines(`{"u":{"id":2},"t":["b"]}`, `{"u":{"id":2}}`, `{"u":{"id":1},"t":["a"]}`, `{"u":{"id":1},"t":["b"]}`),
		},
		"a dot in a name": {
			sorted.Config{By: []sorted.Key{{Name: `a\.b`}}},
			lines(`{"a.b":"2"}`, `{"a.b":"1"}`, `{"a":{"b":"0"}}`),
			lines(`{"a.b":"1"}`, `{"a.b":"2"}`, `{"a":{"b":"0"}}`),
		},
		"times": {
			sorted.Config{By: []sorted.Key{{Name: "at", Type: sorted.Time}}},
			lines(`{"at":"2026-11-22T10:00:00.5Z"}`, `{"at":"2026-11-22T11:00:00+02:00"}`, `{"at":"1900-01-01T00:00:00Z"}`, `{"at":5}`),
			lines(`{"at":"1900-01-01T00:00:00Z"}`, `{"at":"2026-11-22T11:00:00+02:00"}`, `{"at":"2026-11-22T10:00:00.5Z"}`, `{"at":5}`),
		},
		"times of another layout, newest first": {
			sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{Index: 1, Type: sorted.Time, Layout: "02/01/2006", Descending: true}}},
			lines("a,22/11/2026", "b,01/12/2026", "c,31/12/2025", "d,", "e,32/01/2026", "f"),
			lines("b,01/12/2026", "a,22/11/2026", "c,31/12/2025", "e,32/01/2026", "d,", "f"),
		},
		"columns, header, a last line without an end, carriage returns": {
			sorted.Config{Format: sorted.Delimited, Delimiter: ";", Header: 1, By: []sorted.Key{{Index: 1, Type: sorted.Number}}},
			"id;n\r\na;10\r\nb;9\r\nc; 8 ",
			"id;n\r\nc; 8 \nb;9\r\na;10\r\n",
		},
		"quotes": {
			sorted.Config{Format: sorted.Delimited, Quotes: true, By: []sorted.Key{{Index: 1}}},
			lines(`1,"b,2"`, `2,"a`, `x""y",z`, `3,"b"`, `4,c`, `5,"`),
			lines(`5,"`, `2,"a`, `x""y",z`, `3,"b"`, `1,"b,2"`, `4,c`),
		},
		"byte order mark": {byLine, "\xef\xbb\xbfb\na\n", "\xef\xbb\xbfa\nb\n"},
		"nothing":         {byLine, "", ""},
		"preamble": {
			sorted.Config{By: []sorted.Key{{Name: "k"}}, Preamble: comment{}},
			lines("# b", "# a", `{"k":2}`, `{"k":1}`), lines("# b", "# a", `{"k":1}`, `{"k":2}`),
		},
		"preamble that does not end": {
			sorted.Config{By: []sorted.Key{{Name: "k"}}, Preamble: comment{}},
			strings.Repeat("# b\n# a\n", 10_000) + "{}\n", strings.Repeat("# b\n# a\n", 10_000) + "{}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, inOrder(t, c.in, c.cfg))
		})
	}
}

// comment is a preamble of lines that begin with #.
type comment struct{}

func (comment) Skip(data []byte, atEOF bool) (int, bool) {
	n := 0
	for n < len(data) && data[n] == '#' {
		end := bytes.IndexByte(data[n:], '\n')
		if end < 0 {
			return len(data), atEOF
		}
		n += end + 1
	}
	return n, n < len(data) || atEOF
}

// Of cloudless, defect 17: the default delimiter grouped everything, equal keys
// came in any order, and numbers were compared as int: 1.9 before 1.1, what is
// beyond 64 bits anywhere.
func TestDefect17DelimiterStabilityAndWholeNumbers(t *testing.T) {
	cfg := sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{Index: 1, Type: sorted.Number}}}
	assert.Equal(t, lines("c,1.1", "a,1.9", "b,2"), inOrder(t, lines("a,1.9", "b,2", "c,1.1"), cfg), "not truncated")
	assert.Equal(t,
		lines("b,-10000000000000000000000000000001", "a,-1e31", "d,9007199254740992", "c,9007199254740993", "f,1.0000000000000000000000001e40", "e,1.0000000000000000000000002E+40"),
		inOrder(t, lines("a,-1e31", "b,-10000000000000000000000000000001", "c,9007199254740993", "d,9007199254740992", "e,1.0000000000000000000000002E+40", "f,1.0000000000000000000000001e40"), cfg), "exact")

	var in, want strings.Builder
	const n = 5000
	for i := range n {
		fmt.Fprintf(&in, "%d,%d.0\n", i, i%3)
	}
	for k := range 3 {
		for i := k; i < n; i += 3 {
			fmt.Fprintf(&want, "%d,%d.0\n", i, k)
		}
	}
	assert.Equal(t, want.String(), inOrder(t, in.String(), cfg), "stable")
}

// numbers are groups of equal ones, in order.
var numbers = [][]string{
	{"-1e999999999999999999"}, {"-1e20000"}, {"-123.5"}, {"-123.45", "-1.2345e2"}, {"-1"}, {"-0.1", "-.1"}, {"-1e-20000"},
	{"0", "-0", "0e999999999999999999", "000.000"}, {"1e-999999999999999999"}, {"1e-20000"}, {"1e-16384"}, {"1e-16383"}, {"0.1", "1e-1", ".1", "00.10"},
	{"1", "+1", "1.", "10e-1"}, {"1.0000000000000000000000000000001"}, {"2"}, {"9"}, {"10", "1e1"}, {"10.5"}, {"11"}, {"99"}, {"100"}, {"18446744073709551615"}, {"18446744073709551616"},
	{"1e16382"}, {"1e16383"}, {"1e16384"}, {"1e999999999999999999"},
}

func TestNumbers(t *testing.T) {
	var up, down []string
	for _, group := range numbers {
		up = append(up, group...)
	}
	for _, group := range slices.Backward(numbers) {
		down = append(down, group...)
	}
	bad := []string{"x", "1x", "--1", "1e", "1e+", "1e1.5", ".", "-", "1e1000000000000000000", "0x10", "Inf", "NaN", "1_000", "1 2", "١"}
	cfg := sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{Type: sorted.Number}}}
	want := lines(append(slices.Clone(up), bad...)...)
	assert.Equal(t, want, inOrder(t, lines(append(slices.Clone(bad), up...)...), cfg))
	var mixed []string
	for _, group := range slices.Backward(numbers) {
		mixed = append(mixed, group...)
	}
	assert.Equal(t, want, inOrder(t, lines(append(mixed, bad...)...), cfg))
	cfg.By[0].Descending = true
	assert.Equal(t, lines(append(down, bad...)...), inOrder(t, lines(append(bad, up...)...), cfg))
}

// A line that is too long is not held: it comes behind the others, whole.
func TestLongLinesComeLast(t *testing.T) {
	long := strings.Repeat("a", 100_000)
	cfg := byLine
	cfg.MaxRecordBytes = 1000
	exact, over := strings.Repeat("b", 999), strings.Repeat("a", 1000)
	in := lines("x", long, exact, over, "y") + long + "z"
	assert.Equal(t, lines(exact, "x", "y", long, over, long+"z"), inOrder(t, in, cfg))

	cfg.Quotes = true
	in = lines(`"q`+long, long+`"`, "b", "a", `"`+long, `x`)
	assert.Equal(t, lines("a", "b", `"q`+long, long+`"`, `"`+long, "x"), inOrder(t, in, cfg), "newlines in quotes are no end")
}

// many returns lines with keys in no order, and as they are to come.
func many(n int) (in, want string) {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%08d,%s", uint32(i)*2654435761%1_000_000, strings.Repeat("x", i%300)))
	}
	in = lines(all...)
	slices.SortStableFunc(all, func(a, b string) int { return strings.Compare(a[:8], b[:8]) })
	return in, lines(all...)
}

// What does not fit into memory gives the same as what does, byte for byte.
func TestBeyondMemory(t *testing.T) {
	in, want := many(40_000) // 6 MB
	dir := t.TempDir()
	cfg := sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{}}, TempDir: dir}
	same(t, want, inOrder(t, in, cfg), "in memory")

	cfg.MemoryBytes = 4 << 20
	src := ordered(t, sourcetest.NewMemory(map[string]string{"o": in}), cfg)
	r, found, err := src.Open(t.Context(), source.Object{Key: "o", Size: -1}, 0, -1)
	require.NoError(t, err)
	first := make([]byte, 10)
	_, err = io.ReadFull(r, first)
	require.NoError(t, err)
	assert.Equal(t, want[:10], string(first))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "a temporary file has no name, for a crash to leave")
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	same(t, want[10:], string(rest), "merged")
	assert.EqualValues(t, len(in), found.Size, "as it is stored")
}

// Everything up to a defect is there, and then the defect; of the line that it cut
// what there is comes last, so that it is taken for no whole one.
func TestDefectIsToldBehindWhatCanBeRead(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, lines("c", "a", "b")+"0cut")
	require.NoError(t, err)
	require.NoError(t, z.Flush())
	m := sourcetest.NewMemory(map[string]string{"o.gz": packed.String()})
	plain, err := decompress.New(m, decompress.Config{})
	require.NoError(t, err)

	got, found, err := read(t.Context(), ordered(t, plain, byLine), "o.gz")
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassCorrupt))
	assert.Equal(t, lines("a", "b", "c")+"0cut", got)
	assert.True(t, strings.HasPrefix(found.Encoding, "gzip+sorted-"), found.Encoding)
}

// Where reading is cut off nothing is given out: the order is not known.
func TestInterruptionGivesNothing(t *testing.T) {
	away := fault.Interrupted(errors.New("away"))
	m := sourcetest.NewMemory(map[string]string{"o": lines("b", "a")})
	m.Inject("o", sourcetest.Fault{At: 4, Err: away, Times: 1})
	s := ordered(t, m, byLine)
	got, _, err := read(t.Context(), s, "o")
	require.ErrorIs(t, err, away)
	assert.True(t, fault.Is(err, fault.ClassInterrupted))
	assert.Empty(t, got)

	got, _, err = read(t.Context(), s, "o")
	require.NoError(t, err)
	assert.Equal(t, lines("a", "b"), got)
}

// same compares without printing megabytes.
func same(t *testing.T, want, got, what string) {
	t.Helper()
	equal := want == got
	assert.True(t, equal, "%s: %d bytes, want %d", what, len(got), len(want))
}

func TestNoRoomForTemporaryFilesIsNoFaultOfTheObject(t *testing.T) {
	in, _ := many(40_000)
	src := ordered(t, sourcetest.NewMemory(map[string]string{"o": in}),
		sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{}}, MemoryBytes: 4 << 20, TempDir: t.TempDir() + "/none"})
	got, _, err := read(t.Context(), src, "o")
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassInterrupted), "%v", err)
	assert.ErrorContains(t, err, `"o"`)
	assert.Empty(t, got)
}

// Another order is another stream: offsets of one mean nothing in the other.
func TestEncodingNamesTheOrder(t *testing.T) {
	m := sourcetest.NewMemory(map[string]string{"o": "{}\n"})
	base := sorted.Config{By: []sorted.Key{{Name: "a"}}}
	configs := []sorted.Config{
		base,
		{By: []sorted.Key{{Name: "b"}}},
		{By: []sorted.Key{{Name: "a", Descending: true}}},
		{By: []sorted.Key{{Name: "a", Type: sorted.Number}}},
		{By: []sorted.Key{{Name: "a", Type: sorted.Time}}},
		{By: []sorted.Key{{Name: "a", Type: sorted.Time, Layout: "2006"}}},
		{By: []sorted.Key{{Name: "a"}, {Name: "b"}}},
		{By: base.By, Header: 1},
		{By: base.By, Missing: sorted.First},
		{By: base.By, Invalid: sorted.First},
		{By: base.By, Preamble: comment{}},
		{By: base.By, MaxRecordBytes: 100},
		{Format: sorted.Delimited, By: []sorted.Key{{}}},
		{Format: sorted.Delimited, By: []sorted.Key{{}}, Quotes: true},
		{Format: sorted.Delimited, By: []sorted.Key{{}}, Delimiter: ";"},
	}
	seen := map[string]int{}
	for i, cfg := range configs {
		_, found, err := read(t.Context(), ordered(t, m, cfg), "o")
		require.NoError(t, err)
		other, there := seen[found.Encoding]
		assert.False(t, there, "%d is taken for %d", i, other)
		seen[found.Encoding] = i
	}
	same := base
	same.TempDir, same.MemoryBytes = t.TempDir(), 128<<20
	_, found, err := read(t.Context(), ordered(t, m, same), "o")
	require.NoError(t, err)
	assert.Contains(t, seen, found.Encoding, "where it is done does not matter")
}

func TestMistakesAreNamedAtOnce(t *testing.T) {
	_, err := sorted.New(nil, sorted.Config{
		Format: "xml", By: []sorted.Key{{Type: "int"}, {Type: sorted.Time, Layout: "day"}, {Layout: "2006"}},
		Delimiter: "\"", Header: -1, Missing: "middle", Invalid: "middle", MemoryBytes: 1, MaxRecordBytes: 1,
	})
	require.Error(t, err)
	assert.True(t, fault.Is(err, fault.ClassFatal))
	for _, field := range []string{"no source", "Format", "By[0]", "By[1]", "By[2]", "Delimiter", "Header", "Missing", "Invalid", "MemoryBytes"} {
		assert.ErrorContains(t, err, field)
	}
	for _, path := range []string{"", "a..b", ".a", "a.", "a\\", "a.#", "a.@this", "a|b", "a*", "a.#(b=1)", "{a}"} {
		_, err := sorted.New(sourcetest.NewMemory(nil), sorted.Config{By: []sorted.Key{{Name: path}}})
		assert.ErrorContains(t, err, "Name", path)
	}
	for _, cfg := range []sorted.Config{
		{}, {By: []sorted.Key{{Name: "a", Index: 1}}}, {By: []sorted.Key{{Name: "a"}}, Quotes: true},
		{Format: sorted.Delimited, By: []sorted.Key{{Name: "a"}}}, {Format: sorted.Delimited, By: []sorted.Key{{Index: -1}}},
		{By: []sorted.Key{{Name: "a"}}, MaxRecordBytes: 32 << 20},
	} {
		_, err := sorted.New(sourcetest.NewMemory(nil), cfg)
		assert.Error(t, err, "%+v", cfg)
	}
}

func ExampleNew() {
	files := sourcetest.NewMemory(map[string]string{"day.ndjson": `{"user":"b","n":10}
{"user":"a","n":2.5}
{"user":"b","n":9}
{"user":"a","n":"2.25"}
`})
	src, err := sorted.New(files, sorted.Config{By: []sorted.Key{{Name: "user"}, {Name: "n", Type: sorted.Number}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for o, err := range src.Objects(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		r, _, err := src.Open(context.Background(), o, 0, -1)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = io.Copy(os.Stdout, r)
		if err := errors.Join(err, r.Close()); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// {"user":"a","n":"2.25"}
	// {"user":"a","n":2.5}
	// {"user":"b","n":9}
	// {"user":"b","n":10}
}
