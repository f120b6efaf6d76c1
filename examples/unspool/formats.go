package main

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/unspool-go/unspool/source/csv"
	"github.com/unspool-go/unspool/source/parquet"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/transform"
)

// Options that say what files are made of, beside JSON.
var (
	csvOptions = []option{
		{"csv", "PATTERN…", "files whose name, not the path, matches, such as '*.csv' or '*.csv.gz', are CSV: each row becomes a " +
			"JSON object; may be given again",
			addMatch(func(s *settings) *[]string { return &s.CSV })},
		{"csv-delimiter", "CHAR", "what stands between fields: one character, or tab. Default is a comma",
			character(func(s *settings) *rune { return &s.CSVDelimiter })},
		{"csv-quotes", "NAME", "strict is as in RFC 4180; lazy takes a quote in the middle of a field for text; none takes all of " +
			"them for text. Default strict",
			oneOf(func(s *settings) *string { return &s.CSVQuotes }, "strict", "lazy", "none")},
		{"csv-single-line", "", "no field holds a newline: a quote that is not closed spoils its line only",
			toggle(func(s *settings) *bool { return &s.CSVSingleLine })},
		{"csv-header", "NAME", "first takes the names of the columns from the first row, skip passes that over, none has it as data. " +
			"Default first, or none with --csv-names",
			oneOf(func(s *settings) *string { return &s.CSVHeader }, "first", "skip", "none")},
		{"csv-names", "NAMES", "the names of the columns, with commas between them. Default c1,c2 and so on where the header is not read",
			names(func(s *settings) *[]string { return &s.CSVNames })},
		{"csv-columns", "COLUMNS", "the columns to keep, in this order, as [MEMBER=]COLUMN[:TYPE] with commas between them, such as " +
			"id:number,member=paid by; types are string, number, bool and auto. Default is all",
			setColumns},
		{"csv-type", "TYPE", "the type of the other columns. Default string",
			oneOf(func(s *settings) *string { return &s.CSVType }, columnTypes...)},
		{"csv-empty", "NAME", "what an empty field becomes: string (null in numbers and bools), null, or omit leaves it out. Default string",
			oneOf(func(s *settings) *string { return &s.CSVEmpty }, "string", "null", "omit")},
		{"csv-missing", "NAME", "what becomes of a row with too few fields: corrupt makes it a corrupt record, null and omit fill it up. " +
			"Default corrupt",
			oneOf(func(s *settings) *string { return &s.CSVMissing }, "corrupt", "null", "omit")},
		{"csv-charset", "NAME", "utf-8, iso-8859-1, windows-1252, utf-16, utf-16le or utf-16be. Default utf-8",
			oneOf(func(s *settings) *string { return &s.CSVCharset }, "utf-8", "iso-8859-1", "windows-1252", "utf-16", "utf-16le", "utf-16be")},
		{"csv-max-rows", "N", "read at most N rows of a file; that there are more is one corrupt record. Default is no limit",
			count(func(s *settings) *int { return &s.CSVMaxRows }, 1)},
		{"csv-max-row-bytes", "N", "the longest row; a longer one is corrupt. Default 1048576",
			count(func(s *settings) *int { return &s.CSVMaxRowBytes }, 1)},
	}
	parquetOptions = []option{
		{"parquet", "PATTERN…", "files of such names, as '*.parquet', are Parquet: each row becomes a JSON object; may be given again",
			addMatch(func(s *settings) *[]string { return &s.Parquet })},
		{"parquet-columns", "NAMES", "the columns to read, with commas between them. Default is all",
			names(func(s *settings) *[]string { return &s.ParquetColumns })},
		{"parquet-omit-nulls", "", "leave out what is null",
			toggle(func(s *settings) *bool { return &s.ParquetOmitNulls })},
	}
	sortOptions = []option{
		{"sort", "KEYS", "put the lines of each file in order, as PATH[:TYPE][:desc] with commas between keys, such as " +
			"user.id:number,at:time:desc; types are text, number and time. Lines without a key come last, equal ones stay as they " +
			"are. Needs a record in each line: --format lines, or rows",
			setSort},
		{"sort-time", "LAYOUT", "how times are written that --sort compares, as Go writes times. Default 2006-01-02T15:04:05Z07:00",
			text(func(s *settings) *string { return &s.SortTime })},
		{"sort-memory", "N", "how many bytes of memory sorting takes, before it goes to temporary files. Default 67108864",
			count(func(s *settings) *int { return &s.SortMemory }, 4<<20)},
	}
)

// columnTypes are the types of CSV columns, as they are called everywhere.
var columnTypes = []string{string(csv.TypeString), string(csv.TypeNumber), string(csv.TypeBool), string(csv.TypeAuto)}

// addMatch adds a pattern to a list of them.
func addMatch(field func(*settings) *[]string) func(*settings, string) error {
	return func(s *settings, pattern string) error {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%q is no pattern", pattern)
		}
		list := field(s)
		*list = append(*list, pattern)
		return nil
	}
}

// character is one character, or its name.
func character(field func(*settings) *rune) func(*settings, string) error {
	return func(s *settings, value string) error {
		if value == "tab" {
			value = "\t"
		}
		r, n := utf8.DecodeRuneInString(value)
		if n == 0 || n < len(value) {
			return fmt.Errorf("%q is neither one character nor tab", value)
		}
		*field(s) = r
		return nil
	}
}

// names is a list of names with commas between them.
func names(field func(*settings) *[]string) func(*settings, string) error {
	return func(s *settings, value string) error {
		list := strings.Split(value, ",")
		for i, name := range list {
			if list[i] = strings.TrimSpace(name); list[i] == "" {
				return fmt.Errorf("name %d of %q is empty", i+1, value)
			}
		}
		*field(s) = list
		return nil
	}
}

