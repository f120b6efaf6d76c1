package benchtest

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// preamble stands before the JSON of each file of a folder.
const preamble = "// written by feed 7 [see {docs}]\n// 2026-11-22\n"

// makeFolder makes a folder of n files, each of two comment lines and a tweet of
// about 2.4 KB.
func makeFolder(tb testing.TB, n int) string {
	tb.Helper()
	lines := tweets(false)
	folder := tb.TempDir()
	var data []byte
	for i := range n {
		data = append(append(data[:0], preamble...), lines[i%len(lines)]...)
		name := filepath.Join(folder, fmt.Sprintf("feed-%010d.json", 1_700_000_000+i))
		require.NoError(tb, os.WriteFile(name, data, 0o600))
	}
	return folder
}

// writeLines writes a file of one tweet a line, of about 2.4 KB or, where brief,
// of about 500 bytes, and returns how many.
func writeLines(tb testing.TB, name string, brief bool, size int64) (records int) {
	tb.Helper()
	lines := tweets(brief)
	file, err := os.Create(name)
	require.NoError(tb, err)
	w := bufio.NewWriterSize(file, 1<<20)
	for written := int64(0); written < size; records++ {
		line := lines[records%len(lines)]
		_, err := w.Write(line)
		require.NoError(tb, err)
		written += int64(len(line))
	}
	require.NoError(tb, w.Flush())
	require.NoError(tb, file.Close())
	return records
}

// tweets returns different tweets, always the same, each with its line end.
func tweets(brief bool) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([][]byte, 1024)
	for i := range lines {
		lines[i] = tweet(r, i, brief)
	}
	return lines
}

var words = []string{
	"the", "queue", "is", "empty", "again", "rain", "over", "a", "worker", "at", "last", "café", "日本語", "😀",
	`\"quoted\"`, `don\u2019t`, "@user_name", "#topic", `https:\/\/t.co\/Qx8Zb0`,
}

// tweet returns a tweet and its line end; a brief one says less of its user.
func tweet(r *rand.Rand, n int, brief bool) []byte {
	text := func(size int) string {
		var b strings.Builder
		for b.Len() < size {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteByte(' ')
		}
		return b.String()
	}
	var tags []string
	for range r.IntN(4) {
		at := r.IntN(100)
		tags = append(tags, fmt.Sprintf(`{"text":"topic%d","indices":[%d,%d]}`, r.IntN(1000), at, at+9))
	}
	id, user := 1_500_000_000_000_000_000+r.Int64N(1e17), 10_000_000+r.IntN(1e9)
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"created_at":"Mon Nov 23 10:%02d:%02d +0000 2026","id":%d,"id_str":"%d","text":"%s",`, n/60%60, n%60, id, id, text(80))
	if !brief {
		fmt.Fprintf(&b, `"source":"<a href=\"http:\/\/example.com\/app\" rel=\"nofollow\">Example for Phones<\/a>","truncated":false,`+
			`"in_reply_to_status_id":null,"in_reply_to_user_id":%d,"in_reply_to_user_id_str":"%d","in_reply_to_screen_name":"someone_else",`, user+7, user+7)
	}
	fmt.Fprintf(&b, `"user":{"id":%d,"id_str":"%d","name":"%s","screen_name":"user_%d","followers_count":%d`, user, user, text(12), user, r.IntN(1e5))
	if !brief {
		fmt.Fprintf(&b, `,"location":"%s","url":null,"description":"%s","protected":false,"verified":false,"friends_count":%d,"listed_count":%d,`+
			`"favourites_count":%d,"statuses_count":%d,"created_at":"Sat Apr 12 11:02:24 +0000 2014","utc_offset":-14400,`+
			`"time_zone":"Eastern Time (US & Canada)","geo_enabled":true,"lang":"en","contributors_enabled":false,"is_translator":false,`+
			`"profile_background_color":"C0DEED","profile_background_image_url":"http:\/\/abs.example.com\/images\/themes\/theme1\/bg.png",`+
			`"profile_background_image_url_https":"https:\/\/abs.example.com\/images\/themes\/theme1\/bg.png","profile_background_tile":false,`+
			`"profile_link_color":"0084B4","profile_sidebar_border_color":"C0DEED","profile_text_color":"333333","profile_use_background_image":true,`+
			`"profile_image_url":"http:\/\/pbs.example.com\/profile_images\/%d\/normal.jpeg","default_profile":true,"following":null,"notifications":null`,
			text(15), text(210), r.IntN(3000), r.IntN(100), r.IntN(9000), r.IntN(50_000), user)
	}
	b.WriteString("},")
	if !brief {
		fmt.Fprintf(&b, `"geo":{"type":"Point","coordinates":[%.6f,%.6f]},"coordinates":null,"place":null,"contributors":null,`, r.Float64()*90, -r.Float64()*180)
	}
	fmt.Fprintf(&b, `"retweet_count":%d,"favorite_count":%d,"entities":{"hashtags":[%s]`, r.IntN(100), r.IntN(100), strings.Join(tags, ","))
	if !brief {
		fmt.Fprintf(&b, `,"urls":[{"url":"https:\/\/t.co\/%x","expanded_url":"http:\/\/example.com\/%x","display_url":"example.com\/x","indices":[52,75]}],`+
			`"user_mentions":[{"screen_name":"other","name":"Other One","id":%d,"id_str":"%d","indices":[0,6]}],"symbols":[]`, id, id, user+1, user+1)
	}
	b.WriteString(`},"favorited":false,"retweeted":false,`)
	if !brief {
		b.WriteString(`"possibly_sensitive":false,"filter_level":"low",`)
	}
	fmt.Fprintf(&b, `"lang":"en","timestamp_ms":"%d"}`+"\n", 1_795_000_000_000+r.Int64N(1e9))
	return b.Bytes()
}
