package main

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/processor/redrive"
	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/sorted"
)

var update = flag.Bool("update", false, "write the golden files anew")

// required are the arguments without which every command line is wrong.
var required = []string{"--source", "in", "--sink", "stdout:"}

// sample holds a value for every option that is not its default, as text and as
// what the settings then hold.
var sample = map[string]struct {
	text string
	want any
}{
	"source": {"in", "in"}, "header": {"X-Key: a:b", http.Header{"X-Key": {"a:b"}}}, "ignore": {"*.bak", []string{"*.bak"}},
	"include-hidden": {"true", true}, "flat": {"true", true}, "min-age": {"1m", time.Minute},
	"partitions": {"2006/01", "2006/01"}, "horizon": {"24h", 24 * time.Hour}, "settle": {"0", time.Duration(0)}, "poll": {"true", true},
	"poll-interval": {"2s", 2 * time.Second}, "rescan-interval": {"1h", time.Hour}, "keys-grow": {"true", true}, "format": {"lines", "lines"}, "records": {"statuses", "statuses"}, "preamble": {"none", "none"},
	"compression": {"none", "none"}, "name-time": {"unix", "unix"}, "order": {"newest", "newest"},
	"select": {"id,user=user.screen_name", "id,user=user.screen_name"}, "missing": {"null", "null"}, "record-id": {"rid", "rid"},
	"sink": {"sqs:q", "sqs:q"}, "pack": {"single", "single"}, "per-object": {"true", true}, "target-bytes": {"262144", 262144},
	"linger": {"0", time.Duration(0)}, "rate": {"12.5", 12.5}, "offload": {"s3://b/p", "s3://b/p"},
	"claims": {"memory:", "memory:"}, "lease": {"90s", 90 * time.Second}, "retry": {"r", "r"}, "failed": {"f", "f"},
	"corruption": {"c", "c"}, "max-retries": {"0", 0}, "watch": {"true", true}, "max-time": {"5m", 5 * time.Minute},
	"deadline-reduction": {"5s", 5 * time.Second}, "concurrency": {"3", 3}, "dry-run": {"true", true}, "limit": {"7", 7},
	"summary": {"json", "json"}, "verbose": {"true", true}, "grace": {"0", time.Duration(0)}, "whole": {"true", true},
	"forget": {"720h", 720 * time.Hour}, "clock-skew": {"0", time.Duration(0)},
	"to": {"out", "out"}, "delete": {"true", true}, "after": {"24h", 24 * time.Hour}, "json": {"true", true},
	"marker": {"*.done", "*.done"}, "merge": {"true", true}, "mirror": {"copy", "copy"},
	"csv": {"*.csv", []string{"*.csv"}}, "csv-delimiter": {"tab", '\t'}, "csv-quotes": {"lazy", "lazy"}, "csv-single-line": {"true", true},
	"csv-header": {"none", "none"}, "csv-names": {"id, who", []string{"id", "who"}}, "csv-type": {"auto", "auto"}, "csv-empty": {"null", "null"},
	"csv-columns": {"id:number,on=a:b:bool", []csv.Column{{Name: "id", Type: csv.TypeNumber}, {Name: "a:b", As: "on", Type: csv.TypeBool}}},
	"csv-missing": {"omit", "omit"}, "csv-charset": {"utf-16", "utf-16"}, "csv-max-rows": {"9", 9}, "csv-max-row-bytes": {"8", 8},
	"parquet": {"*.parquet", []string{"*.parquet"}}, "parquet-columns": {"a,b", []string{"a", "b"}}, "parquet-omit-nulls": {"true", true},
	"sort":      {"user.id:number:desc,at", []sorted.Key{{Name: "user.id", Type: sorted.Number, Descending: true}, {Name: "at"}}},
	"sort-time": {"2006", "2006"}, "sort-memory": {"4194304", 4 << 20},
	"from": {"sqs:dead", "sqs:dead"}, "reason": {"throttled", "throttled"}, "class": {"corrupt", "corrupt"}, "object": {"a/", "a/"},
	"record": {"jz1cJ8tSCJFEmPD01nKBDg.2048", "jz1cJ8tSCJFEmPD01nKBDg.2048"}, "since": {"2026-11-22T10:00:00Z", time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
	"until": {"2026-11-23T10:00:00Z", time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}, "where": {"a.b=c=d", []redrive.Field{{Path: "a.b", Value: "c=d"}}},
	"part-bytes": {"5", 5}, "part-records": {"6", 6}, "header-lines": {"1", 1}, "ext": {".csv.gz", ".csv.gz"}, "raw": {"true", true},
}

func allOptions() []option {
	var all []option
	for _, g := range runGroups {
		all = append(all, g.options...)
	}
	return slices.Concat(all, operatorOptions, redriveOptions)
}

// field returns the field of s that belongs to an option: its name in Go's way.
func field(s settings, option string) reflect.Value {
	name := strings.ReplaceAll(option, "-", "")
	return reflect.ValueOf(s).FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) })
}

