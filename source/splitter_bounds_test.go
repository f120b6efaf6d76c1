package source

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/testtool"
)

// repeated gives text so often that there are size bytes, without holding them.
type repeated struct {
	text string
	size int
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && r.at < r.size {
		c := copy(p[n:], r.text[r.at%len(r.text):])
		c = min(c, r.size-r.at)
		n, r.at = n+c, r.at+c
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// stream feeds a splitter like the processor does: from one buffer that starts
// small and doubles when it is full. It returns what became of the bytes, and
// the size of the buffer.
func stream(t *testing.T, cfg Split, r io.Reader) (records, corrupt int, corruptBytes int64, buffer int) {
	s, err := NewSplitter(cfg)
	require.NoError(t, err)
	buf := make([]byte, 0, 64<<10)
	start, atEOF := 0, false
	for {
		tok := s.Next(buf[start:], atEOF)
		start += tok.Advance
		switch tok.Kind {
		case TokenEnd:
			return records, corrupt, corruptBytes, cap(buf)
		case TokenRecord:
			records++
		case TokenCorrupt:
			corruptBytes += int64(tok.End - tok.Start)
			if !tok.Continues {
				corrupt++
			}
		case TokenMore:
			if start > 0 {
				buf, start = buf[:copy(buf, buf[start:])], 0
			}
			if len(buf) == cap(buf) {
				buf = append(make([]byte, 0, min(2*cap(buf), s.MaxBuffer())), buf...)
			}
			n, err := r.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
			if atEOF = err == io.EOF; err != nil && !atEOF {
				t.Fatal(err)
			}
		}
	}
}

// TestSplitterTimeAndMemoryAreBounded on inputs that make a careless splitter
// quadratic, recurse or hold everything. Quadratic, each would take minutes.
func TestSplitterTimeAndMemoryAreBounded(t *testing.T) {
	size := 2 << 20
	if testtool.Brief() {
		size = 512 << 10
	}
	small := Split{MaxRecordBytes: 256 << 10}
	path := Split{MaxRecordBytes: 256 << 10, Records: "statuses"}
	linePath := Split{MaxRecordBytes: 256 << 10, Records: "statuses", Format: FormatLines}
	for name, c := range map[string]struct {
		cfg              Split
		head, text       string
		records, corrupt int // at least
	}{
		"broken lines":                  {cfg: small, text: "{\"a\":oops}\n", corrupt: size / 11},
		"truncated lines":               {cfg: small, text: "{\"a\":\"\n", corrupt: size / 7},
		"lines without JSON":            {cfg: small, text: "oops\n", corrupt: 1},
		"scalars that are none":         {cfg: small, text: "x\n" + strings.Repeat("7", 400), corrupt: 1},
		"nested arrays":                 {cfg: small, text: "[", corrupt: 1},
		"nested arrays in lines":        {cfg: Split{Format: FormatLines, MaxRecordBytes: 256 << 10}, text: "[", corrupt: 1},
		"nested objects":                {cfg: small, text: `{"a":`, corrupt: 1},
		"nested and closed":             {cfg: small, text: strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000), corrupt: 1},
		"lines that swallow each other": {cfg: small, text: "{\"a\":[\n{\"b\":1}\n,1,\n", corrupt: 1},
		"a value closed by each line":   {cfg: small, text: "{\"a\":[\n{\"b\":1}\n", records: size / 24, corrupt: size / 24},
		"one long string":               {cfg: small, text: `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`, corrupt: 1},
		"one long line":                 {cfg: Split{Format: FormatLines, MaxRecordBytes: 64 << 10}, text: "{\"a\":1}", corrupt: 1},
		"one long object, whole":        {cfg: Split{Format: FormatWhole, MaxRecordBytes: 1000}, text: "{\"a\":1}", corrupt: 1},
		"one long element":              {cfg: small, head: "[", text: `{"a":[1,2,"x"]},`[:15], corrupt: 1},
		"elements":                      {cfg: small, head: "[", text: `{"a":1},`, records: size/8 - 1, corrupt: 1},
		"commas":                        {cfg: small, head: "[", text: ",", corrupt: 1},
		"commas and brackets":           {cfg: small, text: "[,]", corrupt: size / 4},
		"elements with open strings":    {cfg: small, head: "[", text: "\n{\"a\":\"},", corrupt: 1},
		"neighbours that never end":     {cfg: small, head: "[\n[\"", text: "\n{\"a\":[", corrupt: 1},
		"neighbours that fail late":     {cfg: small, head: "[\n[\"", text: "\n[" + strings.Repeat("[\n[", 5000) + "x", corrupt: 1},
		"neighbours in long strings":    {cfg: small, head: "[\n[\"", text: "\n{\"" + strings.Repeat("aaaaaaaaaaaaaaaaaaaaaaaaaa", 5000), corrupt: 1},
		"lines of nothing":              {cfg: small, head: "[\n" + strings.Repeat(" ", 500) + "[\"", text: "\n" + strings.Repeat(" ", 500), corrupt: 1},
		"white space":                   {cfg: small, text: " \n\t"},
		"white space in a broken value": {cfg: small, head: "{\"a\"}", text: " \n\t", corrupt: 1},
		"blank lines":                   {cfg: Split{Format: FormatLines, Raw: true}, text: "\n"},
		"numbers without end":           {cfg: small, text: "1", corrupt: 1},
		"quotes":                        {cfg: small, text: `"`, records: 1},
		"path, many records":            {cfg: path, head: `{"statuses":[`, text: `{"a":1},`, records: size/8 - 2, corrupt: 1},
		"path, long surroundings":       {cfg: path, head: `{"x":"`, text: `aaaaaaaaaaaaaaaaaaaaa`, corrupt: 1},
		"path, many names":              {cfg: path, head: `{"a":1`, text: `,"status":1`, corrupt: 1},
		"path, many wrappers":           {cfg: path, text: "{\"statuses\":[1]}\n", records: size/17 - 1},
		"path, broken wrappers":         {cfg: path, text: "{\"x\":oops,\"statuses\":[1]}\n", corrupt: size / 27},
		"path, nested":                  {cfg: path, text: `{"statuses":`, corrupt: 1},
		"path, one line of records":     {cfg: linePath, head: `{"statuses":[`, text: `{"a":1},`, records: size/8 - 2, corrupt: 1},
		"path, lines":                   {cfg: linePath, text: "{\"statuses\":[{},{}]} x\n", records: size / 12, corrupt: size / 24},
		"long preamble":                 {cfg: Split{Preamble: skipComment{}}, text: "// comment\n", corrupt: 1},
	} {
		t.Run(name, func(t *testing.T) {
			started := cpuTime()
			records, corrupt, _, buffer := stream(t, c.cfg, io.MultiReader(strings.NewReader(c.head), &repeated{text: c.text, size: size}))
			assert.GreaterOrEqual(t, records, c.records, "records")
			assert.GreaterOrEqual(t, corrupt, c.corrupt, "corrupt records")
			s, err := NewSplitter(c.cfg)
			require.NoError(t, err)
			assert.LessOrEqual(t, buffer, s.MaxBuffer())
			assert.Less(t, cpuTime()-started, time.Minute)
		})
	}
}

// drip reads a few bytes at a time.
type drip struct{ io.Reader }

func (d drip) Read(p []byte) (int, error) { return d.Reader.Read(p[:min(len(p), 20)]) }

// TestSplitterIsLinearForDrippingCallers: one that offers a long value again
// and again with a few bytes more does not make it scan all of it each time.
func TestSplitterIsLinearForDrippingCallers(t *testing.T) {
	for _, cfg := range []Split{{}, {Format: FormatLines}, {Format: FormatLines, Records: "a"}, {Records: "a"}, {Preamble: skipComment{}, MaxPreambleBytes: 1 << 20}} {
		started := cpuTime()
		head := strings.NewReader(`{"a":[{"b":"`)
		if cfg.Preamble != nil {
			head = strings.NewReader(`//`)
		}
		text := io.MultiReader(head, &repeated{text: "abcdefghijklmnopqrstuvwxyz", size: 1 << 20}, strings.NewReader("\"}]}"))
		records, corrupt, _, _ := stream(t, cfg, drip{text})
		assert.Equal(t, 1, records+corrupt)
		assert.Less(t, cpuTime()-started, 20*time.Second)
	}
}

// TestSplitterAllocatesNothingForRecords, whatever the format.
func TestSplitterAllocatesNothingForRecords(t *testing.T) {
	for _, cfg := range []Split{{}, {Format: FormatLines}, {Records: "id"}, {Format: FormatLines, Records: "id"}} {
		s, err := NewSplitter(cfg)
		require.NoError(t, err)
		data := []byte(strings.Repeat("{\"id\":1,\"text\":\"x\"}\n", 100))
		assert.Zero(t, testing.AllocsPerRun(10, func() {
			s.Reset()
			for at := 0; ; {
				tok := s.Next(data[at:], true)
				at += tok.Advance
				if tok.Kind == TokenEnd {
					return
				}
			}
		}), "%+v", cfg)
	}
}

// A value behind a broken string, which may be the next element, is not scanned
// again for each few bytes either.
func TestSplitterIsLinearBehindABrokenString(t *testing.T) {
	started := cpuTime()
	text := io.MultiReader(strings.NewReader("[\n{\"a\":\"},\n{\"b\":\""), &repeated{text: "abcdefghijklmnopqrstuvwxyz", size: 4 << 20}, strings.NewReader("\"}\n]"))
	records, corrupt, _, _ := stream(t, Split{}, drip{text})
	assert.Equal(t, 1, records)
	assert.Equal(t, 1, corrupt)
	assert.Less(t, cpuTime()-started, 20*time.Second)
}

// A splitter waits until looking at a long record again is worth its while, unless
// it is told that no more will come.
func TestSplitterLooksAgain(t *testing.T) {
	record := `{"text":"` + strings.Repeat("x", 1000) + `"}`
	for _, format := range []Format{FormatAuto, FormatLines} {
		s, err := NewSplitter(Split{Format: format})
		require.NoError(t, err)
		data := []byte(record + "\n" + `{"id":`)
		require.Equal(t, TokenMore, s.Next(data[:900], false).Kind)
		require.Equal(t, TokenMore, s.Next(data, false).Kind, "as long as it waits")
		s.LookAgain()
		tok := s.Next(data, false)
		require.Equal(t, TokenRecord, tok.Kind)
		assert.Equal(t, record, string(data[tok.Start:tok.End]))
		assert.Equal(t, TokenMore, s.Next(data[tok.Advance:], false).Kind)
	}
}
