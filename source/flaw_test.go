package source

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/unspool-go/unspool/processor/fault"
)

// Each flaw is one corrupt record, with the original text and the reason, and its
// neighbours are what they were, however the stream is cut.
func TestAFlawIsOneCorruptRecord(t *testing.T) {
	piece := rapid.SampledFrom([]string{"\n", "\x00", "a", ",", "\x00n", "\x000", " ", "\r\n", "é", "{\"a\":1}", "\"", "\x00flaw ", strings.Repeat("long ", 200)})
	rapid.Check(t, func(t *rapid.T) {
		cfg := rapid.SampledFrom([]Split{
			{}, {Format: FormatLines}, {Format: FormatLines, Raw: true}, {MaxRecordBytes: 20}, {Format: FormatLines, MaxRecordBytes: 20},
			{Records: "v"}, {Format: FormatLines, Records: "v"}, {MaxDepth: 1}, {Format: FormatLines, MaxDepth: 1},
		}).Draw(t, "split")
		row := `{"v":{"x":1}}`
		record := row
		switch {
		case cfg.Records != "":
			record = `{"x":1}`
		case cfg.MaxDepth == 1:
			row, record = "7", "7"
		}
		var in []byte
		var texts, wants []string
		for range rapid.IntRange(0, 5).Draw(t, "flaws") {
			in = append(in, row+"\n"...)
			wants = append(wants, record)
			texts = append(texts, strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "text"), ""))
			in = AppendFlaw(in, "wrong number of fields", []byte(texts[len(texts)-1]))
		}
		in = append(in, row...)
		wants = append(wants, record)

		pieces := checkLaws(t, cfg, string(in), drawChunk(t))
		require.Equal(t, wants, of(pieces, "record"))
		corrupt := of(pieces, "corrupt")
		require.Len(t, corrupt, len(texts))
		for i, data := range corrupt {
			require.Equal(t, texts[i], string(AppendFlawText(nil, []byte(data))))
			for _, r := range []io.Reader{
				strings.NewReader(data), iotest.OneByteReader(strings.NewReader(data)), iotest.DataErrReader(strings.NewReader(data)),
			} {
				read, err := io.ReadAll(FlawText(r))
				require.NoError(t, err)
				require.Equal(t, texts[i], string(read))
			}
		}
		for _, p := range pieces {
			if p.Kind == "corrupt" {
				require.True(t, p.Flaw)
				require.Contains(t, p.Err, ": wrong number of fields")
			}
		}
	})
}

// A broken value takes no flaw along that follows it.
func TestAFlawIsNotLostToTheValueBeforeIt(t *testing.T) {
	in := AppendFlaw([]byte("{\"deep\":[[1]]}\n{oops\n"), "reason", []byte("a,b"))
	for _, format := range []Format{FormatAuto, FormatLines} {
		pieces := cutter{cfg: Split{Format: format, MaxDepth: 2}}.cut(t, string(in)+"1\n")
		assert.Equal(t, []string{"{\"deep\":[[1]]}", "{oops", "a,b"}, of(pieces, "corrupt"), format)
		assert.Equal(t, []string{"1"}, of(pieces, "record"), format)
	}
}

// A reason cannot break out of its line, whatever is in it.
func TestReasonsAreBoundedAndPrintable(t *testing.T) {
	for _, reason := range []string{"", "a\nb\x00c", "é", strings.Repeat("x", 10_000), "\x7f\x1b[31m"} {
		pieces := cutter{cfg: Split{Format: FormatLines}}.cut(t, string(AppendFlaw(nil, reason, []byte("text"))))
		require.Equal(t, []string{"text"}, of(pieces, "corrupt"))
		for _, p := range pieces {
			if p.Kind == "corrupt" {
				assert.LessOrEqual(t, len(p.Err), 300)
				assert.NotContains(t, p.Err, "\x1b")
				assert.NotContains(t, p.Err, "\n")
			}
		}
	}
}

// What is not written by AppendFlaw is corrupt as it is.
func TestLinesThatAreNoFlaws(t *testing.T) {
	for _, line := range []string{
		"\x00", "\x00flaw", "\x00flaw ", "\x00flaw \x00", "\x00flaw why", "\x00flaw a\tb\x00text\x00", "\x00f\x00l\x00a\x00w\x00",
		"\x00flaw " + strings.Repeat("x", maxFlawReason+1) + "\x00text\x00", "\x01flaw why\x00text\x00", "\x00Flaw why\x00text\x00",
	} {
		for _, cfg := range []Split{{}, {Format: FormatLines}, {Format: FormatLines, MaxRecordBytes: 1}} {
			s, err := NewSplitter(cfg)
			require.NoError(t, err)
			tok := s.Next([]byte(line+"\n1"), true)
			require.Equal(t, TokenCorrupt, tok.Kind, "%q", line)
			assert.False(t, IsFlaw(tok.Err), "%q", line)
			assert.True(t, fault.Is(tok.Err, fault.ClassCorrupt))
			assert.Zero(t, tok.Start)
		}
	}
	assert.False(t, IsFlaw(io.EOF))
}

// Text that no AppendFlawData wrote is passed as it is.
func TestTextOfForeignFlaws(t *testing.T) {
	for _, text := range []string{"\x00", "a\x00", "\x00x", "\x00\x00", "n\x00"} {
		assert.Equal(t, text, string(AppendFlawText(nil, []byte(text))))
		read, err := io.ReadAll(FlawText(iotest.OneByteReader(strings.NewReader(text))))
		require.NoError(t, err)
		assert.Equal(t, text, string(read))
	}
	failing := io.MultiReader(strings.NewReader("a\x00"), iotest.ErrReader(io.ErrUnexpectedEOF))
	read, err := io.ReadAll(FlawText(failing))
	assert.Equal(t, "a\x00", string(read))
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAppendFlawKeepsWhatIsThere(t *testing.T) {
	dst := AppendFlaw([]byte("{}\n"), "why", []byte("x"))
	assert.True(t, bytes.HasPrefix(dst, []byte("{}\n")))
	assert.Equal(t, "{}\n\x00flaw why\x00x\x00\n", string(dst))
}
