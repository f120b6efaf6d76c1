package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// feed is a folder of files and the places of runs over it.
type feed struct {
	*testing.T
	folder string
}

func newFeed(t *testing.T, files map[string]string) feed {
	f := feed{t, filepath.Join(t.TempDir(), "in")}
	f.write(files)
	return f
}

func (f feed) write(files map[string]string) {
	f.Helper()
	for name, text := range files {
		path := filepath.Join(f.folder, filepath.FromSlash(name))
		require.NoError(f, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(f, os.WriteFile(path, []byte(text), 0o600))
	}
}

// args is the command line of a run with claims of its own.
func (f feed) args(more ...string) []string {
	state := filepath.Join(f.TempDir(), "state")
	return append([]string{
		"run", "--source", f.folder, "--sink", "stdout:", "--claims", "memory:", "--concurrency", "1",
		"--retry", state + "-r", "--failed", state + "-f", "--corruption", state + "-c",
	}, more...)
}

// drain runs the command and returns the records, one a line, and the reasons of
// those that are corrupt.
func (f feed) drain(more ...string) (records []string, reasons []string) {
	f.Helper()
	args := f.args(more...)
	code, out, errs := runHere(f.T, args...)
	require.Equal(f, exitOK, code, errs)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") {
			records = append(records, strings.TrimSpace(line))
		}
	}
	for _, env := range envelopes(f.T, args[len(args)-len(more)-1]) {
		reasons = append(reasons, env.Reason)
	}
	return records, reasons
}

// Each option for CSV does what the help says.
func TestCSVOptions(t *testing.T) {
	const table = "id,name,on\n1,Ann,t\n2,\"Bo, the\nsecond\",f\n"
	for _, c := range []struct {
		name string
		file string
		args []string
		want []string
		bad  string // part of the reason of the one corrupt record
	}{
		{"plain", table, nil, []string{`{"id":"1","name":"Ann","on":"t"}`, `{"id":"2","name":"Bo, the\nsecond","on":"f"}`}, ""},
		{
			"columns and types", table,
			[]string{"--csv-columns", "on:bool,who=name,id:number"},
			[]string{`{"on":true,"who":"Ann","id":1}`, `{"on":false,"who":"Bo, the\nsecond","id":2}`}, "",
		},
		{"type", "a,b\n1,x\n", []string{"--csv-type", "auto"}, []string{`{"a":1,"b":"x"}`}, ""},
		{"delimiter", "a;b\n1;2,3\n", []string{"--csv-delimiter", ";"}, []string{`{"a":"1","b":"2,3"}`}, ""},
		{"tab", "a\tb\n1\t2\n", []string{"--csv-delimiter", "tab"}, []string{`{"a":"1","b":"2"}`}, ""},
		{"no header", "1,2\n", []string{"--csv-header", "none"}, []string{`{"c1":"1","c2":"2"}`}, ""},
		{"names", "1,2\n", []string{"--csv-names", "a,b"}, []string{`{"a":"1","b":"2"}`}, ""},
		{"other names", "x,y\n1,2\n", []string{"--csv-names", "a,b", "--csv-header", "skip"}, []string{`{"a":"1","b":"2"}`}, ""},
		{"strict quotes", "a\n5\" disk\nok\n", nil, []string{`{"a":"ok"}`}, "quote"},
		{"lazy quotes", "a\n5\" disk\n", []string{"--csv-quotes", "lazy"}, []string{`{"a":"5\" disk"}`}, ""},
		{"no quotes", "a\n\"x\n", []string{"--csv-quotes", "none"}, []string{`{"a":"\"x"}`}, ""},
		{"single line", "a\n\"x\ny\n", []string{"--csv-single-line"}, []string{`{"a":"y"}`}, "quote"},
		{"empty", "a,b\n,1\n", []string{"--csv-empty", "omit"}, []string{`{"b":"1"}`}, ""},
		{"missing", "a,b\n1\n2,3\n", nil, []string{`{"a":"2","b":"3"}`}, "field"},
		{"missing is null", "a,b\n1\n", []string{"--csv-missing", "null"}, []string{`{"a":"1","b":null}`}, ""},
		{"charset", "a\ncaf\xe9\n", []string{"--csv-charset", "iso-8859-1"}, []string{`{"a":"café"}`}, ""},
		{"rows", "a\n1\n2\n", []string{"--csv-max-rows", "1"}, []string{`{"a":"1"}`}, "row"},
		{"row bytes", "a\n1\n" + strings.Repeat("2", 99) + "\n", []string{"--csv-max-row-bytes", "50"}, []string{`{"a":"1"}`}, "50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFeed(t, map[string]string{"a.csv": c.file})
			got, reasons := f.drain(append(c.args, "--csv", "*.csv")...)
			assert.Equal(t, c.want, got)
			if c.bad == "" {
				assert.Empty(t, reasons)
				return
			}
			require.Len(t, reasons, 1)
			assert.Contains(t, reasons[0], c.bad)
		})
	}
}