// Every setting has an option, every option a setting, and each works the same
// as a flag and as a key of the file.
func TestEveryOptionIsAFlagAndAKey(t *testing.T) {
	options := allOptions()
	assert.Len(t, options, reflect.TypeFor[settings]().NumField())
	for _, o := range options {
		t.Run(o.name, func(t *testing.T) {
			v := sample[o.name]
			require.NotEmpty(t, v.text, "a new option needs a sample here")
			byFlag := defaults()
			all := &command{name: "all", groups: []group{{options: options}}}
			given, _, _, errs := all.parseFlags([]string{"--" + o.name + "=" + v.text})
			require.Empty(t, errs)
			require.NoError(t, given[0].option.set(&byFlag, given[0].value))
			require.Equal(t, v.want, field(byFlag, o.name).Interface())

			byFile := defaults()
			require.Empty(t, byFile.load(writeFile(t, o.name+": "+strconv.Quote(v.text)), nil))
			require.Equal(t, byFlag, byFile)
			require.NotEqual(t, defaults(), byFile)
		})
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	file := writeFile(t, "format: lines\nmax-retries: 3\nwatch: true\nsummary: json\n")
	s, errs := parseRun(append(required, "--summary", "text", "--config", file, "--watch=false", "--max-retries", "4"))
	require.Empty(t, errs)
	assert.Equal(t, "lines", s.Format, "only in the file")
	assert.Equal(t, 4, s.MaxRetries, "a flag after --config")
	assert.Equal(t, "text", s.Summary, "a flag before --config")
	assert.False(t, s.Watch, "a switch turned off")
}

// Options that may be given again are lists in the file, which flags replace.
func TestOptionsThatMayBeGivenAgain(t *testing.T) {
	file := writeFile(t, "ignore: ['*.bak', '*.old']\nmin-age: 1m\n")
	s, errs := parseRun(append(required, "--config", file))
	require.Empty(t, errs)
	assert.Equal(t, []string{"*.bak", "*.old"}, s.Ignore)
	s, errs = parseRun(append(required, "--ignore", "a", "--config", file, "--ignore", "b"))
	require.Empty(t, errs)
	assert.Equal(t, []string{"a", "b"}, s.Ignore)
	assert.Equal(t, time.Minute, s.MinAge)
	_, errs = parseRun(append(required, "--ignore", "a", "--config", writeFile(t, "ignore: [a, '[', [b]]")))
	require.Len(t, errs, 1)
	assert.ErrorContains(t, errs[0], `"[" is no pattern`, "also of what is replaced")
	assert.ErrorContains(t, errs[0], "needs one value")
}

func TestAFileMayBeJSONOrEmpty(t *testing.T) {
	s, errs := parseRun([]string{"--config", writeFile(t, `{"source": "in", "sink": "stdout:", "lease": "2m"}`)})
	require.Empty(t, errs)
	assert.Equal(t, 2*time.Minute, s.Lease)
	_, errs = parseRun(append(required, "--config", writeFile(t, "")))
	require.Empty(t, errs)
}

// Each mistake is found, names the option and says what is wrong.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		file string // of the file, if any; FILE in want is its name
		want string
	}{
		{args: []string{"--sink", "stdout:"}, want: "--source: required"},
		{args: []string{"--source", "in"}, want: "--sink: required, unless with --dry-run"},
		{args: append(required, "--order", "oldest"), want: "--order: oldest needs --name-time"},
		{args: append(required, "--order", "name", "--name-time", "unix"), want: "--order: name is not an order by --name-time"},
		{args: append(required, "--order", "random"), want: `--order: "random" is none of name, oldest, newest`},
		{args: []string{"--source=", "--sink", "stdout:"}, want: "--source: required"},
		{args: []string{"--source", "in", "--sink="}, want: "--sink: required, unless with --dry-run"},
		{args: append(required, "--source", "other"), want: "--source: given twice"},
		{args: append(required, "--watch", "--watch", "--watch=false"), want: "--watch: given twice"},
		{args: append(required, "--config", os.DevNull, "--config", os.DevNull), want: "--config: given twice"},
		{args: append(required, "--missing", "drop"), want: `--missing: "drop" is none of omit, null, corrupt`},
		{args: append(required, "--missing", "null"), want: "--missing: only with --select"},
		{args: append(required, "--fromat", "lines"), want: "flag provided but not defined: -fromat"},
		{args: append(required, "elsewhere"), want: `unexpected argument "elsewhere"`},
		{args: append(required, "--lease"), want: "flag needs an argument: -lease"},
		{args: append(required, "--format", "xml"), want: `--format: "xml" is none of auto, lines, whole`},
		{args: append(required, "--preamble", "some"), want: `--preamble: "some" is none of auto, none`},
		{args: append(required, "--pack", "zip"), want: `--pack: "zip" is none of array, lines, single`},
		{args: append(required, "--summary", "xml"), want: `--summary: "xml" is none of text, json`},
		{args: append(required, "--watch=perhaps"), want: `--watch: "perhaps" is neither true nor false`},
		{args: append(required, "--target-bytes", "1k"), want: `--target-bytes: "1k" is no whole number`},
		{args: append(required, "--target-bytes", "0"), want: "--target-bytes: 0 is below 1"},
		{args: append(required, "--concurrency", "-1"), want: "--concurrency: -1 is below 1"},
		{args: append(required, "--max-retries", "-1"), want: "--max-retries: -1 is below 0"},
		{args: append(required, "--rate", "NaN"), want: `--rate: "NaN" is no number`},
		{args: append(required, "--rate", "0"), want: "--rate: 0 is not above 0"},
		{args: append(required, "--ignore", "["), want: `--ignore: "[" is no pattern`},
		{args: append(required, "--ignore="), want: `--ignore: "" is no pattern`},
		{args: append(required, "--header", "A:b"), want: "--header: only with an http(s):// source"},
		{args: append(required, "--watch", "--keys-grow"), want: "--keys-grow: only with an s3:// source"},
		{args: []string{"--sink", "stdout:", "--source", "s3://b", "--watch", "--poll"}, want: "--poll: only with a folder"},
		{args: []string{"--sink", "stdout:", "--source", "http://h/", "--watch", "--settle", "1s"}, want: "--settle: only with a folder"},
		{args: append(required, "--poll"), want: "--poll: only with --watch"},
		{args: append(required, "--settle", "0"), want: "--settle: only with --watch"},
		{args: append(required, "--poll-interval", "1s"), want: "--poll-interval: only with --watch"},
		{args: append(required, "--rescan-interval", "1s"), want: "--rescan-interval: only with --watch"},
		{args: append(required, "--horizon", "1h"), want: "--horizon: only with --partitions"},
		{args: append(required, "--partitions", "2006", "--flat"), want: "--flat: not with --partitions, which are nested folders"},
		{
			args: append(required, "--partitions", "01/02"),
			want: `--partitions: bytime: FoldersConfig.Layout: "01/02": "01/" does not tell a year, month, day and so on without a gap`,
		},
		{args: []string{"--sink", "stdout:", "--source", "s3://b", "--partitions", "2006"}, want: "--horizon: required with --partitions of s3://"},
		{
			args: []string{"--sink", "stdout:", "--source", "s3://b", "--partitions", "*/2006", "--horizon", "1h"},
			want: `--partitions: "*/2006": s3:// takes no *`,
		},
		{args: append(required, "--marker", "a/b"), want: `--marker: "a/b" is neither a name, nor *.EXT, nor STEM.EXT`},
		{args: append(required, "--marker", "*"), want: `--marker: "*" is neither a name, nor *.EXT, nor STEM.EXT`},
		{args: append(required, "--merge"), want: "--merge: only with --marker"},
		{args: append(required, "--csv", "["), want: `--csv: "[" is no pattern`},
		{args: append(required, "--csv", "*", "--csv-delimiter", ";;"), want: `--csv-delimiter: ";;" is neither one character nor tab`},
		{args: append(required, "--csv-delimiter", ";"), want: "--csv-delimiter: only with --csv"},
		{args: append(required, "--csv-quotes", "lazy"), want: "--csv-quotes: only with --csv"},
		{args: append(required, "--csv-single-line"), want: "--csv-single-line: only with --csv"},
		{args: append(required, "--csv-header", "none"), want: "--csv-header: only with --csv"},
		{args: append(required, "--csv-names", "a"), want: "--csv-names: only with --csv"},
		{args: append(required, "--csv-columns", "a"), want: "--csv-columns: only with --csv"},
		{args: append(required, "--csv-type", "auto"), want: "--csv-type: only with --csv"},
		{args: append(required, "--csv-empty", "omit"), want: "--csv-empty: only with --csv"},
		{args: append(required, "--csv-missing", "omit"), want: "--csv-missing: only with --csv"},
		{args: append(required, "--csv-charset", "utf-16"), want: "--csv-charset: only with --csv"},
		{args: append(required, "--csv-max-rows", "1"), want: "--csv-max-rows: only with --csv"},
		{args: append(required, "--csv-max-row-bytes", "1"), want: "--csv-max-row-bytes: only with --csv"},
		{args: append(required, "--csv", "*", "--csv-names", "a,,b"), want: `--csv-names: name 2 of "a,,b" is empty`},
		{args: append(required, "--csv", "*", "--csv-columns", "=a"), want: `--csv-columns: column 1 of "=a" has no name`},
		{args: append(required, "--parquet-columns", "a"), want: "--parquet-columns: only with --parquet"},
		{args: append(required, "--parquet-omit-nulls"), want: "--parquet-omit-nulls: only with --parquet"},
		{args: append(required, "--sort", "a"), want: "--sort: only with --format lines, or --csv or --parquet"},
		{args: append(required, "--csv", "*", "--sort", "a:int"), want: `--sort: key 1 of "a:int": its type is none of text, number, time`},
		{args: append(required, "--csv", "*", "--sort", "a,,b"), want: `--sort: key 2 of "a,,b" has no path`},
		{args: append(required, "--sort-time", "2006"), want: "--sort-time: only with --sort"},
		{args: append(required, "--sort-memory", "4194304"), want: "--sort-memory: only with --sort"},
		{args: []string{"--sink", "stdout:", "--source", "gs://b", "--partitions", "2006"}, want: "--partitions: not with gs://"},
		{args: append(required, "--lease", "60"), want: `--lease: "60" is no duration such as 90s or 5m`},
		{args: append(required, "--lease", "1ms"), want: "--lease: 1ms is below 1s"},
		{args: append(required, "--linger", "-1s"), want: "--linger: -1s is below 0s"},
		{args: append(required, "--retry="), want: "--retry: is empty"},
		{args: append(required, "--limit", "5"), want: "--limit: only with --dry-run"},
		{args: append(required, "--dry-run", "--watch"), want: "--watch: not with --dry-run"},
		{args: append(required, "--offload", "s3://b"), want: "--offload: only with --sink sqs:"},
		{args: append(required, "--max-time", "5s", "--deadline-reduction", "5s"), want: "--deadline-reduction: 5s leaves nothing of --max-time 5s"},
		{args: append(required, "--config", "no-such-file"), want: "--config: open no-such-file: no such file or directory"},
		{args: required, file: "fromat: lines", want: "FILE: line 1: fromat: no such option"},
		{args: required, file: "config: other", want: "FILE: line 1: config: no such option"},
		{args: required, file: "\nformat: lines\nformat: auto", want: "FILE: line 3: format: given twice"},
		{args: append(required, "--format", "lines"), file: "format: xml", want: `FILE: line 1: format: "xml" is none of auto, lines, whole`},
		{args: required, file: "format: [auto]", want: "FILE: line 1: format: needs one value"},
		{args: required, file: "format:", want: "FILE: line 1: format: needs one value"},
		{args: required, file: "watch: perhaps", want: `FILE: line 1: watch: "perhaps" is neither true nor false`},
		{args: required, file: "- format", want: "FILE: line 1: not a mapping of option names to values"},
		{args: required, file: "a: b: c", want: "FILE: yaml: mapping values are not allowed in this context"},
	} {
		args, want := c.args, c.want
		if c.file != "" {
			name := writeFile(t, c.file)
			args, want = append(args, "--config", name), strings.ReplaceAll(want, "FILE", name)
		}
		_, errs := parseRun(args)
		require.Len(t, errs, 1, "%v", args)
		assert.EqualError(t, errs[0], want)
	}
}