// cutType takes a known type off the end of text, which may hold other colons.
func cutType(text string, known []string) (rest, kind string) {
	for _, kind := range known {
		if rest, ok := strings.CutSuffix(text, ":"+kind); ok {
			return rest, kind
		}
	}
	return text, ""
}

// setColumns is --csv-columns.
func setColumns(s *settings, value string) error {
	var (
		columns []csv.Column
		errs    []error
	)
	for i, text := range strings.Split(value, ",") {
		text, kind := cutType(strings.TrimSpace(text), columnTypes)
		as, name, renamed := strings.Cut(text, "=")
		if !renamed {
			as, name = "", text
		}
		if name == "" || renamed && as == "" {
			errs = append(errs, fmt.Errorf("column %d of %q has no name", i+1, value))
		}
		columns = append(columns, csv.Column{Name: name, As: as, Type: csv.Type(kind)})
	}
	s.CSVColumns = columns
	return errors.Join(errs...)
}

// setSort is --sort.
func setSort(s *settings, value string) error {
	var (
		keys []sorted.Key
		errs []error
	)
	for i, text := range strings.Split(value, ",") {
		text, descending := strings.CutSuffix(strings.TrimSpace(text), ":desc")
		name, kind := cutType(text, []string{string(sorted.Text), string(sorted.Number), string(sorted.Time)})
		if name == "" {
			errs = append(errs, fmt.Errorf("key %d of %q has no path", i+1, value))
		}
		if kind == "" && strings.Contains(name, ":") {
			errs = append(errs, fmt.Errorf("key %d of %q: its type is none of text, number, time", i+1, value))
		}
		keys = append(keys, sorted.Key{Name: name, Type: sorted.Type(kind), Descending: descending})
	}
	s.Sort = keys
	return errors.Join(errs...)
}

func csvConfig(set settings) csv.Config {
	cfg := csv.Config{
		Match: set.CSV, Comma: set.CSVDelimiter, SingleLine: set.CSVSingleLine,
		NoQuotes: set.CSVQuotes == "none", LazyQuotes: set.CSVQuotes == "lazy",
		Header: csv.Header(set.CSVHeader), Names: set.CSVNames, Columns: set.CSVColumns,
		Type: csv.Type(set.CSVType), Empty: csv.Empty(set.CSVEmpty), Missing: csv.Missing(set.CSVMissing),
		Charset: csv.Charset(set.CSVCharset), MaxRows: int64(set.CSVMaxRows), MaxRowBytes: set.CSVMaxRowBytes,
	}
	if set.CSVMissing == "corrupt" {
		cfg.Missing = csv.MissingFlaw
	}
	return cfg
}

func parquetConfig(set settings) parquet.Config {
	return parquet.Config{Match: set.Parquet, Columns: set.ParquetColumns, OmitNulls: set.ParquetOmitNulls}
}

// sortedConfig is that of --sort.
func sortedConfig(set settings) sorted.Config {
	cfg := sorted.Config{By: make([]sorted.Key, len(set.Sort)), MemoryBytes: int64(set.SortMemory)}
	for i, key := range set.Sort {
		if key.Type == sorted.Time {
			key.Layout = set.SortTime
		}
		cfg.By[i] = key
	}
	if set.Preamble == "auto" {
		cfg.Preamble = transform.StripPreamble{}
	}
	return cfg
}

// checkFormats reports options that need others.
func checkFormats(s *settings) []error {
	var errs []error
	rows := len(s.CSV) > 0 || len(s.Parquet) > 0
	for _, o := range []struct {
		name         string
		given, needs bool
		of           string
	}{
		{"csv-delimiter", s.CSVDelimiter != 0, len(s.CSV) > 0, "--csv"},
		{"csv-quotes", s.CSVQuotes != "", len(s.CSV) > 0, "--csv"},
		{"csv-single-line", s.CSVSingleLine, len(s.CSV) > 0, "--csv"},
		{"csv-header", s.CSVHeader != "", len(s.CSV) > 0, "--csv"},
		{"csv-names", s.CSVNames != nil, len(s.CSV) > 0, "--csv"},
		{"csv-columns", s.CSVColumns != nil, len(s.CSV) > 0, "--csv"},
		{"csv-type", s.CSVType != "", len(s.CSV) > 0, "--csv"},
		{"csv-empty", s.CSVEmpty != "", len(s.CSV) > 0, "--csv"},
		{"csv-missing", s.CSVMissing != "", len(s.CSV) > 0, "--csv"},
		{"csv-charset", s.CSVCharset != "", len(s.CSV) > 0, "--csv"},
		{"csv-max-rows", s.CSVMaxRows > 0, len(s.CSV) > 0, "--csv"},
		{"csv-max-row-bytes", s.CSVMaxRowBytes > 0, len(s.CSV) > 0, "--csv"},
		{"parquet-columns", s.ParquetColumns != nil, len(s.Parquet) > 0, "--parquet"},
		{"parquet-omit-nulls", s.ParquetOmitNulls, len(s.Parquet) > 0, "--parquet"},
		{"sort-time", s.SortTime != "", s.Sort != nil, "--sort"},
		{"sort-memory", s.SortMemory > 0, s.Sort != nil, "--sort"},
		{"sort", s.Sort != nil, s.Format == "lines" || rows && s.Format == "auto", "--format lines, or --csv or --parquet"},
		{"merge", s.Merge, s.Marker != "", "--marker"},
	} {
		if o.given && !o.needs {
			errs = append(errs, fmt.Errorf("--%s: only with %s", o.name, o.of))
		}
	}
	return errs
}