type trade struct {
	ID   int64   `parquet:"id"`
	Note *string `parquet:"note,optional"`
}

func parquetFile(t *testing.T, rows ...trade) string {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, pq.Write(&file, rows))
	return file.String()
}

// Files of several kinds in one folder are each taken for what they are, compressed
// or not, and sorted by typed keys.
func TestFormatsSideBySide(t *testing.T) {
	note := "x"
	f := newFeed(t, map[string]string{
		"a.csv": "id\n10\n9\n", "b.parquet": parquetFile(t, trade{8, &note}, trade{7, nil}), "c.json": `{"id":1}`,
	})
	got, reasons := f.drain("--csv", "*.csv", "--parquet", "*.parquet", "--csv-type", "auto")
	assert.Empty(t, reasons)
	assert.ElementsMatch(t, []string{`{"id":10}`, `{"id":9}`, `{"id":8,"note":"x"}`, `{"id":7,"note":null}`, `{"id":1}`}, got)

	got, _ = f.drain("--csv", "*.csv", "--parquet", "*.parquet", "--parquet-omit-nulls", "--sort", "id:number", "--order", "name")
	assert.Equal(t, []string{`{"id":"9"}`, `{"id":"10"}`, `{"id":7}`, `{"id":8,"note":"x"}`, `{"id":1}`}, got)

	got, _ = f.drain("--parquet", "*.parquet", "--parquet-columns", "id", "--ignore", "*.csv", "--ignore", "*.json")
	assert.Equal(t, []string{`{"id":8}`, `{"id":7}`}, got)

	var out bytes.Buffer
	args := append(f.args(), "--csv", "*.csv", "--ignore", "*.parquet", "--dry-run", "--order", "name", "--mirror", filepath.Join(t.TempDir(), "copies"))
	require.Equal(t, exitOK, run(t.Context(), args, &out, &out))
	assert.Contains(t, out.String(), "a.csv: offset 0\n< {\"id\":\"10\"}\n")
	assert.NoDirExists(t, args[len(args)-1], "a dry run writes nothing")
}

// Lines are put in order by text, exact numbers and times, upwards and downwards.
func TestSortOptions(t *testing.T) {
	f := newFeed(t, map[string]string{"a.json": `{"n":10,"t":"02/2026","k":"b"}
{"n":9,"t":"01/2026","k":"b"}
{"n":90071992547409931,"t":"11/2025","k":"a"}
{"n":90071992547409930,"t":"12/2025","k":"a"}
`})
	for keys, want := range map[string]string{
		"n:number": "9 10 90071992547409930 90071992547409931", "n:number:desc": "90071992547409931 90071992547409930 10 9",
		"n": "10 9 90071992547409930 90071992547409931", "t:time": "90071992547409931 90071992547409930 9 10",
		"k,t:time:desc": "90071992547409930 90071992547409931 10 9",
	} {
		got, reasons := f.drain("--format", "lines", "--sort", keys, "--sort-time", "01/2006", "--sort-memory", fmt.Sprint(4<<20), "--select", "n")
		assert.Empty(t, reasons)
		for i, line := range got {
			got[i] = strings.TrimSuffix(strings.TrimPrefix(line, `{"n":`), "}")
		}
		assert.Equal(t, want, strings.Join(got, " "), keys)
	}
}