// All mistakes come at once: those of flags, of the file, and of what they
// name.
func TestAllMistakesAtOnce(t *testing.T) {
	file := writeFile(t, "lease: soon\nnonsense: 1\n")
	args := []string{"run", "--nope", "--pack", "zip", "here", "--config", file, "--rate", "x", "--retry", "gopher://x/y", "--select", "a,,b"}
	for _, dry := range []bool{false, true} {
		want := []string{"-nope", `"here"`, "--pack", "lease", "nonsense", "--rate", "--source", "--select"}
		if dry {
			args = append(args, "--dry-run")
		} else {
			want = append(want, "--sink", "--retry")
		}
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), args, &stdout, &stderr))
		assert.Empty(t, stdout.String())
		for _, w := range want {
			assert.Contains(t, stderr.String(), w)
		}
		assert.Equal(t, len(want)+1, strings.Count(stderr.String(), "\n"), stderr.String())
	}
}

// Each mistake in one option is a line that names it.
func TestEachMistakeNamesItsOption(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitUsage, run(t.Context(), []string{"run", "--source", t.TempDir(), "--dry-run", "--select", "x=,=y,,a"}, &stdout, &stderr))
	assert.Equal(t, 3, strings.Count(stderr.String(), "\nunspool: --select: field ")+1, stderr.String())
	assert.Equal(t, 4, strings.Count(stderr.String(), "\n"), "the last line leads to the help")
}

