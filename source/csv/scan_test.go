package csv

import (
	stdcsv "encoding/csv"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// flawed stands for a row that cannot be decoded.
const flawed = "\x00flawed"

// scanAll returns the rows of a text as the scanner finds them, and what follows
// from their texts.
func scanAll(cfg Config, r io.Reader) (rows [][]string, texts []string) {
	cfg = cfg.withDefaults()
	s := newScanner(&cfg)
	s.buf = make([]byte, wordBytes+16) // so that it has to grow
	s.in = r
	for {
		row, v := s.next()
		switch v {
		case rowMore:
			return rows, texts
		case rowLong:
			var text []byte
			for s.startLong(); s.long != longNone; {
				text = s.passLong(text)
			}
			rows, texts = append(rows, []string{flawed}), append(texts, "long")
			continue
		case rowFlaw:
			rows, texts = append(rows, []string{flawed}), append(texts, string(row.text))
			continue
		}
		var fields []string
		for _, f := range s.fields {
			fields = append(fields, string(s.bytes(f)))
		}
		rows, texts = append(rows, fields), append(texts, string(row.text))
	}
}

// stdAll returns the rows of a text as encoding/csv finds them.
func stdAll(cfg Config, text string) (rows [][]string) {
	cfg = cfg.withDefaults()
	r := stdcsv.NewReader(strings.NewReader(text))
	r.Comma, r.Comment, r.LazyQuotes, r.FieldsPerRecord = cfg.Comma, cfg.Comment, cfg.LazyQuotes, -1
	for {
		fields, err := r.Read()
		if parse, ok := errors.AsType[*stdcsv.ParseError](err); ok && parse != nil {
			rows = append(rows, []string{flawed})
			continue
		}
		if err != nil {
			return rows
		}
		rows = append(rows, fields)
	}
}

// normal does to quoted newlines what encoding/csv does.
func normal(rows [][]string) [][]string {
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
		}
	}
	return rows
}

// checkScan compares the scanner with encoding/csv, however the text arrives.
func checkScan(t require.TestingT, cfg Config, text string, chunk int) {
	want := stdAll(cfg, text)
	got, texts := scanAll(cfg, strings.NewReader(text))
	require.Equal(t, want, normal(got), "%q", text)
	for _, row := range texts {
		require.Contains(t, text, row)
	}
	for _, r := range []io.Reader{
		iotest.OneByteReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)),
		chunks(strings.NewReader(text), chunk),
	} {
		again, sameTexts := scanAll(cfg, r)
		require.Equal(t, want, normal(again), "in pieces: %q", text)
		require.Equal(t, texts, sameTexts)
	}

	// Rows that are not too long are the same next to those that are.
	if cfg.Comment != 0 {
		return // a comment that is too long is a flaw
	}
	long := cfg
	long.MaxRowBytes = 4
	short, _ := scanAll(long, strings.NewReader(text))
	for i := range texts {
		if len(texts[i]) > long.MaxRowBytes {
			got[i] = []string{flawed}
		}
	}
	require.Equal(t, normal(got), normal(short), "with long rows: %q", text)
	short, _ = scanAll(long, iotest.OneByteReader(strings.NewReader(text)))
	require.Equal(t, normal(got), normal(short), "with long rows in pieces: %q", text)
}

func chunks(r io.Reader, most int) io.Reader {
	random := rand.New(rand.NewPCG(1, uint64(most)))
	return readFunc(func(p []byte) (int, error) { return r.Read(p[:min(len(p), 1+random.IntN(most+1))]) })
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

var dialects = []Config{{}, {LazyQuotes: true}, {Comma: '\t'}, {Comma: 'é', Comment: '#'}, {Comma: ';', LazyQuotes: true, Comment: 'a'}, {Comma: '0'}}

// TestScannerAcceptsWhatEncodingCSVDoes on texts made of what matters.
func TestScannerAcceptsWhatEncodingCSVDoes(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		",", "\n", "\r\n", "\r", `"`, `""`, "a", "bc", " ", "\t", "é", ";", "#", `"a"`, `"a,b"`, "\"a\nb\"", "\"a\r\nb\"", `"a""b"`, "0123456789", "\xff", "\x00", "\\",
	})
	rapid.Check(t, func(t *rapid.T) {
		cfg := rapid.SampledFrom(dialects).Draw(t, "dialect")
		text := strings.Join(rapid.SliceOfN(piece, 0, 25).Draw(t, "text"), "")
		checkScan(t, cfg, text, rapid.IntRange(0, 8).Draw(t, "chunk"))
	})
}

func FuzzScanner(f *testing.F) {
	for i, text := range []string{
		"a,b\n1,2\n", "\"a\",\"b\"\n\"1\n2\",\"x\"\"y\"\r\n", "\"open\nx,y", "a\"b,c\nd,e\n", "\"a\"b,c\nd,e", "#c\n\n\r\n,\n", "\"a\r", "\r", "\"\"\"", "a;é\tb\n",
		strings.Repeat("0123456,", 9) + "\n" + strings.Repeat(",", 17),
	} {
		for d := range dialects {
			f.Add([]byte(text), byte(d), byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, dialect, chunk byte) {
		if len(text) > 1<<12 {
			t.Skip("longer than needed")
		}
		checkScan(t, dialects[int(dialect)%len(dialects)], string(text), int(chunk))
	})
}