// With --marker nothing is taken before its marker is there: for a folder, for
// names with the same beginning, or all of a folder as one file.
func TestMarkerOptions(t *testing.T) {
	for _, c := range []struct {
		marker, name string
		want         []string // of what is taken with the marker
	}{
		{"_SUCCESS", "x/_SUCCESS", []string{`{"id":1}`, `{"id":2}`}},
		{"*.done", "x/any.done", []string{`{"id":1}`, `{"id":2}`}},
		{"STEM.done", "x/a.done", []string{`{"id":1}`}},
	} {
		t.Run(c.marker, func(t *testing.T) {
			f := newFeed(t, map[string]string{"x/a.json": `{"id":1}`, "x/b.json": `{"id":2}`, "y/c.json": `{"id":3}`})
			got, _ := f.drain("--marker", c.marker)
			assert.Empty(t, got)
			f.write(map[string]string{c.name: ""})
			for _, merge := range []bool{false, true} {
				args := []string{"--marker", c.marker}
				if merge {
					args = append(args, "--merge")
				}
				got, _ := f.drain(args...)
				assert.ElementsMatch(t, c.want, got)
			}
		})
	}
}

// Operators see with --marker what a run does: status counts, and archive takes
// away, what the markers stand for.
func TestOperatorsWithMarkers(t *testing.T) {
	f := newFeed(t, map[string]string{"x/a.json": `{"id":1}`, "x/b.json": `{"id":2}`, "y/c.json": `{"id":3}`, "x/_SUCCESS": ""})
	state := filepath.Join(t.TempDir(), "state")
	places := []string{
		"--source", f.folder, "--claims", "disk:" + state, "--retry", state + "-r", "--failed", state + "-f", "--corruption", state + "-c",
		"--marker", "_SUCCESS", "--merge",
	}
	does := func(command string, more ...string) string {
		t.Helper()
		code, out, errs := runHere(t, append(append([]string{command}, places...), more...)...)
		require.Equal(t, exitOK, code, errs)
		return out
	}
	does("run", "--sink", "stdout:")
	assert.Contains(t, does("status"), "source      1 objects: 0 new, 1 finished\n")
	done := filepath.Join(t.TempDir(), "done")
	require.Eventually(t, func() bool { // once it is older than the clocks are apart
		does("archive", "--to", done, "--after", "0")
		return len(contentsOf(t, f.folder)) == 1
	}, 30*time.Second, 20*time.Millisecond)
	assert.FileExists(t, filepath.Join(f.folder, "y/c.json"))
	assert.FileExists(t, filepath.Join(done, "x/b.json"))
}

// --mirror keeps a copy of what is stored, and may not lie in the source.
func TestMirrorOption(t *testing.T) {
	f := newFeed(t, map[string]string{"x/a.csv": "id\n1\n"})
	copies := filepath.Join(t.TempDir(), "copies")
	got, _ := f.drain("--csv", "*.csv", "--mirror", copies)
	assert.Equal(t, []string{`{"id":"1"}`}, got)
	data, err := os.ReadFile(filepath.Join(copies, "x", "a.csv"))
	require.NoError(t, err)
	assert.Equal(t, "id\n1\n", string(data))

	code, _, errs := runHere(t, append(f.args(), "--mirror", filepath.Join(f.folder, "copies"))...)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "--mirror: ")
	startS3(t)
	_, _ = f.drain("--mirror", "s3://bucket/copies")
	assert.Equal(t, []string{"x/a.csv"}, keysIn(t, "copies"))
}

// All that is wrong with what files are said to be made of comes at once, each
// under its option.
func TestMistakesInFormats(t *testing.T) {
	f := newFeed(t, map[string]string{"a.csv": "id\n1\n"})
	code, _, errs := runHere(t, append(f.args(), "--csv", "*.csv", "--csv-names", "a,a", "--csv-header", "first",
		"--name-time", "January", "--mirror", "gopher://x/y")...)
	assert.Equal(t, exitUsage, code)
	for _, want := range []string{"--csv: ", "--name-time: ", "--mirror: "} {
		assert.Contains(t, errs, want)
	}
}
