package decoder

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/source"
)

// The optional parts are there if and only if the inner source has them.
func TestParts(t *testing.T) {
	type bare struct{ source.Source }
	type small = source.SmallReader
	type remover = source.Remover
	type mover = source.Mover
	type watcher = source.Watcher
	for _, inner := range []source.Source{
		bare{},
		struct {
			bare
			remover
		}{},
		struct {
			bare
			mover
		}{},
		struct {
			bare
			watcher
		}{},
		struct {
			bare
			remover
			watcher
		}{},
		struct {
			bare
			mover
			watcher
		}{},
	} {
		for _, reader := range []source.SmallReader{nil, struct{ small }{}} {
			s := WithParts(Base{inner}, inner, reader)
			_, got := s.(source.SmallReader)
			assert.Equal(t, reader != nil, got, "%T: SmallReader", inner)
			_, want := inner.(source.Remover)
			_, got = s.(source.Remover)
			assert.Equal(t, want, got, "%T: Remover", inner)
			_, want = inner.(source.Mover)
			_, got = s.(source.Mover)
			assert.Equal(t, want, got, "%T: Mover", inner)
			_, want = inner.(source.Watcher)
			_, got = s.(source.Watcher)
			assert.Equal(t, want, got, "%T: Watcher", inner)
			assert.Implements(t, (*source.Relister)(nil), s)
			assert.Equal(t, inner, s.(source.Decoder).Stored())
		}
	}
	assert.Equal(t, noPlace, Base{bare{}}.URL())
}

func TestMatch(t *testing.T) {
	assert.True(t, Match(nil).Key("anything"))
	m := Match{"*.csv", "*.CSV.gz"}
	require.NoError(t, m.Check())
	for key, want := range map[string]bool{"a.csv": true, "d/e/A.CSV": true, "a.csv.GZ": true, "a.json": false, "a.csv/b": false} {
		assert.Equal(t, want, m.Key(key), key)
	}
	assert.ErrorContains(t, Match{"a", "["}.Check(), "Config.Match[1]")
}

// Options that are not set leave no trace, and no two settings look alike.
func TestOptions(t *testing.T) {
	type part struct{ A, B string }
	type config struct {
		Name  string
		N     int
		Parts []part
		Names []string
	}
	assert.Equal(t, Options(struct{ Name string }{"x"}), Options(config{Name: "x"}))
	seen := map[string]bool{}
	for _, c := range []config{
		{}, {Name: "x"}, {N: 1}, {Names: []string{"ab"}}, {Names: []string{"a", "b"}}, {Names: []string{`a";"b`}},
		{Parts: []part{{A: "x"}}}, {Parts: []part{{B: "x"}}}, {Parts: []part{{A: "x"}, {B: "x"}}}, {Parts: []part{{A: "x", B: "x"}}},
	} {
		assert.False(t, seen[Options(c)], "%+v", c)
		seen[Options(c)] = true
	}
	assert.Equal(t, "gzip+"+Encoding("", "csv", "x"), Encoding("gzip", "csv", "x"))
	assert.NotEqual(t, Encoding("", "csv", "x"), Encoding("", "csv", "y"))
}

func TestStringsAreThoseOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ToValidUTF8(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")), "\ufffd")
		var back string
		require.NoError(t, json.Unmarshal(AppendString(nil, s), &back))
		require.Equal(t, s, back)
		require.Equal(t, strings.ToValidUTF8(s, "?"), s)
	})
	assert.Equal(t, "a\ufffd\ufffdb", string(AppendValid(nil, []byte("a\xff\xfeb"))))
}

func TestNumbersAreThoseOfEncodingJSON(t *testing.T) {
	piece := rapid.SampledFrom([]string{"-", "+", "0", "1", "12", ".", "e", "E", " ", "a", "5"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
		require.Equal(t, json.Valid([]byte(s)) && strings.TrimSpace(s) == s, IsNumber([]byte(s)), "%q", s)
	})
}

// some is rows that come in pieces and end in an error.
type some struct {
	pieces []string
	err    error
	closed int
}

func (s *some) Append(dst []byte) ([]byte, error) {
	if len(s.pieces) == 0 {
		return dst, s.err
	}
	dst = append(dst, s.pieces[0]...)
	if s.pieces = s.pieces[1:]; len(s.pieces) == 0 {
		return dst, s.err
	}
	return dst, nil
}

func (s *some) Close() error { s.closed++; return nil }

func TestReader(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF} {
		rows := &some{pieces: []string{"one\n", "", "two\n"}, err: err}
		r := NewReader(t.Context(), "x", rows, -1)
		got, readErr := io.ReadAll(iotest.OneByteReader(r))
		assert.Equal(t, "one\ntwo\n", string(got), "an error comes behind the rows before it")
		if err != io.EOF {
			assert.ErrorIs(t, readErr, err)
		}
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		assert.Equal(t, 1, rows.closed)
	}
	r := NewReader(t.Context(), "x", &some{pieces: []string{"one\n"}, err: io.EOF}, 5)
	_, err := io.ReadAll(r)
	assert.ErrorIs(t, err, errShort)

	ctx, cancel := context.WithCancel(t.Context())
	r = NewReader(ctx, "x", &some{pieces: []string{"one\n"}, err: io.EOF}, -1)
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	cancel()
	_, err = r.Read(make([]byte, 1))
	assert.ErrorIs(t, err, context.Canceled)
}
