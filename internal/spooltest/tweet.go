package spooltest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

var (
	words = []string{
		"the", "queue", "is", "empty", "again", "a", "file", "at", "last", "rain", "over", "harbour", "quiet", "morning",
		"train", "late", "coffee", "in", "hand", "reading", "about", "lighthouses", "und", "dann", "kam", "der", "Regen",
		"où", "est", "passé", "l’été", "今日", "は", "良い", "天気", "привет", "мир", "😀", "🚀🚀", `\"quoted\"`, `back\\slash`,
		`tab\there`, `line\nbreak`, `\u00e9t\u00e9`, `\ud83d\ude80`, `a\/b`, "&amp;", "<3", "100%", "{brace}", "[bracket]",
	}
	tags  = []string{"golang", "sqs", "monday", "夏", "été", "news", "nowplaying", "photo", "Wetter", "go_gopher"}
	langs = []string{"en", "de", "fr", "ja", "ru", "und"}
	names = []string{"anna", "boris", "chloé", "dmitri", "emi", "farid", "grace", "hiro"}
	zones = []string{`"Berlin"`, `"London"`, `"Tokyo"`, "null"}
)

// appendTweet appends a tweet of 2 to 3 KB on one line. Its numbers, strings
// and escapes are of the kinds that do not survive a round trip through
// careless code: ids beyond 2^53, 1.0 and 1E3, escaped and raw characters.
func appendTweet(dst []byte, r *rand.Rand, id int64) []byte {
	dst = fmt.Appendf(dst, `{"created_at":"Sat Nov 21 %02d:%02d:%02d +0000 2026","id":%d,"id_str":"%d",`,
		r.IntN(24), r.IntN(60), r.IntN(60), id, id)
	dst = append(dst, `"text":"`...)
	dst = appendWords(dst, r, 12+r.IntN(16))
	dst = append(dst, `","display_text_range":[0,140],"source":"<a href=\"https:\/\/example.com\/app\" rel=\"nofollow\">Example App<\/a>","truncated":`...)
	dst = strconv.AppendBool(dst, r.IntN(2) == 0)
	dst = append(dst, `,"in_reply_to_status_id":null,"in_reply_to_user_id":null,"in_reply_to_screen_name":null,`...)
	dst = appendUser(dst, r)
	dst = append(dst, `,"geo":null,"coordinates":`...)
	if r.IntN(3) == 0 {
		dst = fmt.Appendf(dst, `{"type":"Point","coordinates":[%.6f,%.1f]}`, r.Float64()*360-180, float64(r.IntN(180)-90))
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"place":null,"contributors":null,"is_quote_status":false,`...)
	dst = fmt.Appendf(dst, `"quote_count":%d,"reply_count":%d,"retweet_count":%d,"favorite_count":%d,"score":%s,`,
		r.IntN(9), r.IntN(99), r.IntN(9999), r.IntN(99999), []string{"1.0", "1E3", "-0.0", "6.02e+23", "0.1"}[r.IntN(5)])
	dst = appendEntities(dst, r)
	dst = append(dst, `,"favorited":false,"retweeted":false,"possibly_sensitive":false,"filter_level":"low","lang":"`...)
	dst = append(dst, langs[r.IntN(len(langs))]...)
	dst = append(dst, `","matching_rules":[{"tag":null}],"note":"`...)
	for len(dst) < 2000 {
		dst = appendWords(dst, r, 8)
		dst = append(dst, ' ')
	}
	dst = fmt.Appendf(dst, `","timestamp_ms":"%d"}`, 1_795_000_000_000+id%1_000_000_000)
	return dst
}

func appendUser(dst []byte, r *rand.Rand) []byte {
	name := names[r.IntN(len(names))]
	uid := r.Int64N(1 << 60)
	dst = fmt.Appendf(dst, `"user":{"id":%d,"id_str":"%d","name":"%s %c.","screen_name":"%s_%d","location":"`,
		uid, uid, name, 'A'+r.IntN(26), name, r.IntN(10000))
	dst = appendWords(dst, r, 2)
	dst = append(dst, `","url":null,"description":"`...)
	dst = appendWords(dst, r, 6+r.IntN(20))
	return fmt.Appendf(dst, `","protected":false,"verified":%t,"followers_count":%d,"friends_count":%d,"listed_count":%d,`+
		`"favourites_count":%d,"statuses_count":%d,"created_at":"Thu May 05 10:00:00 +0000 2016","utc_offset":null,`+
		`"time_zone":%s,"geo_enabled":true,"lang":null,"profile_background_color":"C0DEED",`+
		`"profile_image_url_https":"https:\/\/img.example.com\/profile\/%d\/normal.jpg","default_profile":true,"following":null}`,
		r.IntN(10) == 0, r.IntN(1e6), r.IntN(5000), r.IntN(200), r.IntN(1e5), r.IntN(1e6), zones[r.IntN(len(zones))], uid)
}

func appendEntities(dst []byte, r *rand.Rand) []byte {
	dst = append(dst, `"entities":{"hashtags":[`...)
	for i := range r.IntN(4) {
		if i > 0 {
			dst = append(dst, ',')
		}
		at := r.IntN(100)
		dst = fmt.Appendf(dst, `{"text":"%s","indices":[%d,%d]}`, tags[r.IntN(len(tags))], at, at+7)
	}
	dst = append(dst, `],"urls":[`...)
	for i := range r.IntN(2) {
		dst = fmt.Appendf(dst, `{"url":"https:\/\/t.example\/%x","expanded_url":"https:\/\/example.org\/a?b=%d&c=d","indices":[%d,%d]}`,
			r.Uint32(), i, 100, 123)
	}
	dst = append(dst, `],"user_mentions":[`...)
	for i := range r.IntN(3) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, `{"screen_name":"%s","id":%d,"indices":[3,12]}`, names[r.IntN(len(names))], r.Int64N(1<<60))
	}
	return append(dst, `],"symbols":[]}`...)
}

func appendWords(dst []byte, r *rand.Rand, n int) []byte {
	for i := range n {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, words[r.IntN(len(words))]...)
	}
	return dst
}

// WriteLines writes tweets to w, one a line, until at least size bytes are
// written, and returns how many: their ids are FirstID+1, FirstID+2, ….
func WriteLines(w io.Writer, seed uint64, size int64) (records int, err error) {
	r := rand.New(rand.NewPCG(seed, 1))
	var line []byte
	for written := int64(0); written < size; written += int64(len(line)) {
		records++
		line = append(appendTweet(line[:0], r, FirstID+int64(records)), '\n')
		if _, err := w.Write(line); err != nil {
			return records, fmt.Errorf("write line %d: %w", records, err)
		}
	}
	return records, nil
}
