package csv

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// checkJSON compares the lines of JSON that come of a text with what encoding/csv
// reads of it: a member for each field, in order, or a flaw.
func checkJSON(t require.TestingT, cfg Config, text string) {
	cfg.Header, cfg.Extra, cfg.Missing, cfg.UTF8 = HeaderNone, "more", MissingOmit, ReplaceUTF8
	m := sourcetest.NewMemory(map[string]string{"a": text})
	s, err := New(m, cfg)
	require.NoError(t, err)
	r, _, err := s.Open(context.Background(), source.Object{Key: "a", Size: -1}, 0, -1)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	small, _, err := s.(source.SmallReader).ReadObject(context.Background(), source.Object{Key: "a", Size: -1}, nil, 1<<20)
	require.NoError(t, err)
	require.Equal(t, string(got), string(small))
	text = strings.TrimPrefix(text, "\ufeff")
	rows := stdAll(cfg, text)
	for line := range strings.Lines(string(got)) {
		require.NotEmpty(t, rows, "%q: a row too many", text)
		want := rows[0]
		rows = rows[1:]
		if strings.HasPrefix(line, "\x00flaw ") {
			require.Equal(t, []string{flawed}, want, "%q: a sound row is a flaw", text)
			continue
		}
		require.True(t, utf8.ValidString(line), "%q", line)
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &object), "%q", line)
		for i, field := range want {
			name := fmt.Sprint("c", i+1)
			value, ok := object[name].(string)
			if !ok {
				value, _ = object["more"].([]any)[0].(string)
				object["more"] = object["more"].([]any)[1:]
			}
			require.Equal(t, strings.ToValidUTF8(field, "\ufffd"), strings.ReplaceAll(collapse(value), "\r\n", "\n"), "%q", text)
		}
	}
	require.Empty(t, rows, "%q: rows are missing", text)
}

// collapse makes one replacement character of several, as strings.ToValidUTF8
// does.
func collapse(s string) string {
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}

func TestJSONIsWhatEncodingCSVReads(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		",", ",", "\n", "\r\n", `"`, `"`, `""`, "a", "bc", " ", "\t", "é", ";", `"a"`, `"a,b"`, `,"x",`, "\"a\nb\"", `"a""b"`, "0123456789", "\xff", "\x00", "\\", "\x1f", "\x7f",
		strings.Repeat("long", 20),
	})
	rapid.Check(t, func(t *rapid.T) {
		cfg := rapid.SampledFrom(dialects).Draw(t, "dialect")
		checkJSON(t, cfg, strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "text"), ""))
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte("a,b\n\"1\",\"2\"\n,\n"), byte(0))
	f.Add([]byte("\ufeffa,\"\\\"\n\"x\"\"y\",\x01\n"), byte(1))
	f.Add([]byte("12345678,12345678\n1234567,\"123456\"\n"), byte(5))
	for dialect := range dialects { // not UTF-8, in each of the ways that a row is cut
		f.Add([]byte("a,\xffb\nc,\"d\xff\"\n\"e\"\"\",\xc3\n\"é\",\"f\ng\xff\"\n"), byte(dialect))
	}
	f.Fuzz(func(t *testing.T, text []byte, dialect byte) {
		if len(text) > 1<<12 {
			t.Skip("longer than needed")
		}
		checkJSON(t, dialects[int(dialect)%len(dialects)], string(text))
	})
}
