package sorted_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/source"
	"github.com/unspool-go/unspool/source/sorted"
	"github.com/unspool-go/unspool/source/sourcetest"
)

// value is a key as a plain reading has it.
type value struct {
	state int // where it stands: before or after those that have one
	text  string
	num   *big.Rat
	at    time.Time
}

func compareValues(a, b value, k sorted.Key) int {
	if a.state != b.state {
		return a.state - b.state
	}
	if a.state != 0 {
		return 0
	}
	var c int
	switch k.Type {
	case sorted.Number:
		c = a.num.Cmp(b.num)
	case sorted.Time:
		c = a.at.Compare(b.at)
	default:
		c = strings.Compare(a.text, b.text)
	}
	if k.Descending {
		return -c
	}
	return c
}

// valueOf reads the member "a" or "b" of a line by package json.
func valueOf(line string, cfg sorted.Config, k sorted.Key) value {
	place := func(p sorted.Place, far int) value {
		if p == sorted.First {
			return value{state: -far}
		}
		return value{state: far}
	}
	absent, wrong := place(cfg.Missing, 2), place(cfg.Invalid, 1)
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &members) != nil {
		return absent
	}
	raw, ok := members[k.Name]
	if !ok || string(raw) == "null" {
		return absent
	}
	text := string(raw)
	switch raw[0] {
	case '"':
		if json.Unmarshal(raw, &text) != nil {
			return wrong
		}
	case '{', '[':
		return wrong
	case 't', 'f':
		if k.Type != sorted.Text {
			return wrong
		}
	}
	switch k.Type {
	case sorted.Number:
		n, ok := new(big.Rat).SetString(text)
		if !ok || strings.ContainsAny(text, "/xpXP_") {
			return wrong
		}
		return value{num: n}
	case sorted.Time:
		at, err := time.Parse(k.Layout, text)
		if err != nil {
			return wrong
		}
		return value{at: at}
	case sorted.Text:
	}
	return value{text: text}
}