// parseRun parses the arguments of "unspool run".
func parseRun(args []string) (words, []error) {
	c, _ := findCommand("run")
	return c.parse(args)
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"run", "--help"}, {"run", "-h"}, {"run", "--nope", "--help"}, {"help", "run"}} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitOK, run(t.Context(), args, &stdout, &stderr))
		assert.Empty(t, stderr.String())
		golden(t, "run-help.txt", stdout.String())
		for _, g := range runGroups {
			for _, o := range g.options {
				assert.Contains(t, stdout.String(), "\n  --"+o.name)
			}
		}
	}
	for _, c := range commands {
		for _, args := range [][]string{{c.name, "--help"}, {"help", c.name}} {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, exitOK, run(t.Context(), args, &stdout, &stderr))
			assert.Empty(t, stderr.String())
			golden(t, c.name+"-help.txt", stdout.String())
		}
	}
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitOK, run(t.Context(), []string{"help"}, &stdout, &stderr))
	golden(t, "help.txt", stdout.String())
}

func TestCommands(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitOK, run(t.Context(), []string{"version"}, &stdout, &stderr))
	assert.Regexp(t, `^unspool \S+\n$`, stdout.String())
	stdout.Reset()
	assert.Equal(t, exitUsage, run(t.Context(), []string{"ruin"}, &stdout, &stderr))
	assert.Equal(t, exitUsage, run(t.Context(), nil, &stdout, &stderr))
	assert.Empty(t, stdout.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "if this is meant: go test ./examples/unspool -update")
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}
