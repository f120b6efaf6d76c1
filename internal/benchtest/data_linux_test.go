package benchtest

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unspool-go/unspool/internal/spooltest"
)

// preamble stands before the JSON of each file of a folder.
const preamble = "// written by feed 7 [see {docs}]\n// 2026-11-22\n"

// makeFolder writes n files, each of two comment lines and a tweet of about 2.4 KB.
func makeFolder(tb testing.TB, n int) string {
	tb.Helper()
	const kinds = 1000 // different tweets
	var text bytes.Buffer
	_, err := spooltest.WriteLines(&text, 1, kinds*2600)
	require.NoError(tb, err)
	lines := bytes.SplitAfterN(text.Bytes(), []byte("\n"), kinds+1)[:kinds]
	folder := tb.TempDir()
	var data []byte
	for i := range n {
		data = append(append(data[:0], preamble...), lines[i%kinds]...)
		name := filepath.Join(folder, fmt.Sprintf("feed-%010d.json", 1_700_000_000+i))
		require.NoError(tb, os.WriteFile(name, data, 0o600))
	}
	return folder
}

// writeLines writes a file of one tweet a line, of about 2.4 KB or, where brief, of
// about 500 bytes, and returns how many.
func writeLines(tb testing.TB, name string, brief bool, size int64) (records int) {
	tb.Helper()
	file, err := os.Create(name)
	require.NoError(tb, err)
	w := bufio.NewWriterSize(file, 1<<20)
	if brief {
		records, err = writeBrief(w, size)
	} else {
		records, err = spooltest.WriteLines(w, 1, size)
	}
	require.NoError(tb, err)
	require.NoError(tb, w.Flush())
	require.NoError(tb, file.Close())
	return records
}

// writeBrief writes brief tweets to w, one a line.
func writeBrief(w *bufio.Writer, size int64) (records int, err error) {
	const kinds = 4096 // different tweets
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([][]byte, kinds)
	for i := range lines {
		lines[i] = brief(r, i)
	}
	for written := int64(0); written < size; records++ {
		line := lines[records%kinds]
		if _, err := w.Write(line); err != nil {
			return records, err
		}
		written += int64(len(line))
	}
	return records, nil
}

// brief returns a tweet of about 500 bytes and its line end.
func brief(r *rand.Rand, id int) []byte {
	words := []string{"the", "queue", "is", "empty", "again", "café", "日本語", `\"quoted\"`, "worker", `\u2764`, "rain", "over", "@user", "#topic", `https:\/\/t.co\/Qx8Zb0`}
	text := func(n int) (s string) {
		for range n {
			s += words[r.IntN(len(words))] + " "
		}
		return s
	}
	var tags []byte
	for i := range r.IntN(4) {
		if i > 0 {
			tags = append(tags, ',')
		}
		tags = fmt.Appendf(tags, `{"text":"topic%d","indices":[%d,%d]}`, r.IntN(1000), i*10, i*10+9)
	}
	user := 10_000_000 + r.IntN(1e9)
	return fmt.Appendf(nil, `{"created_at":"Mon Nov 23 10:%02d:%02d +0000 2026","id":%d,"id_str":"%d","text":"%s",`+
		`"user":{"id":%d,"id_str":"%d","name":"%s","screen_name":"user_%d","followers_count":%d},"retweet_count":%d,`+
		`"favorite_count":%d,"entities":{"hashtags":[%s]},"favorited":false,"retweeted":false,"lang":"en","timestamp_ms":"%d"}`+"\n",
		r.IntN(60), r.IntN(60), spooltest.FirstID+id, spooltest.FirstID+id, text(18),
		user, user, text(2), user, r.IntN(1e5), r.IntN(100), r.IntN(100), tags, 1_795_000_000_000+id)
}