// Whatever lines and keys there are, and however little memory: what comes out is
// what a stable sort of all lines gives by comparing what package json reads.
func TestPermutationOrderedAndStable(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		member := rapid.OneOf(
			rapid.StringMatching(`-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][-+]?[0-9]{1,2})?`),
			rapid.StringMatching(`"(-?[0-9]{1,3}|[a-c]{0,9}|2026-11-2[0-9]|\\u00[04][0-9]|ü)"`),
			rapid.SampledFrom([]string{"null", "true", "false", "{}", "[1]", `""`}),
		)
		line := rapid.Custom(func(t *rapid.T) string {
			s := "{"
			for _, name := range rapid.SampledFrom([][]string{{"a"}, {"a", "b"}, {"b", "a"}, {"b"}, {}}).Draw(t, "members") {
				if s != "{" {
					s += ","
				}
				s += fmt.Sprintf("%q:%s", name, member.Draw(t, name))
			}
			return s + "}" + rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		})
		lines := rapid.SliceOfN(rapid.OneOf(line, line, line, rapid.Just("\n"), rapid.Just("no json\n")), 0, 60).Draw(t, "lines")
		key := rapid.Custom(func(t *rapid.T) sorted.Key {
			k := sorted.Key{
				Name:       rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"),
				Type:       rapid.SampledFrom([]sorted.Type{sorted.Text, sorted.Number, sorted.Time}).Draw(t, "type"),
				Descending: rapid.Bool().Draw(t, "descending"),
			}
			if k.Type == sorted.Time {
				k.Layout = time.DateOnly
			}
			return k
		})
		place := rapid.SampledFrom([]sorted.Place{sorted.First, sorted.Last})
		cfg := sorted.Config{
			By:      rapid.SliceOfN(key, 1, 3).Draw(t, "by"),
			Missing: place.Draw(t, "missing"), Invalid: place.Draw(t, "invalid"), TempDir: dir,
		}
		want := slices.Clone(lines)
		slices.SortStableFunc(want, func(a, b string) int {
			for _, k := range cfg.By {
				if c := compareValues(valueOf(a, cfg, k), valueOf(b, cfg, k), k); c != 0 {
					return c
				}
			}
			return 0
		})
		src, err := sorted.New(sourcetest.NewMemory(map[string]string{"o": strings.Join(lines, "")}), cfg)
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "little memory") {
			sorted.Squeeze(src, rapid.IntRange(1, 300).Draw(t, "chunk"), rapid.IntRange(1, 9).Draw(t, "entries"), rapid.IntRange(2, 4).Draw(t, "fan in"))
		}
		r, _, err := src.Open(context.Background(), source.Object{Key: "o", Size: -1}, 0, -1)
		require.NoError(t, err)
		var got []byte
		buf := make([]byte, rapid.IntRange(1, 100).Draw(t, "read"))
		for err == nil {
			var n int
			n, err = r.Read(buf)
			got = append(got, buf[:n]...)
		}
		require.Equal(t, io.EOF, err)
		require.Equal(t, strings.Join(want, ""), string(got))
		require.NoError(t, r.Close())
		require.Zero(t, sorted.Taken(src), "memory is given back")
	})
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Closed early, cut off or ended by its context, it gives everything back.
func TestMemoryIsGivenBack(t *testing.T) {
	in, _ := many(2000)
	dir := t.TempDir()
	for _, squeeze := range []bool{false, true} {
		m := sourcetest.NewMemory(map[string]string{"o": in})
		src := ordered(t, m, sorted.Config{Format: sorted.Delimited, By: []sorted.Key{{}}, TempDir: dir})
		if squeeze {
			sorted.Squeeze(src, 4096, 10, 3)
		}
		for name, try := range map[string]func(ctx context.Context, cancel func(), r io.Reader) error{
			"never read": func(context.Context, func(), io.Reader) error { return nil },
			"closed early": func(_ context.Context, _ func(), r io.Reader) error {
				_, err := io.ReadFull(r, make([]byte, 100))
				return err
			},
			"cancelled": func(_ context.Context, cancel func(), r io.Reader) error {
				if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
					return err
				}
				cancel()
				if _, err := io.Copy(io.Discard, r); err != context.Canceled && !strings.Contains(err.Error(), `"o"`) {
					return fmt.Errorf("after the end of its context: %w", err)
				}
				return nil
			},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			r, _, err := src.Open(ctx, source.Object{Key: "o", Size: -1}, 0, -1)
			require.NoError(t, err)
			require.NoError(t, try(ctx, cancel, r), name)
			require.NoError(t, r.Close())
			require.NoError(t, r.Close(), "again")
			_, err = r.Read(make([]byte, 1))
			require.Error(t, err)
			require.Zero(t, sorted.Taken(src), name)
			cancel()
		}
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// FuzzNumber compares the keys of two numbers with the numbers as package big has
// them.
func FuzzNumber(f *testing.F) {
	for _, group := range numbers {
		for _, n := range group {
			f.Add(n, "1")
			f.Add("-0.5", n)
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ka, oka := sorted.AppendNumber(nil, []byte(a))
		kb, okb := sorted.AppendNumber(nil, []byte(b))
		if !oka || !okb {
			return
		}
		if bytes.HasPrefix(ka, kb) != bytes.Equal(ka, kb) {
			t.Fatalf("%q: %x is the beginning of %q: %x", b, kb, a, ka)
		}
		ra, rb := rational(a), rational(b)
		if ra == nil || rb == nil {
			return
		}
		if want, got := ra.Cmp(rb), bytes.Compare(ka, kb); want != got {
			t.Fatalf("%q is %d to %q, want %d", a, got, b, want)
		}
	})
}

// rational returns a number, or nil for one that takes too much memory.
func rational(s string) *big.Rat {
	if i := strings.IndexAny(s, "eE"); i >= 0 && len(strings.TrimLeft(s[i+1:], "+-0")) > 3 {
		return nil
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("not a number: " + s)
	}
	return n
}

// FuzzLine makes keys of any line: none panics, depends on anything else or is the
// beginning of another.
func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":"x\u0000"}}`))
	f.Add([]byte(`1,"a""b",c`), []byte("\"\n"))
	f.Add([]byte(`{"a":`), []byte(`{"a":"`))
	f.Add(bytes.Repeat([]byte(`{"a":`), 10_000), bytes.Repeat([]byte(`[`), 10_000))
	configs := []sorted.Config{
		{By: []sorted.Key{{Name: "a.b"}, {Name: "a.0", Type: sorted.Number, Descending: true}}},
		{Format: sorted.Delimited, Quotes: true, By: []sorted.Key{{Index: 1}, {Type: sorted.Time, Descending: true}}},
		{Format: sorted.Delimited, Delimiter: "::", By: []sorted.Key{{Index: 2, Descending: true}, {Index: 1, Type: sorted.Number}}},
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, cfg := range configs {
			ka, kb := sorted.AppendKey(cfg, a), sorted.AppendKey(cfg, b)
			if bytes.HasPrefix(ka, kb) != bytes.Equal(ka, kb) {
				t.Fatalf("%x is the beginning of %x", kb, ka)
			}
			if !bytes.Equal(ka, sorted.AppendKey(cfg, a)) {
				t.Fatal("another key for the same line")
			}
		}
	})
}
